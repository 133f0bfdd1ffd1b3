!> Intermediate fields of each step, written to trends.nc for comparison with the twin (namtrd ln_trd).
!! `trd_put` does nothing unless the domain carries an open trends file.
module trd
    use dom_oce, only: domain
    use iom, only: iom_gather, iom_put_record
    use netcdf, only: nf90_close, nf90_clobber, nf90_create, nf90_def_dim, nf90_netcdf4, nf90_noerr, &
        nf90_strerror, nf90_unlimited
    use par_oce, only: hls, wp
    implicit none
    private
    public :: trd_open, trd_next, trd_put, trd_close

    interface trd_put
        module procedure trd_put_2d, trd_put_3d
    end interface trd_put

contains

    !> Create the trends file (rank 0) and attach it to the domain.
    subroutine trd_open(dom, path, message)
        type(domain), intent(inout) :: dom
        character(len=*), intent(in) :: path
        character(len=:), allocatable, intent(out) :: message  !! empty: done
        integer :: status, dim
        message = ''
        allocate (dom%trends)
        if (dom%rank /= 0) return
        status = nf90_create(path, ior(nf90_clobber, nf90_netcdf4), dom%trends%ncid)
        if (status == nf90_noerr) status = nf90_def_dim(dom%trends%ncid, 'x', dom%nx, dim)
        if (status == nf90_noerr) status = nf90_def_dim(dom%trends%ncid, 'y', dom%ny, dim)
        if (status == nf90_noerr) status = nf90_def_dim(dom%trends%ncid, 'z', dom%nz, dim)
        if (status == nf90_noerr) &
            status = nf90_def_dim(dom%trends%ncid, 'time_counter', nf90_unlimited, dim)
        if (status /= nf90_noerr) message = trim(path)//': '//trim(nf90_strerror(status))
    end subroutine trd_open

    !> A new step begins: later puts go to the next record.
    subroutine trd_next(dom)
        type(domain), intent(in) :: dom
        if (associated(dom%trends)) dom%trends%record = dom%trends%record + 1
    end subroutine trd_next

    subroutine trd_put_3d(dom, name, array)
        type(domain), intent(in) :: dom
        character(len=*), intent(in) :: name
        real(wp), intent(in) :: array(1 - hls:, 1 - hls:, :)   !! one step's field, with halo
        real(wp), allocatable :: global(:, :, :)
        if (.not. associated(dom%trends)) return
        call iom_gather(dom, array, global)
        if (dom%rank == 0) call iom_put_record(dom%trends%ncid, name, global, dom%trends%record)
    end subroutine trd_put_3d

    subroutine trd_put_2d(dom, name, array)
        type(domain), intent(in) :: dom
        character(len=*), intent(in) :: name
        real(wp), intent(in) :: array(1 - hls:, 1 - hls:)
        real(wp), allocatable :: global(:, :)
        if (.not. associated(dom%trends)) return
        call iom_gather(dom, array, global)
        if (dom%rank == 0) call iom_put_record(dom%trends%ncid, name, global, dom%trends%record)
    end subroutine trd_put_2d

    subroutine trd_close(dom)
        type(domain), intent(inout) :: dom
        integer :: status
        if (.not. associated(dom%trends)) return
        if (dom%rank == 0) status = nf90_close(dom%trends%ncid)
        deallocate (dom%trends)
    end subroutine trd_close

end module trd
