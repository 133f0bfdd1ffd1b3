!> Temperature, salinity, velocity and surface height of NEMO 4.0: one array for each time level.
!> What travels is the now level; `levels_from_nemo` and `levels_to_nemo` have nothing to do.
module nemo_bridge_prognostic
    use dom_oce, only: e3f_n, e3t_b, e3t_n, e3u_b, e3u_n, e3uw_b, e3uw_n, e3v_b, e3v_n, e3vw_b, &
        e3vw_n, e3w_b, e3w_n, gde3w_n, gdept_b, gdept_n, gdepw_b, gdepw_n, ht_n, hu_b, hu_n, &
        hv_b, hv_n, ln_linssh, neuler, r1_hu_b, r1_hu_n, r1_hv_b, r1_hv_n, r2dt, umask, vmask
    use lbclnk, only: lbc_lnk, lbc_lnk_multi
    use nemo_bridge_visitor, only: item, visitor
    use oce, only: sshb, sshn, tsb, tsn, ub, ub_b, un, un_b, vb, vb_b, vn, vn_b
    use par_oce, only: jp_sal, jp_tem, jpkm1, wp
    implicit none
    private

    public :: each_prognostic, note_written, note_restored, complete_written

    !> What the server has written since the last step.
    logical :: tracers_written = .false., currents_written = .false., height_written = .false.

contains

    !> The fields that a user reads and writes come first, then what goes with them.
    subroutine each_prognostic(v)
        type(visitor), intent(inout) :: v
        call item(v, "thetao", tsn(:, :, :, jp_tem), "T", "degC")
        call item(v, "so", tsn(:, :, :, jp_sal), "T", "1e-3")
        call item(v, "uo", un, "U", "m s-1")
        call item(v, "vo", vn, "V", "m s-1")
        call item(v, "zos", sshn, "T", "m")
        call item(v, "un_b", un_b, "U", "m s-1")
        call item(v, "vn_b", vn_b, "V", "m s-1")
        call item(v, "tsb", tsb, "T")
        call item(v, "ub", ub, "U", "m s-1")
        call item(v, "vb", vb, "V", "m s-1")
        call item(v, "sshb", sshb, "T", "m")
        call item(v, "ub_b", ub_b, "U", "m s-1")
        call item(v, "vb_b", vb_b, "V", "m s-1")
        call item(v, "neuler", neuler)
        call item(v, "r2dt", r2dt)
        if (.not. ln_linssh) call each_thickness(v)
    end subroutine each_prognostic

    !> Layer thickness, where it follows the surface.
    subroutine each_thickness(v)
        type(visitor), intent(inout) :: v
        call item(v, "e3t_b", e3t_b, "T", "m")
        call item(v, "e3t_n", e3t_n, "T", "m")
        call item(v, "e3u_b", e3u_b, "U", "m")
        call item(v, "e3u_n", e3u_n, "U", "m")
        call item(v, "e3v_b", e3v_b, "V", "m")
        call item(v, "e3v_n", e3v_n, "V", "m")
        call item(v, "e3f_n", e3f_n, "F", "m")
        call item(v, "e3w_b", e3w_b, "W", "m")
        call item(v, "e3w_n", e3w_n, "W", "m")
        call item(v, "e3uw_b", e3uw_b, "U", "m")
        call item(v, "e3uw_n", e3uw_n, "U", "m")
        call item(v, "e3vw_b", e3vw_b, "V", "m")
        call item(v, "e3vw_n", e3vw_n, "V", "m")
        call item(v, "gdept_b", gdept_b, "T", "m")
        call item(v, "gdept_n", gdept_n, "T", "m")
        call item(v, "gdepw_b", gdepw_b, "W", "m")
        call item(v, "gdepw_n", gdepw_n, "W", "m")
        call item(v, "gde3w_n", gde3w_n, "W", "m")
        call item(v, "ht_n", ht_n, "T", "m")
        call item(v, "hu_b", hu_b, "U", "m")
        call item(v, "hu_n", hu_n, "U", "m")
        call item(v, "hv_b", hv_b, "V", "m")
        call item(v, "hv_n", hv_n, "V", "m")
        call item(v, "r1_hu_b", r1_hu_b, "U", "m-1")
        call item(v, "r1_hu_n", r1_hu_n, "U", "m-1")
        call item(v, "r1_hv_b", r1_hv_b, "V", "m-1")
        call item(v, "r1_hv_n", r1_hv_n, "V", "m-1")
    end subroutine each_thickness

    !> The server wrote the field called `name`, or a restore did: `note_restored` tells.
    subroutine note_written(name)
        character(*), intent(in) :: name
        if (name == "thetao" .or. name == "so") tracers_written = .true.
        if (name == "uo" .or. name == "vo") currents_written = .true.
        if (name == "zos") height_written = .true.
    end subroutine note_written

    !> A snapshot came back: nothing is as the server wrote it.
    subroutine note_restored()
        call forget_written()
    end subroutine note_restored

    subroutine forget_written()
        tracers_written = .false.
        currents_written = .false.
        height_written = .false.
    end subroutine forget_written

    !> Before the next step: halos of what the server wrote; the step before gets the same values.
    subroutine complete_written()
        integer :: jk
        if (tracers_written) then
            call lbc_lnk("nemo_bridge", tsn, "T", 1.0_wp)
            tsb(:, :, :, :) = tsn(:, :, :, :)
        end if
        if (currents_written) then
            call lbc_lnk_multi("nemo_bridge", un, "U", -1.0_wp, vn, "V", -1.0_wp)
            un_b(:, :) = 0.0_wp
            vn_b(:, :) = 0.0_wp
            do jk = 1, jpkm1
                un_b(:, :) = un_b(:, :) + e3u_n(:, :, jk)*un(:, :, jk)*umask(:, :, jk)
                vn_b(:, :) = vn_b(:, :) + e3v_n(:, :, jk)*vn(:, :, jk)*vmask(:, :, jk)
            end do
            un_b(:, :) = un_b(:, :)*r1_hu_n(:, :)
            vn_b(:, :) = vn_b(:, :)*r1_hv_n(:, :)
            ub(:, :, :) = un(:, :, :)
            vb(:, :, :) = vn(:, :, :)
            ub_b(:, :) = un_b(:, :)
            vb_b(:, :) = vn_b(:, :)
        end if
        if (height_written) then
            call lbc_lnk("nemo_bridge", sshn, "T", 1.0_wp)
            sshb(:, :) = sshn(:, :)
        end if
        call forget_written()
    end subroutine complete_written
end module nemo_bridge_prognostic
