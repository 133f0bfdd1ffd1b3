!> Sets up the domain of a rank: size of the configuration, tile, mesh, masks (NEMO's domain).
module domini
    use dom_oce, only: domain
    use domhgr, only: dom_hgr
    use dommsk, only: dom_msk
    use domzgr, only: dom_zgr
    use iom, only: iom_check
    use mppini, only: mpp_init
    use nam_toy, only: toy_namelist
    use netcdf, only: nf90_close, nf90_inq_dimid, nf90_inquire_dimension, nf90_nowrite, nf90_open
    use usrdef_gyre, only: gyre_nx, gyre_ny, gyre_nz
    implicit none
    private
    public :: dom_init

contains

    !> Build the domain of the namelist's configuration on the communicator of the model.
    subroutine dom_init(dom, nam, comm, message)
        type(domain), intent(inout) :: dom
        type(toy_namelist), intent(in) :: nam
        integer, intent(in) :: comm
        character(len=:), allocatable, intent(out) :: message   !! empty: done
        integer :: n(3), ncid, ignored
        logical :: periodic
        ncid = -1
        message = ''
        periodic = .false.
        select case (nam%cfg%cn_cfg)
        case ('gyre')
            n = [gyre_nx, gyre_ny, gyre_nz]
        case ('idealised')
            n = [nam%usr_def%nn_nx, nam%usr_def%nn_ny, nam%usr_def%nn_nz]
            periodic = nam%usr_def%ln_perio
        case ('global')
            periodic = .true.
            call open_input(nam%cfg%cn_input, ncid, n, message)
        case default
            message = 'namcfg: cn_cfg must be gyre, global or idealised, not '//trim(nam%cfg%cn_cfg)
        end select
        if (.not. nam%dom%rn_Dt > 0) message = 'namdom: rn_Dt, the time step in s, must be positive'
        if (len(message) > 0) return
        call mpp_init(dom, n(1), n(2), n(3), periodic, nam%mpp, comm, message)
        if (len(message) == 0) call dom_hgr(dom, nam, ncid, message)
        if (len(message) == 0) call dom_zgr(dom, nam, ncid, message)
        if (len(message) > 0) then
            if (ncid >= 0) message = trim(nam%cfg%cn_input)//': '//message
            return
        end if
        call dom_msk(dom, nam%lbc%rn_shlat)
        if (ncid >= 0) ignored = nf90_close(ncid)
    end subroutine dom_init

    !> Open the input file and read its size.
    subroutine open_input(path, ncid, n, message)
        character(len=*), intent(in) :: path
        integer, intent(out) :: ncid
        integer, intent(out) :: n(3)      !! x, y, z
        character(len=:), allocatable, intent(out) :: message
        character(len=1), parameter :: names(3) = ['x', 'y', 'z']
        integer :: axis, dim
        message = ''
        n = 0
        call iom_check(nf90_open(path, nf90_nowrite, ncid), 'namcfg cn_input '//trim(path), message)
        do axis = 1, 3
            if (len(message) > 0) return
            call iom_check(nf90_inq_dimid(ncid, names(axis), dim), &
                trim(path)//': dimension '//names(axis), message)
            if (len(message) > 0) return
            call iom_check(nf90_inquire_dimension(ncid, dim, len=n(axis)), trim(path), message)
        end do
    end subroutine open_input

end module domini
