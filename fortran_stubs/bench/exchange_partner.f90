!> The far end of `nemo-bridge bench exchange`: fields with halos that travel over the bridge, and,
!> in its time step, bare MPI messages of the same bytes to and from rank 0, the server.
!>
!> Each rank holds a band of the 362 x 332 cells of ORCA1 (times 75 levels), halos of one cell.
program exchange_partner
    use mpi, only: MPI_COMM_WORLD, MPI_DOUBLE_PRECISION, MPI_STATUS_IGNORE
    use bridge_client, only: bridge_close, bridge_forcing, bridge_grid, bridge_handle, &
        bridge_next_step, bridge_open, bridge_parameter, bridge_register, bridge_step_done
    use, intrinsic :: iso_fortran_env, only: real64
    implicit none

    integer, parameter :: nx = 362, ny = 332, nz = 75
    integer, parameter :: server = 0, tag = 7
    type(bridge_handle) :: bridge
    real(real64), allocatable, target :: plane(:, :), volume(:, :, :)
    integer, target :: repeats = 1, levels = 1  !! of the bare messages
    integer :: comm_model, rank, ranks, rows, first, step, status, ierr

    call MPI_Init(ierr)
    call bridge_open(bridge, MPI_COMM_WORLD, comm_model, "exchange_partner", "1.0")
    call MPI_Comm_rank(comm_model, rank, ierr)
    call MPI_Comm_size(comm_model, ranks, ierr)
    first = rank*ny/ranks + 1
    rows = (rank + 1)*ny/ranks - first + 1
    call bridge_grid(bridge, [nx, ny, nz], [1, first], [nx, rows], halo=1, time_step=1.0_real64)
    allocate (plane(0:nx + 1, 0:rows + 1), volume(0:nx + 1, 0:rows + 1, nz))
    plane = 1
    volume = 1
    call bridge_register(bridge, "plane", plane, bridge_forcing)
    call bridge_register(bridge, "volume", volume, bridge_forcing)
    call bridge_register(bridge, "bench/repeats", repeats, bridge_parameter)
    call bridge_register(bridge, "bench/levels", levels, bridge_parameter)

    step = 0
    status = 0
    do while (bridge_next_step(bridge, step, last_step=0))
        if (rank == 0) call bare_messages(nx*ny*levels)
        call bridge_step_done(bridge, step, status)
    end do
    call bridge_close(bridge)
    call MPI_Finalize(ierr)

contains

    !> Receive and send back `n` numbers, `repeats` times: contiguous, allocated beforehand.
    subroutine bare_messages(n)
        integer, intent(in) :: n
        real(real64), allocatable :: buffer(:)
        integer :: i, code
        allocate (buffer(n))
        buffer = 1
        do i = 1, repeats
            call MPI_Recv(buffer, n, MPI_DOUBLE_PRECISION, server, tag, MPI_COMM_WORLD, &
                MPI_STATUS_IGNORE, code)
            call MPI_Send(buffer, n, MPI_DOUBLE_PRECISION, server, tag, MPI_COMM_WORLD, code)
        end do
    end subroutine bare_messages
end program exchange_partner
