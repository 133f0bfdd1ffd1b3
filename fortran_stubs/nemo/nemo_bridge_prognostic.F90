#include "nemo_bridge_version.h90"
!> Temperature, salinity, velocity and surface height of NEMO 4.2 and 5.0, where time levels are
!> indices that rotate. What travels is the level that is valid between steps: the before level
!> under RK3, the now level under leapfrog (MLF).
module nemo_bridge_prognostic
    ! What the macros of domzgr_substitute.h90 need differs between builds.
    ! allow(C121)
    use dom_oce
    use lbclnk, only: lbc_lnk
    use nemo_bridge_visitor, only: item, rotating_item, visitor
    use oce, only: ssh, ts, uu, uu_b, vv, vv_b
#if defined key_qco
    use domqco, only: dom_qco_r3c
#endif
    ! allow(C121)
    use par_oce
    implicit none
    private

    public :: each_prognostic, levels_from_nemo, levels_to_nemo, valid, note_written, note_restored
    public :: complete_written

#include "domzgr_substitute.h90"

    !> NEMO passes these to the hooks; 4.2 keeps them where no module of ours could use them.
    integer, target :: before = 1, now = 2, after = 3, right_hand_side = 3
    integer, target :: valid_level = 1

    !> What the server has written since the last step.
    logical :: tracers_written = .false., currents_written = .false., height_written = .false.

    integer, parameter :: prognostic = kind(ts)  !! may be more precise than wp in 4.2

contains

    subroutine levels_from_nemo(kbb, kmm, kaa, krhs)
        integer, intent(in) :: kbb, kmm, kaa, krhs
        before = kbb
        now = kmm
        after = kaa
        right_hand_side = krhs
        call choose_valid()
    end subroutine levels_from_nemo

    subroutine levels_to_nemo(kbb, kmm, kaa, krhs)
        integer, intent(inout) :: kbb, kmm, kaa, krhs
        kbb = before
        kmm = now
        kaa = after
        krhs = right_hand_side
        call choose_valid()
    end subroutine levels_to_nemo

    subroutine choose_valid()
#if defined key_RK3
        valid_level = before
#else
        valid_level = now
#endif
    end subroutine choose_valid

    !> Index of the level that is valid between steps; of restored indices, too.
    function valid() result(level)
        integer :: level
        call choose_valid()
        level = valid_level
    end function valid

    !> The fields that a user reads and writes come first, then what goes with them.
    subroutine each_prognostic(v)
        type(visitor), intent(inout) :: v
        integer, pointer :: level
        level => valid_level
        call rotating_item(v, "thetao", ts(:, :, :, jp_tem, :), level, "T", "degC")
        call rotating_item(v, "so", ts(:, :, :, jp_sal, :), level, "T", "1e-3")
        call rotating_item(v, "uo", uu, level, "U", "m s-1")
        call rotating_item(v, "vo", vv, level, "V", "m s-1")
        call rotating_item(v, "zos", ssh, level, "T", "m")
        call rotating_item(v, "uu_b", uu_b, level, "U", "m s-1")
        call rotating_item(v, "vv_b", vv_b, level, "V", "m s-1")
        call item(v, "Nbb", before)
        call item(v, "Nnn", now)
        call item(v, "Naa", after)
        call item(v, "Nrhs", right_hand_side)
        call item(v, "l_1st_euler", l_1st_euler)
        call item(v, "rDt", rDt)
        call item(v, "r1_Dt", r1_Dt)
#if ! defined key_linssh
        call each_thickness(v, level)
#endif
    end subroutine each_prognostic

#if ! defined key_linssh
    !> Layer thickness, where it follows the surface.
    subroutine each_thickness(v, level)
        type(visitor), intent(inout) :: v
        integer, pointer, intent(in) :: level
#if defined key_qco
        call rotating_item(v, "r3t", r3t, level, "T")
        call rotating_item(v, "r3u", r3u, level, "U")
        call rotating_item(v, "r3v", r3v, level, "V")
        call item(v, "r3f", r3f, "F")
        if (allocated(r3t_f)) call item(v, "r3t_f", r3t_f, "T")
        if (allocated(r3u_f)) call item(v, "r3u_f", r3u_f, "U")
        if (allocated(r3v_f)) call item(v, "r3v_f", r3v_f, "V")
#else
        call rotating_item(v, "e3t", e3t, level, "T", "m")
        call rotating_item(v, "e3u", e3u, level, "U", "m")
        call rotating_item(v, "e3v", e3v, level, "V", "m")
        call item(v, "e3f", e3f, "F", "m")
        call rotating_item(v, "e3w", e3w, level, "W", "m")
        call rotating_item(v, "e3uw", e3uw, level, "U", "m")
        call rotating_item(v, "e3vw", e3vw, level, "V", "m")
        call rotating_item(v, "gdept", gdept, level, "T", "m")
        call rotating_item(v, "gdepw", gdepw, level, "W", "m")
        call item(v, "gde3w", gde3w, "W", "m")
        call item(v, "ht", ht, "T", "m")
        call rotating_item(v, "hu", hu, level, "U", "m")
        call rotating_item(v, "hv", hv, level, "V", "m")
        call rotating_item(v, "r1_hu", r1_hu, level, "U", "m-1")
        call rotating_item(v, "r1_hv", r1_hv, level, "V", "m-1")
#endif
    end subroutine each_thickness
#endif

    !> The server wrote the field called `name`, or a restore did: `note_restored` tells.
    subroutine note_written(name)
        character(*), intent(in) :: name
        if (name == "thetao" .or. name == "so") tracers_written = .true.
        if (name == "uo" .or. name == "vo") currents_written = .true.
        if (name == "zos") height_written = .true.
    end subroutine note_written

    !> A snapshot came back: nothing is as the server wrote it, and the level that is valid is that of
    !> the restored indices, for what is read or written before the next step.
    subroutine note_restored()
        call choose_valid()
        call forget_written()
    end subroutine note_restored

    subroutine forget_written()
        tracers_written = .false.
        currents_written = .false.
        height_written = .false.
    end subroutine forget_written

    !> Before the next step: halos of what the server wrote, and what NEMO keeps consistent with it.
    !> Leapfrog forgets the step before and begins with a forward step.
    subroutine complete_written()
        integer :: k
        if (.not. (tracers_written .or. currents_written .or. height_written)) return
        k = valid()
        if (tracers_written) then
            call lbc_lnk("nemo_bridge", ts(:, :, :, jp_tem, k), "T", 1.0_prognostic, &
                ts(:, :, :, jp_sal, k), "T", 1.0_prognostic)
        end if
        if (currents_written) then
            call lbc_lnk("nemo_bridge", uu(:, :, :, k), "U", -1.0_prognostic, vv(:, :, :, k), "V", &
                -1.0_prognostic)
        end if
        if (height_written) then
            call lbc_lnk("nemo_bridge", ssh(:, :, k), "T", 1.0_prognostic)
#if defined key_qco
            call dom_qco_r3c(ssh(:, :, k), r3t(:, :, k), r3u(:, :, k), r3v(:, :, k), r3f(:, :))
            call lbc_lnk("nemo_bridge", r3u(:, :, k), "U", 1.0_wp, r3v(:, :, k), "V", 1.0_wp, r3f, &
                "F", 1.0_wp)
#endif
        end if
        if (currents_written) call average_currents(k)
#if ! defined key_RK3
        call copy_to_before(k)
        l_1st_euler = .true.
#endif
        call forget_written()
    end subroutine complete_written

    !> Vertical means of the currents of level `kmm`.
    subroutine average_currents(kmm)
        integer, intent(in) :: kmm
        integer :: ji, jj, jk
        do jj = 1, jpj
            do ji = 1, jpi
                uu_b(ji, jj, kmm) = 0.0_wp
                vv_b(ji, jj, kmm) = 0.0_wp
                do jk = 1, jpkm1
                    uu_b(ji, jj, kmm) = uu_b(ji, jj, kmm) &
                        + e3u(ji,jj,jk,kmm)*uu(ji, jj, jk, kmm)*umask(ji, jj, jk)
                    vv_b(ji, jj, kmm) = vv_b(ji, jj, kmm) &
                        + e3v(ji,jj,jk,kmm)*vv(ji, jj, jk, kmm)*vmask(ji, jj, jk)
                end do
                uu_b(ji, jj, kmm) = uu_b(ji, jj, kmm)*r1_hu(ji,jj,kmm)
                vv_b(ji, jj, kmm) = vv_b(ji, jj, kmm)*r1_hv(ji,jj,kmm)
            end do
        end do
    end subroutine average_currents

#if ! defined key_RK3
    !> Give the step before the values of level `k`.
    subroutine copy_to_before(k)
        integer, intent(in) :: k
        if (tracers_written) ts(:, :, :, :, before) = ts(:, :, :, :, k)
        if (currents_written) then
            uu(:, :, :, before) = uu(:, :, :, k)
            vv(:, :, :, before) = vv(:, :, :, k)
            uu_b(:, :, before) = uu_b(:, :, k)
            vv_b(:, :, before) = vv_b(:, :, k)
        end if
        if (height_written) then
            ssh(:, :, before) = ssh(:, :, k)
#if defined key_qco
            r3t(:, :, before) = r3t(:, :, k)
            r3u(:, :, before) = r3u(:, :, k)
            r3v(:, :, before) = r3v(:, :, k)
#endif
        end if
    end subroutine copy_to_before
#endif
end module nemo_bridge_prognostic
