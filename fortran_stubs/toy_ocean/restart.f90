!> Restart files: the six prognostic arrays on the global grid in float64 and the number of steps done.
!! They know nothing of the decomposition and continue a run to the last bit.
module restart
    use dom_oce, only: domain
    use iom, only: iom_check, iom_gather, iom_read_tile
    use lbclnk, only: lbc_lnk
    use netcdf, only: nf90_close, nf90_clobber, nf90_create, nf90_def_dim, nf90_def_var, nf90_double, &
        nf90_enddef, nf90_get_var, nf90_global, nf90_inq_dimid, nf90_inq_varid, &
        nf90_inquire_dimension, nf90_int, nf90_netcdf4, nf90_nowrite, nf90_open, nf90_put_att, &
        nf90_put_var
    use oce, only: ocean_state
    use par_oce, only: wp
    implicit none
    private
    public :: rst_write, rst_read

contains

    !> Write the state; the file appears under its name only when it is complete.
    subroutine rst_write(dom, path, state, message)
        type(domain), intent(in) :: dom
        character(len=*), intent(in) :: path
        type(ocean_state), intent(in) :: state
        character(len=:), allocatable, intent(out) :: message   !! empty: written; rank 0 only
        integer :: ncid, dims(3), varid
        message = ''
        if (dom%rank == 0) then
            call iom_check(nf90_create(path//'.part', ior(nf90_clobber, nf90_netcdf4), ncid), path, &
                message)
            call iom_check(nf90_def_dim(ncid, 'x', dom%nx, dims(1)), path, message)
            call iom_check(nf90_def_dim(ncid, 'y', dom%ny, dims(2)), path, message)
            call iom_check(nf90_def_dim(ncid, 'z', dom%nz, dims(3)), path, message)
            call iom_check(nf90_put_att(ncid, nf90_global, 'title', 'toy_ocean restart'), path, message)
            call iom_check(nf90_def_var(ncid, 'kt', nf90_int, varid), path, message)
            call iom_check(nf90_put_att(ncid, varid, 'long_name', 'steps done'), path, message)
            call iom_check(nf90_enddef(ncid), path, message)
            call iom_check(nf90_put_var(ncid, varid, state%kt), path, message)
        end if
        call put_3d('thetao', state%t)
        call put_3d('so', state%s)
        call put_3d('uo', state%u)
        call put_3d('vo', state%v)
        call put_3d('en', state%en)
        call put_2d('zos', state%ssh)
        if (dom%rank /= 0) return
        call iom_check(nf90_close(ncid), path, message)
        if (len(message) == 0) call rename_file(path//'.part', path, message)

    contains

        subroutine put_3d(name, field)
            character(len=*), intent(in) :: name
            real(wp), intent(in) :: field(:, :, :)
            real(wp), allocatable :: global(:, :, :)
            call iom_gather(dom, field, global)
            if (dom%rank /= 0) return
            call iom_check(nf90_def_var(ncid, name, nf90_double, dims, varid), name, message)
            call iom_check(nf90_put_var(ncid, varid, global), name, message)
        end subroutine put_3d

        subroutine put_2d(name, field)
            character(len=*), intent(in) :: name
            real(wp), intent(in) :: field(:, :)
            real(wp), allocatable :: global(:, :)
            call iom_gather(dom, field, global)
            if (dom%rank /= 0) return
            call iom_check(nf90_def_var(ncid, name, nf90_double, dims(1:2), varid), name, message)
            call iom_check(nf90_put_var(ncid, varid, global), name, message)
        end subroutine put_2d

    end subroutine rst_write

    !> Read the state on the full halo.
    subroutine rst_read(dom, path, state, message)
        type(domain), intent(in) :: dom
        character(len=*), intent(in) :: path
        type(ocean_state), intent(inout) :: state
        character(len=:), allocatable, intent(out) :: message   !! empty: read
        integer :: ncid, varid, ignored
        message = ''
        call iom_check(nf90_open(path, nf90_nowrite, ncid), 'restart '//path, message)
        if (len(message) > 0) return
        call check_size(dom, ncid, message)
        call iom_check(nf90_inq_varid(ncid, 'kt', varid), 'kt', message)
        call iom_check(nf90_get_var(ncid, varid, state%kt), 'kt', message)
        if (len(message) == 0) call iom_read_tile(dom, ncid, 'thetao', state%t, message)
        if (len(message) == 0) call iom_read_tile(dom, ncid, 'so', state%s, message)
        if (len(message) == 0) call iom_read_tile(dom, ncid, 'uo', state%u, message)
        if (len(message) == 0) call iom_read_tile(dom, ncid, 'vo', state%v, message)
        if (len(message) == 0) call iom_read_tile(dom, ncid, 'en', state%en, message)
        if (len(message) == 0) call iom_read_tile(dom, ncid, 'zos', state%ssh, message)
        ignored = nf90_close(ncid)
        if (len(message) > 0) then
            message = 'restart '//path//': '//message
            return
        end if
        call lbc_lnk(dom%halo, state%t, state%s, state%u, state%v, state%en)
        call lbc_lnk(dom%halo, state%ssh)
    end subroutine rst_read

    subroutine check_size(dom, ncid, message)
        type(domain), intent(in) :: dom
        integer, intent(in) :: ncid
        character(len=:), allocatable, intent(inout) :: message
        character(len=1), parameter :: names(3) = ['x', 'y', 'z']
        character(len=120) :: text
        integer :: axis, dim, n(3), expected(3)
        n = 0
        expected = [dom%nx, dom%ny, dom%nz]
        do axis = 1, 3
            call iom_check(nf90_inq_dimid(ncid, names(axis), dim), 'dimension '//names(axis), message)
            if (len(message) > 0) return
            call iom_check(nf90_inquire_dimension(ncid, dim, len=n(axis)), names(axis), message)
        end do
        if (all(n == expected)) return
        write (text, '(a, 3(1x, i0), a, 3(1x, i0))') 'expected x, y, z =', expected, ', found', n
        message = trim(text)
    end subroutine check_size

    subroutine rename_file(old, new, message)
        use, intrinsic :: iso_c_binding, only: c_char, c_int, c_null_char
        character(len=*), intent(in) :: old, new
        character(len=:), allocatable, intent(inout) :: message
        interface
            integer(c_int) function c_rename(from, to) bind(c, name='rename')
                import :: c_char, c_int
                character(kind=c_char), intent(in) :: from(*), to(*)
            end function c_rename
        end interface
        if (c_rename(old//c_null_char, new//c_null_char) /= 0) &
            message = 'cannot rename '//old//' to '//new
    end subroutine rename_file

end module restart
