!> Surface forcing of one step, for every configuration (NEMO's sbcmod). All fields are valid on the halo
!! (utau up to ni+hls-1, vtau up to nj+hls-1), so nothing is exchanged.
module sbc
    use dom_oce, only: domain
    use nam_toy, only: toy_namelist
    use oce, only: ocean_state, surface_forcing
    use par_oce, only: rday, ryear_days, wp
    use sbc_global, only: climatology, global_sbc
    use sbc_gyre, only: gyre_sbc
    use usrdef_box, only: box_sbc
    implicit none
    private
    public :: sbc_step, day_of_year

contains

    !> Forcing in the middle of step kt, from the state before it.
    subroutine sbc_step(dom, nam, clim, kt, state, surface)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        type(climatology), intent(in) :: clim          !! read for `global` only
        integer, intent(in) :: kt
        type(ocean_state), intent(in) :: state
        type(surface_forcing), intent(inout) :: surface
        real(wp) :: day
        day = day_of_year(kt, nam%dom%rn_Dt)
        select case (nam%cfg%cn_cfg)
        case ('gyre')
            call gyre_sbc(dom, day, nam%sbc_ssr%rn_dqdt, state%t(:, :, 1), surface)
        case ('idealised')
            call box_sbc(dom, nam%usr_def, surface)
        case default
            ! At rest nothing forces the ocean: the fields keep their initial zeros.
            if (.not. nam%dom%ln_rest) call global_sbc(dom, nam%sbc_ssr, clim, day, nam%sbc%ln_ssr, &
                state%t(:, :, 1), state%s(:, :, 1), surface)
        end select
    end subroutine sbc_step

    !> Days since 1 January in the middle of step kt (1, 2, ...) of a 360-day year.
    pure real(wp) function day_of_year(kt, rn_dt)
        integer, intent(in) :: kt
        real(wp), intent(in) :: rn_dt   !! s
        day_of_year = modulo((real(kt, wp) - 0.5_wp)*rn_dt/rday, ryear_days)
    end function day_of_year

end module sbc
