!> Halo exchange (NEMO's lbc_lnk): east-west first, then north-south over the full width, so that
!! corners are right. Up to six arrays of equal shape travel in one message per direction. The halo
!! of a closed boundary becomes 0. No allocation per call: the buffers belong to the halo.
module lbclnk
    use mpi, only: MPI_DOUBLE_PRECISION, MPI_PROC_NULL, MPI_REQUEST_NULL, MPI_STATUSES_IGNORE
    use par_oce, only: hls, wp
    implicit none
    private
    public :: halo_type, halo_init, lbc_lnk

    integer, parameter :: max_arrays = 6
    integer, parameter :: west = 1, east = 2, south = 3, north = 4

    !> A tile's neighbours (MPI_PROC_NULL: closed boundary) and message buffers.
    type :: halo_type
        integer :: comm = 0
        integer :: rank = 0
        integer :: ni = 0, nj = 0
        integer :: neighbour(4) = MPI_PROC_NULL       !! west, east, south, north
        real(wp), pointer, contiguous :: send(:, :) => null()   !! [largest message, direction]
        real(wp), pointer, contiguous :: receive(:, :) => null()
    end type halo_type

    interface lbc_lnk
        module procedure lbc_lnk_2d, lbc_lnk_3d
    end interface lbc_lnk

contains

    !> Set a tile's neighbours and allocate buffers for six arrays of nz levels.
    subroutine halo_init(halo, comm, rank, ni, nj, nz, neighbour)
        type(halo_type), intent(out) :: halo
        integer, intent(in) :: comm, rank
        integer, intent(in) :: ni, nj, nz    !! inner size of the tile
        integer, intent(in) :: neighbour(4)  !! ranks west, east, south, north
        integer :: largest
        halo%comm = comm
        halo%rank = rank
        halo%ni = ni
        halo%nj = nj
        halo%neighbour = neighbour
        largest = max_arrays*hls*(max(ni, nj) + 2*hls)*nz
        allocate (halo%send(largest, 4), halo%receive(largest, 4))
    end subroutine halo_init

    subroutine lbc_lnk_2d(halo, a, b, c, d, e, f)
        type(halo_type), intent(in) :: halo
        real(wp), intent(inout) :: a(1 - hls:, 1 - hls:)
        real(wp), intent(inout), optional :: b(1 - hls:, 1 - hls:), c(1 - hls:, 1 - hls:)
        real(wp), intent(inout), optional :: d(1 - hls:, 1 - hls:), e(1 - hls:, 1 - hls:)
        real(wp), intent(inout), optional :: f(1 - hls:, 1 - hls:)
        integer :: request(4), length, first, axis
        do first = west, south, 2
            axis = (first + 1)/2
            length = strip_size(halo, axis)
            call walk(first, 'pack')
            call start(halo, first, message_size(), request)
            call finish(request)
            call walk(first, 'unpack')
        end do

    contains

        integer function message_size()
            message_size = length
            if (present(b)) message_size = message_size + length
            if (present(c)) message_size = message_size + length
            if (present(d)) message_size = message_size + length
            if (present(e)) message_size = message_size + length
            if (present(f)) message_size = message_size + length
        end function message_size

        subroutine walk(first, what)
            integer, intent(in) :: first
            character(len=*), intent(in) :: what
            integer :: start_at
            start_at = 0
            call one(a, first, what, start_at)
            if (present(b)) call one(b, first, what, start_at)
            if (present(c)) call one(c, first, what, start_at)
            if (present(d)) call one(d, first, what, start_at)
            if (present(e)) call one(e, first, what, start_at)
            if (present(f)) call one(f, first, what, start_at)
        end subroutine walk

        subroutine one(x, first, what, start_at)
            real(wp), intent(inout) :: x(1 - hls:, 1 - hls:)
            integer, intent(in) :: first
            character(len=*), intent(in) :: what
            integer, intent(inout) :: start_at
            if (what == 'pack') then
                call pack_strips(halo, first, x, start_at)
            else
                call unpack_strips(halo, first, x, start_at)
            end if
            start_at = start_at + length
        end subroutine one

    end subroutine lbc_lnk_2d

    subroutine lbc_lnk_3d(halo, a, b, c, d, e, f)
        type(halo_type), intent(in) :: halo
        real(wp), intent(inout) :: a(1 - hls:, 1 - hls:, :)
        real(wp), intent(inout), optional :: b(1 - hls:, 1 - hls:, :), c(1 - hls:, 1 - hls:, :)
        real(wp), intent(inout), optional :: d(1 - hls:, 1 - hls:, :), e(1 - hls:, 1 - hls:, :)
        real(wp), intent(inout), optional :: f(1 - hls:, 1 - hls:, :)
        integer :: request(4), length, first, axis
        do first = west, south, 2
            axis = (first + 1)/2
            length = strip_size(halo, axis)
            call walk(first, 'pack')
            call start(halo, first, message_size(), request)
            call finish(request)
            call walk(first, 'unpack')
        end do

    contains

        integer function message_size()
            message_size = length*size(a, 3)
            if (present(b)) message_size = message_size + length*size(b, 3)
            if (present(c)) message_size = message_size + length*size(c, 3)
            if (present(d)) message_size = message_size + length*size(d, 3)
            if (present(e)) message_size = message_size + length*size(e, 3)
            if (present(f)) message_size = message_size + length*size(f, 3)
        end function message_size

        subroutine walk(first, what)
            integer, intent(in) :: first
            character(len=*), intent(in) :: what
            integer :: start_at
            start_at = 0
            call one(a, first, what, start_at)
            if (present(b)) call one(b, first, what, start_at)
            if (present(c)) call one(c, first, what, start_at)
            if (present(d)) call one(d, first, what, start_at)
            if (present(e)) call one(e, first, what, start_at)
            if (present(f)) call one(f, first, what, start_at)
        end subroutine walk

        subroutine one(x, first, what, start_at)
            real(wp), intent(inout) :: x(1 - hls:, 1 - hls:, :)
            integer, intent(in) :: first
            character(len=*), intent(in) :: what
            integer, intent(inout) :: start_at
            integer :: k
            do k = 1, size(x, 3)
                if (what == 'pack') then
                    call pack_strips(halo, first, x(:, :, k), start_at)
                else
                    call unpack_strips(halo, first, x(:, :, k), start_at)
                end if
                start_at = start_at + length
            end do
        end subroutine one

    end subroutine lbc_lnk_3d

    !> Points of one strip of one level: axis 1 = east-west (inner rows), 2 = north-south (all columns).
    pure integer function strip_size(halo, axis)
        type(halo_type), intent(in) :: halo
        integer, intent(in) :: axis
        strip_size = merge(hls*halo%nj, hls*(halo%ni + 2*hls), axis == 1)
    end function strip_size

    !> Copy the two strips of inner points that the neighbours `first` and `first`+1 need.
    subroutine pack_strips(halo, first, x, start_at)
        type(halo_type), intent(in) :: halo
        integer, intent(in) :: first
        real(wp), intent(in) :: x(1 - hls:, 1 - hls:)
        integer, intent(in) :: start_at
        integer :: i, j, n, ni, nj
        ni = halo%ni
        nj = halo%nj
        n = start_at
        if (all(halo%neighbour(first:first + 1) == MPI_PROC_NULL)) return
        if (first == west) then
            do j = 1, nj
                do i = 1, hls
                    n = n + 1
                    halo%send(n, west) = x(i, j)
                    halo%send(n, east) = x(ni - hls + i, j)
                end do
            end do
        else
            do j = 1, hls
                do i = 1 - hls, ni + hls
                    n = n + 1
                    halo%send(n, south) = x(i, j)
                    halo%send(n, north) = x(i, nj - hls + j)
                end do
            end do
        end if
    end subroutine pack_strips

    !> Fill the two strips of halo from what came, or with 0 at a closed boundary.
    subroutine unpack_strips(halo, first, x, start_at)
        type(halo_type), intent(in) :: halo
        integer, intent(in) :: first
        real(wp), intent(inout) :: x(1 - hls:, 1 - hls:)
        integer, intent(in) :: start_at
        integer :: i, j, n, ni, nj
        ni = halo%ni
        nj = halo%nj
        if (first == west) then
            if (halo%neighbour(west) == MPI_PROC_NULL) x(1 - hls:0, 1:nj) = 0.0_wp
            if (halo%neighbour(east) == MPI_PROC_NULL) x(ni + 1:ni + hls, 1:nj) = 0.0_wp
        else
            if (halo%neighbour(south) == MPI_PROC_NULL) x(:, 1 - hls:0) = 0.0_wp
            if (halo%neighbour(north) == MPI_PROC_NULL) x(:, nj + 1:nj + hls) = 0.0_wp
        end if
        if (halo%neighbour(first) /= MPI_PROC_NULL) then
            n = start_at
            if (first == west) then
                do j = 1, nj
                    do i = 1 - hls, 0
                        n = n + 1
                        x(i, j) = halo%receive(n, west)
                    end do
                end do
            else
                do j = 1 - hls, 0
                    do i = 1 - hls, ni + hls
                        n = n + 1
                        x(i, j) = halo%receive(n, south)
                    end do
                end do
            end if
        end if
        if (halo%neighbour(first + 1) /= MPI_PROC_NULL) then
            n = start_at
            if (first == west) then
                do j = 1, nj
                    do i = ni + 1, ni + hls
                        n = n + 1
                        x(i, j) = halo%receive(n, east)
                    end do
                end do
            else
                do j = nj + 1, nj + hls
                    do i = 1 - hls, ni + hls
                        n = n + 1
                        x(i, j) = halo%receive(n, north)
                    end do
                end do
            end if
        end if
    end subroutine unpack_strips

    !> Begin the exchange with neighbours `first` and `first`+1; a tile that is its own neighbour copies.
    subroutine start(halo, first, length, request)
        type(halo_type), intent(in) :: halo
        integer, intent(in) :: first
        integer, intent(in) :: length       !! numbers per message
        integer, intent(out) :: request(4)
        integer :: side, opposite, ierr
        request = MPI_REQUEST_NULL
        do side = first, first + 1
            opposite = 2*first + 1 - side
            if (halo%neighbour(side) == MPI_PROC_NULL) cycle
            if (halo%neighbour(side) == halo%rank) then
                halo%receive(1:length, side) = halo%send(1:length, opposite)
                cycle
            end if
            ! A message is tagged by the side it leaves from.
            call MPI_Irecv(halo%receive(1, side), length, MPI_DOUBLE_PRECISION, &
                halo%neighbour(side), opposite, halo%comm, request(side - first + 1), ierr)
            call MPI_Isend(halo%send(1, side), length, MPI_DOUBLE_PRECISION, &
                halo%neighbour(side), side, halo%comm, request(side - first + 3), ierr)
        end do
    end subroutine start

    subroutine finish(request)
        integer, intent(inout) :: request(4)
        integer :: ierr
        if (all(request == MPI_REQUEST_NULL)) return
        call MPI_Waitall(4, request, MPI_STATUSES_IGNORE, ierr)
    end subroutine finish

end module lbclnk
