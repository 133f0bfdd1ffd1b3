!> Fields between tiles and netCDF files: gather on rank 0, write a record, read a tile (NEMO's iom).
!! A file is written by rank 0 alone and read by every rank, each its own part, so files know nothing
!! of the decomposition. Errors come back as a message; an empty message means that all went well.
module iom
    use dom_oce, only: domain
    use mpi, only: MPI_DOUBLE_PRECISION, MPI_STATUS_IGNORE
    use netcdf, only: nf90_def_var, nf90_double, nf90_get_var, nf90_inq_dimid, nf90_inq_varid, &
        nf90_inquire_variable, nf90_noerr, nf90_put_att, nf90_put_var, nf90_strerror
    use par_oce, only: hls, wp
    implicit none
    private
    public :: iom_gather, iom_put_record, iom_read_tile, iom_read_column, iom_check, iom_has

    interface iom_gather
        module procedure gather_2d, gather_3d
    end interface iom_gather

    interface iom_put_record
        module procedure put_record_2d, put_record_3d
    end interface iom_put_record

    interface iom_read_tile
        module procedure read_tile_2d, read_tile_3d
    end interface iom_read_tile

contains

    !> Global field on rank 0 (size 0 elsewhere) from the inner points of every tile.
    subroutine gather_3d(dom, local, global)
        type(domain), intent(in) :: dom
        real(wp), intent(in) :: local(1 - hls:, 1 - hls:, :)
        real(wp), allocatable, intent(out) :: global(:, :, :)   !! [nx, ny, levels]
        real(wp), allocatable :: buffer(:, :, :)
        real(wp) :: place(4)
        integer :: source, tile(4), ierr, nk
        nk = size(local, 3)
        if (dom%rank /= 0) then
            allocate (global(0, 0, 0))
            place = real([dom%i0, dom%j0, dom%ni, dom%nj], wp)
            allocate (buffer(dom%ni, dom%nj, nk))
            buffer = local(1:dom%ni, 1:dom%nj, :)
            call MPI_Send(place, 4, MPI_DOUBLE_PRECISION, 0, 1, dom%comm, ierr)
            call MPI_Send(buffer, size(buffer), MPI_DOUBLE_PRECISION, 0, 2, dom%comm, ierr)
            return
        end if
        allocate (global(dom%nx, dom%ny, nk))
        global(dom%i0 + 1:dom%i0 + dom%ni, dom%j0 + 1:dom%j0 + dom%nj, :) = &
            local(1:dom%ni, 1:dom%nj, :)
        do source = 1, dom%nranks - 1
            call MPI_Recv(place, 4, MPI_DOUBLE_PRECISION, source, 1, dom%comm, MPI_STATUS_IGNORE, &
                ierr)
            tile = nint(place)
            allocate (buffer(tile(3), tile(4), nk))
            call MPI_Recv(buffer, size(buffer), MPI_DOUBLE_PRECISION, source, 2, dom%comm, &
                MPI_STATUS_IGNORE, ierr)
            global(tile(1) + 1:tile(1) + tile(3), tile(2) + 1:tile(2) + tile(4), :) = buffer
            deallocate (buffer)
        end do
    end subroutine gather_3d

    subroutine gather_2d(dom, local, global)
        type(domain), intent(in) :: dom
        real(wp), intent(in) :: local(1 - hls:, 1 - hls:)
        real(wp), allocatable, intent(out) :: global(:, :)     !! [nx, ny]
        real(wp), allocatable :: levels(:, :, :)
        call gather_3d(dom, reshape(local, [size(local, 1), size(local, 2), 1]), levels)
        allocate (global(size(levels, 1), size(levels, 2)))
        if (dom%rank == 0) global = levels(:, :, 1)
    end subroutine gather_2d

    !> Write one time record of a double variable, defining it when the file has none of that name.
    subroutine put_record_3d(ncid, name, global, record)
        integer, intent(in) :: ncid
        character(len=*), intent(in) :: name
        real(wp), intent(in) :: global(:, :, :)
        integer, intent(in) :: record
        integer :: varid, status
        varid = record_variable(ncid, name, [character(len=12) :: 'x', 'y', 'z', 'time_counter'])
        status = nf90_put_var(ncid, varid, global, start=[1, 1, 1, record], count=[shape(global), 1])
    end subroutine put_record_3d

    subroutine put_record_2d(ncid, name, global, record)
        integer, intent(in) :: ncid
        character(len=*), intent(in) :: name
        real(wp), intent(in) :: global(:, :)
        integer, intent(in) :: record
        integer :: varid, status
        varid = record_variable(ncid, name, [character(len=12) :: 'x', 'y', 'time_counter'])
        status = nf90_put_var(ncid, varid, global, start=[1, 1, record], count=[shape(global), 1])
    end subroutine put_record_2d

    integer function record_variable(ncid, name, dim_names) result(varid)
        integer, intent(in) :: ncid
        character(len=*), intent(in) :: name
        character(len=*), intent(in) :: dim_names(:)
        integer :: dims(size(dim_names)), n, status
        if (nf90_inq_varid(ncid, name, varid) == nf90_noerr) return
        do n = 1, size(dims)
            status = nf90_inq_dimid(ncid, trim(dim_names(n)), dims(n))
        end do
        status = nf90_def_var(ncid, name, nf90_double, dims, varid)
        status = nf90_put_att(ncid, varid, 'name', name)
    end function record_variable

    !> Read this tile, halo included, of a global field [nx, ny (, record)]. Columns wrap around the globe;
    !! points beyond the first or last row take the edge's value.
    subroutine read_tile_2d(dom, ncid, name, local, message, record)
        type(domain), intent(in) :: dom
        integer, intent(in) :: ncid
        character(len=*), intent(in) :: name
        real(wp), intent(inout) :: local(1 - hls:, 1 - hls:)
        character(len=:), allocatable, intent(out) :: message
        integer, intent(in), optional :: record
        real(wp) :: levels(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls, 1)
        call read_levels(dom, ncid, name, levels, message, 2, record)
        if (len(message) == 0) local = levels(:, :, 1)
    end subroutine read_tile_2d

    !> The same for [nx, ny, nz (, record)].
    subroutine read_tile_3d(dom, ncid, name, local, message, record)
        type(domain), intent(in) :: dom
        integer, intent(in) :: ncid
        character(len=*), intent(in) :: name
        real(wp), intent(inout) :: local(1 - hls:, 1 - hls:, :)
        character(len=:), allocatable, intent(out) :: message
        integer, intent(in), optional :: record
        call read_levels(dom, ncid, name, local, message, 3, record)
    end subroutine read_tile_3d

    subroutine read_levels(dom, ncid, name, local, message, rank, record)
        type(domain), intent(in) :: dom
        integer, intent(in) :: ncid
        character(len=*), intent(in) :: name
        real(wp), intent(inout) :: local(1 - hls:, 1 - hls:, :)
        character(len=:), allocatable, intent(out) :: message
        integer, intent(in) :: rank               !! of the field: 2 or 3
        integer, intent(in), optional :: record
        integer :: varid, ndims, start(4), count(4), n, first, last, i, j
        real(wp), allocatable :: rows(:, :, :)
        message = ''
        if (nf90_inq_varid(ncid, name, varid) /= nf90_noerr) then
            message = 'variable '//trim(name)//' is missing'
            return
        end if
        call iom_check(nf90_inquire_variable(ncid, varid, ndims=ndims), name, message)
        if (len(message) > 0) return
        if (ndims < rank) then
            message = 'variable '//trim(name)//' has fewer dimensions than expected'
            return
        end if
        first = max(1, dom%j0 + 1 - hls)
        last = min(dom%ny, dom%j0 + dom%nj + hls)
        allocate (rows(dom%nx, first:last, size(local, 3)))
        start = [1, first, 1, 1]
        count = [dom%nx, last - first + 1, 1, 1]
        if (rank == 3) count(3) = size(local, 3)
        n = ndims
        if (present(record)) start(n) = record
        call iom_check(nf90_get_var(ncid, varid, rows, start=start(1:n), count=count(1:n)), &
            name, message)
        if (len(message) > 0) return
        do j = 1 - hls, dom%nj + hls
            do i = 1 - hls, dom%ni + hls
                local(i, j, :) = rows(column(dom, i), max(first, min(last, dom%j0 + j)), :)
            end do
        end do
    end subroutine read_levels

    !> Global column of local column i: wraps on a periodic grid, stays on the edge of a closed one.
    pure integer function column(dom, i)
        type(domain), intent(in) :: dom
        integer, intent(in) :: i
        if (dom%periodic) then
            column = modulo(dom%i0 + i - 1, dom%nx) + 1
        else
            column = max(1, min(dom%nx, dom%i0 + i))
        end if
    end function column

    !> Read a whole 1-D variable.
    subroutine iom_read_column(ncid, name, values, message)
        integer, intent(in) :: ncid
        character(len=*), intent(in) :: name
        real(wp), intent(out) :: values(:)
        character(len=:), allocatable, intent(out) :: message
        integer :: varid
        message = ''
        if (nf90_inq_varid(ncid, name, varid) /= nf90_noerr) then
            message = 'variable '//trim(name)//' is missing'
        else
            call iom_check(nf90_get_var(ncid, varid, values), name, message)
        end if
    end subroutine iom_read_column

    logical function iom_has(ncid, name)
        integer, intent(in) :: ncid
        character(len=*), intent(in) :: name
        integer :: varid
        iom_has = nf90_inq_varid(ncid, name, varid) == nf90_noerr
    end function iom_has

    !> Turn a netCDF status into a message "what: why", unless one is already there.
    subroutine iom_check(status, what, message)
        integer, intent(in) :: status
        character(len=*), intent(in) :: what
        character(len=:), allocatable, intent(inout) :: message
        if (status == nf90_noerr) return
        if (allocated(message)) then
            if (len(message) > 0) return
        end if
        message = trim(what)//': '//trim(nf90_strerror(status))
    end subroutine iom_check

end module iom
