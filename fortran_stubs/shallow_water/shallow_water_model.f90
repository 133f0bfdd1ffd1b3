!> A linear shallow-water ocean on a C-grid: sea surface height and two velocities, periodic in i,
!> walls in the south and north, tiles with halos of one cell.
!>
!> Forward-backward in time:
!>     zos <- zos - dt div(depth u),   u <- u + dt (f v - g d(zos)/dx - r u + utau/(rho0 depth)),
!> and likewise v without wind. Like NEMO it keeps its data in module variables; whatever the bridge
!> is to reach has the TARGET attribute.
module shallow_water_model
    use mpi, only: MPI_COMM_NULL, MPI_DOUBLE_PRECISION, MPI_PROC_NULL, MPI_STATUS_IGNORE
    use, intrinsic :: iso_fortran_env, only: real64
    implicit none
    private

    public :: model_init, model_step, exchange_halos, refresh_halos, write_state

    integer, parameter, public :: wp = real64
    real(wp), parameter, public :: time_step = 100.0_wp      !! s
    real(wp), parameter :: spacing = 1.0e4_wp                !! m
    real(wp), parameter :: coriolis = 1.0e-4_wp              !! s-1
    real(wp), parameter :: reference_density = 1026.0_wp     !! kg m-3
    real(wp), parameter :: impossible_height = 100.0_wp      !! m: beyond it the model has blown up

    ! Where this rank's tile lies.
    integer, public :: global_shape(2), tile_start(2), tile_shape(2)
    integer :: comm = MPI_COMM_NULL, rank, west, east, south, north

    ! Parameters of the namelist group namsw, and what they may be used for.
    real(wp), target, public :: rn_grav = 9.81_wp  !! m s-2; 1e5 makes the model blow up
    real(wp), target, public :: rn_drag = 1.0e-5_wp  !! s-1
    real(wp), target, public :: rn_pause = 0.0_wp  !! s of sleep per step, to be slow
    integer, target, public :: nn_crash = 0        !! step at which the last rank dies, 0: never
    logical, target, public :: ln_rot = .true.     !! Coriolis force
    real(wp), allocatable, target, public :: depth(:, :)  !! m, with halo: a field parameter

    ! State, with halos; forcing and a diagnostic, without.
    real(wp), allocatable, target, public :: zos(:, :)    !! m, T point
    real(wp), allocatable, target, public :: ub(:, :)     !! m s-1, U point: east face of the cell
    real(wp), allocatable, target, public :: vb(:, :)     !! m s-1, V point: north face
    real(wp), allocatable, target, public :: utau(:, :)   !! N m-2, U point
    real(wp), allocatable, target, public :: ke(:, :)     !! m2 s-2, T point
    real(wp), allocatable, target, public :: tmask(:, :), gphit(:, :)
    integer, target, public :: steps_taken = 0            !! state too: counts what was computed

contains

    !> Cut nx by ny cells into tiles and set the initial state: at rest, with a bump.
    subroutine model_init(comm_model, nx, ny)
        integer, intent(in) :: comm_model, nx, ny
        integer :: ranks, layout(2), place(2), ierr, i, j
        real(wp) :: x, y

        call MPI_Comm_size(comm_model, ranks, ierr)
        layout = 0
        call MPI_Dims_create(ranks, 2, layout, ierr)
        call MPI_Cart_create(comm_model, 2, layout, [.true., .false.], .false., comm, ierr)
        call MPI_Comm_rank(comm, rank, ierr)
        call MPI_Cart_coords(comm, rank, 2, place, ierr)
        call MPI_Cart_shift(comm, 0, 1, west, east, ierr)
        call MPI_Cart_shift(comm, 1, 1, south, north, ierr)
        global_shape = [nx, ny]
        tile_start = place*global_shape/layout + 1
        tile_shape = (place + 1)*global_shape/layout + 1 - tile_start
        associate (ni => tile_shape(1), nj => tile_shape(2))
            allocate (zos(0:ni + 1, 0:nj + 1), ub(0:ni + 1, 0:nj + 1), vb(0:ni + 1, 0:nj + 1))
            allocate (depth(0:ni + 1, 0:nj + 1))
            allocate (utau(ni, nj), ke(ni, nj), tmask(ni, nj), gphit(ni, nj))
        end associate
        zos = 0
        ub = 0
        vb = 0
        utau = 0
        ke = 0
        tmask = 1
        depth = 100.0_wp
        do j = 1, tile_shape(2)
            do i = 1, tile_shape(1)
                x = real(tile_start(1) + i - 1, wp)/nx - 0.5_wp
                y = real(tile_start(2) + j - 1, wp)/ny - 0.5_wp
                zos(i, j) = exp(-40*(x*x + y*y))
                gphit(i, j) = 45 + 10*y
            end do
        end do
        call exchange_halos(zos)
    end subroutine model_init

    !> One time step; `status` is not 0 when this rank has blown up.
    subroutine model_step(step, status)
        integer, intent(in) :: step
        integer, intent(out) :: status

        if (step == nn_crash .and. north == MPI_PROC_NULL) error stop "nn_crash: as you asked"
        call step_height()
        call exchange_halos(zos)
        call step_velocities()
        call exchange_halos(ub)
        call exchange_halos(vb)
        associate (ni => tile_shape(1), nj => tile_shape(2))
            ke = 0.25_wp*(ub(1:ni, 1:nj)**2 + ub(0:ni - 1, 1:nj)**2 &
                + vb(1:ni, 1:nj)**2 + vb(1:ni, 0:nj - 1)**2)
        end associate
        steps_taken = steps_taken + 1
        status = 0
        ! Not "any(abs(zos) > limit)": that is false for NaN.
        if (.not. all(abs(zos) < impossible_height)) status = 1
    end subroutine model_step

    !> zos <- zos - dt div(depth u)
    subroutine step_height()
        integer :: i, j
        do j = 1, tile_shape(2)
            do i = 1, tile_shape(1)
                zos(i, j) = zos(i, j) - time_step/spacing*( &
                    east_depth(i, j)*ub(i, j) - east_depth(i - 1, j)*ub(i - 1, j) &
                    + north_depth(i, j)*vb(i, j) - north_depth(i, j - 1)*vb(i, j - 1))
            end do
        end do
    end subroutine step_height

    !> Both velocities, from the new height and the old velocities; no flow through the north wall.
    subroutine step_velocities()
        real(wp) :: f
        real(wp), allocatable :: old_u(:, :)
        integer :: i, j, rows

        f = merge(coriolis, 0.0_wp, ln_rot)
        allocate (old_u, source=ub)
        do j = 1, tile_shape(2)
            do i = 1, tile_shape(1)
                ub(i, j) = ub(i, j) + time_step*( &
                    f*0.25_wp*(vb(i, j) + vb(i + 1, j) + vb(i, j - 1) + vb(i + 1, j - 1)) &
                    - rn_grav*(zos(i + 1, j) - zos(i, j))/spacing - rn_drag*ub(i, j) &
                    + utau(i, j)/(reference_density*east_depth(i, j)))
            end do
        end do
        rows = tile_shape(2)
        if (north == MPI_PROC_NULL) rows = rows - 1
        do j = 1, rows
            do i = 1, tile_shape(1)
                vb(i, j) = vb(i, j) + time_step*(-f*0.25_wp*(old_u(i, j) + old_u(i - 1, j) &
                    + old_u(i, j + 1) + old_u(i - 1, j + 1)) &
                    - rn_grav*(zos(i, j + 1) - zos(i, j))/spacing - rn_drag*vb(i, j))
            end do
        end do
    end subroutine step_velocities

    pure function east_depth(i, j) result(height)
        integer, intent(in) :: i, j
        real(wp) :: height
        height = 0.5_wp*(depth(i, j) + depth(i + 1, j))
    end function east_depth

    pure function north_depth(i, j) result(height)
        integer, intent(in) :: i, j
        real(wp) :: height
        height = 0.5_wp*(depth(i, j) + depth(i, j + 1))
    end function north_depth

    !> Fill the halo of `field` from the neighbours; halos beyond a wall stay as they are.
    subroutine exchange_halos(field)
        real(wp), intent(inout) :: field(0:, 0:)  !! [0:ni+1, 0:nj+1]
        associate (ni => tile_shape(1), nj => tile_shape(2))
            call shift(field(ni, :), field(0, :), east, west)
            call shift(field(1, :), field(ni + 1, :), west, east)
            call shift(field(:, nj), field(:, 0), north, south)
            call shift(field(:, 1), field(:, nj + 1), south, north)
        end associate
    end subroutine exchange_halos

    !> Send an edge to one neighbour and receive one from the opposite side.
    subroutine shift(edge, halo, to, from)
        real(wp), intent(in) :: edge(:)
        real(wp), intent(inout) :: halo(:)
        integer, intent(in) :: to, from
        real(wp) :: outgoing(size(edge)), incoming(size(halo))
        integer :: ierr
        outgoing = edge
        incoming = halo
        call MPI_Sendrecv(outgoing, size(outgoing), MPI_DOUBLE_PRECISION, to, 0, &
            incoming, size(incoming), MPI_DOUBLE_PRECISION, from, 0, comm, MPI_STATUS_IGNORE, ierr)
        halo = incoming
    end subroutine shift

    !> Hook of the bridge: Python has written inner cells of the depth, or of the state.
    subroutine refresh_halos()
        call exchange_halos(depth)
        call exchange_halos(zos)
        call exchange_halos(ub)
        call exchange_halos(vb)
    end subroutine refresh_halos

    !> Write this rank's tile and state to `<path>.<rank>`: tile (4 integers), zos, ub, vb.
    subroutine write_state(path)
        character(*), intent(in) :: path
        character(4) :: number
        integer :: unit
        write (number, "(i4.4)") rank
        open (newunit=unit, file=path//"."//number, form="unformatted", access="stream", &
            status="replace", action="write")
        associate (ni => tile_shape(1), nj => tile_shape(2))
            write (unit) tile_start, tile_shape, zos(1:ni, 1:nj), ub(1:ni, 1:nj), vb(1:ni, 1:nj)
        end associate
        close (unit)
    end subroutine write_state
end module shallow_water_model
