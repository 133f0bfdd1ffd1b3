!> Initial state of each configuration; a restart file replaces it (NEMO's istate).
module istate
    use dom_oce, only: domain
    use iom, only: iom_check, iom_read_tile
    use nam_toy, only: toy_namelist
    use netcdf, only: nf90_close, nf90_nowrite, nf90_open
    use oce, only: ocean_state
    use par_oce, only: hls, wp
    use usrdef_box, only: box_istate
    use usrdef_gyre, only: gyre_profile
    implicit none
    private
    public :: istate_init

contains

    !> The ocean before step nn_it000, at rest but for the idealised bumps.
    subroutine istate_init(dom, nam, state, message)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        type(ocean_state), intent(inout) :: state
        character(len=:), allocatable, intent(out) :: message   !! empty: done
        message = ''
        state%kt = nam%run%nn_it000 - 1
        state%en = nam%zdf_tke%rn_emin*dom%tmask
        select case (nam%cfg%cn_cfg)
        case ('gyre')
            call profile_istate(dom, .true., state)
        case ('idealised')
            call box_istate(dom, nam%usr_def, nam%eos%rn_a0, state)
        case default
            if (nam%dom%ln_rest) then
                call profile_istate(dom, .false., state)
            else
                call read_climatology(dom, nam%cfg%cn_input, state, message)
            end if
        end select
    end subroutine istate_init

    !> Horizontally uniform water: the profiles of GYRE, or an exponential thermocline of one salinity.
    subroutine profile_istate(dom, gyre, state)
        type(domain), intent(in) :: dom
        logical, intent(in) :: gyre
        type(ocean_state), intent(inout) :: state
        real(wp) :: temperature, salinity
        integer :: k
        do k = 1, dom%nz
            if (gyre) then
                call gyre_profile(dom%gdept_0(k), temperature, salinity)
            else
                temperature = 2.0_wp + 20.0_wp*exp(-dom%gdept_0(k)/800.0_wp)
                salinity = 35.0_wp
            end if
            state%t(:, :, k) = temperature*dom%tmask(:, :, k)
            state%s(:, :, k) = salinity*dom%tmask(:, :, k)
        end do
    end subroutine profile_istate

    subroutine read_climatology(dom, path, state, message)
        type(domain), intent(in) :: dom
        character(len=*), intent(in) :: path
        type(ocean_state), intent(inout) :: state
        character(len=:), allocatable, intent(out) :: message
        integer :: ncid, ignored
        message = ''
        call iom_check(nf90_open(path, nf90_nowrite, ncid), path, message)
        if (len(message) > 0) return
        call iom_read_tile(dom, ncid, 'thetao_clim', state%t, message)
        if (len(message) == 0) call iom_read_tile(dom, ncid, 'so_clim', state%s, message)
        if (len(message) > 0) message = trim(path)//': '//message
        ignored = nf90_close(ncid)
        state%t = state%t*dom%tmask
        state%s = state%s*dom%tmask
    end subroutine read_climatology

end module istate
