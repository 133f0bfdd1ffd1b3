!> Cuts the global grid into jpni x jpnj tiles, one per rank (NEMO's mppini).
!! Tiles of one row have equal heights and tiles of one column equal widths, which may differ by one point.
module mppini
    use dom_oce, only: domain
    use lbclnk, only: halo_init
    use mpi, only: MPI_PROC_NULL
    use nam_toy, only: nammpp_type
    use par_oce, only: hls
    implicit none
    private
    public :: mpp_init

contains

    !> Set the tile, the neighbours and the halo of this rank.
    subroutine mpp_init(dom, nx, ny, nz, periodic, mpp, comm, message)
        type(domain), intent(inout) :: dom
        integer, intent(in) :: nx, ny, nz
        logical, intent(in) :: periodic                         !! east-west
        type(nammpp_type), intent(in) :: mpp
        integer, intent(in) :: comm
        character(len=:), allocatable, intent(out) :: message   !! empty: done
        integer :: ierr, jpni, jpnj, ip, jp
        call MPI_Comm_rank(comm, dom%rank, ierr)
        call MPI_Comm_size(comm, dom%nranks, ierr)
        dom%comm = comm
        dom%nx = nx
        dom%ny = ny
        dom%nz = nz
        dom%periodic = periodic
        call choose_tiles(nx, ny, dom%nranks, mpp, jpni, jpnj, message)
        if (len(message) > 0) return
        dom%jpni = jpni
        dom%jpnj = jpnj
        ip = mod(dom%rank, jpni)
        jp = dom%rank/jpni
        call cut(nx, jpni, ip, dom%i0, dom%ni)
        call cut(ny, jpnj, jp, dom%j0, dom%nj)
        call halo_init(dom%halo, comm, dom%rank, dom%ni, dom%nj, nz, &
            [rank_at(ip - 1, jp), rank_at(ip + 1, jp), rank_at(ip, jp - 1), rank_at(ip, jp + 1)])

    contains

        !> Rank of a tile, MPI_PROC_NULL beyond a closed boundary.
        integer function rank_at(i, j)
            integer, intent(in) :: i, j
            rank_at = MPI_PROC_NULL
            if (j < 0 .or. j >= jpnj) return
            if (periodic) then
                rank_at = modulo(i, jpni) + jpni*j
            else if (i >= 0 .and. i < jpni) then
                rank_at = i + jpni*j
            end if
        end function rank_at

    end subroutine mpp_init

    !> The namelist's jpni x jpnj, or the factorisation of the ranks with the shortest tile edges.
    subroutine choose_tiles(nx, ny, nranks, mpp, jpni, jpnj, message)
        integer, intent(in) :: nx, ny, nranks
        type(nammpp_type), intent(in) :: mpp
        integer, intent(out) :: jpni, jpnj
        character(len=:), allocatable, intent(out) :: message
        integer :: n, edge, shortest
        character(len=160) :: text
        message = ''
        jpni = mpp%jpni
        jpnj = mpp%jpnj
        if (jpni <= 0 .and. jpnj > 0) jpni = nranks/jpnj
        if (jpnj <= 0 .and. jpni > 0) jpnj = nranks/jpni
        if (jpni <= 0) then
            jpni = nranks
            shortest = huge(shortest)
            do n = 1, nranks
                if (mod(nranks, n) /= 0) cycle
                edge = (nx + n - 1)/n + (ny + nranks/n - 1)/(nranks/n)
                if (nx/n < hls .or. ny/(nranks/n) < hls .or. edge >= shortest) cycle
                shortest = edge
                jpni = n
            end do
            jpnj = nranks/jpni
        end if
        if (jpni*jpnj /= nranks) then
            write (text, '(3(a, i0))') 'nammpp: jpni x jpnj = ', jpni, ' x ', jpnj, &
                ' but the job has this many ranks: ', nranks
            message = trim(text)
        else if (nx/jpni < hls .or. ny/jpnj < hls) then
            write (text, '(5(a, i0))') 'nammpp: ', nranks, ' ranks are too many for ', nx, ' x ', ny, &
                ' points: a tile of ', jpni, ' x ', jpnj
            message = trim(text)//' tiles is narrower than the halo'
        end if
    end subroutine choose_tiles

    !> Part `p` (from 0) of `n` points cut into `parts`: the first ones are larger by one.
    pure subroutine cut(n, parts, p, before, length)
        integer, intent(in) :: n, parts, p
        integer, intent(out) :: before   !! points before this part
        integer, intent(out) :: length
        length = n/parts
        before = p*length + min(p, mod(n, parts))
        if (p < mod(n, parts)) length = length + 1
    end subroutine cut

end module mppini
