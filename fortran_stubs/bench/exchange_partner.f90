!> The far end of `nemo-bridge bench`: fields with halos that travel over the bridge, and steps in
!> which it does what `bench/task` says, for comparison.
!>
!>     exchange_partner NX NY NZ BYTES        cells, levels, and 4 or 8 bytes per value
!>
!> Each rank holds a band of NX cells by a part of NY, with halos of one cell. The bands lie off the
!> edges of the global grid by a margin of cells that are nobody's, so that they have gaps there too.
program exchange_partner
    use mpi, only: MPI_COMM_WORLD, MPI_INTEGER, MPI_STATUS_IGNORE, MPI_Wtime
    use bridge_client, only: bridge_close, bridge_diagnostic, bridge_forcing, bridge_grid, &
        bridge_handle, bridge_next_step, bridge_open, bridge_parameter, bridge_register, &
        bridge_state, bridge_step_done
    use, intrinsic :: iso_c_binding, only: c_loc, c_ptr, c_size_t
    use, intrinsic :: iso_fortran_env, only: int32, real32, real64
    implicit none

    interface
        function memcpy(to, from, bytes) bind(c) result(same)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: to, from
            integer(c_size_t), value :: bytes
            type(c_ptr) :: same
        end function memcpy
    end interface

    integer, parameter :: margin = 4, server = 0, tag = 7
    integer, parameter :: line_length = 1024, header_words = 16
    integer, parameter :: task_messages = 1, task_copies = 2, task_pause = 3
    integer, parameter :: levels_of_line = 0, levels_of_header = -1
    type(bridge_handle) :: bridge
    real(real32), allocatable, target :: plane4(:, :), volume4(:, :, :)
    real(real64), allocatable, target :: plane(:, :), volume(:, :, :), copy(:, :, :)
    real(real64), target :: line(line_length) = 1, times(line_length) = 0, cpu_seconds = 0, pause = 0
    integer, target :: task = 0, repeats = 1, levels = 1
    integer :: comm_model, rank, ranks, nx, ny, nz, bytes, rows, first, step, status, ierr

    nx = argument(1)
    ny = argument(2)
    nz = argument(3)
    bytes = argument(4)
    call MPI_Init(ierr)
    call bridge_open(bridge, MPI_COMM_WORLD, comm_model, "exchange_partner", "1.0")
    call MPI_Comm_rank(comm_model, rank, ierr)
    call MPI_Comm_size(comm_model, ranks, ierr)
    first = rank*ny/ranks + 1
    rows = (rank + 1)*ny/ranks - first + 1
    call bridge_grid(bridge, [nx + 2*margin, ny + 2*margin, nz], margin + [1, first], [nx, rows], &
        halo=1, time_step=1.0_real64)
    call register_all()

    step = 0
    status = 0
    do while (bridge_next_step(bridge, step, last_step=0))
        select case (task)
        case (task_messages)
            call exchange_messages()
        case (task_copies)
            call copy_state()
        case (task_pause)
            call compute_for(pause)
        case default
            continue
        end select
        call cpu_time(cpu_seconds)
        call bridge_step_done(bridge, step, status)
    end do
    call bridge_close(bridge)
    call MPI_Finalize(ierr)

contains

    subroutine register_all()
        if (bytes == 4) then
            allocate (plane4(0:nx + 1, 0:rows + 1), volume4(0:nx + 1, 0:rows + 1, nz))
            plane4 = 1
            volume4 = 1
            call bridge_register(bridge, "plane", plane4, bridge_forcing)
            call bridge_register(bridge, "volume", volume4, bridge_state)
        else
            allocate (plane(0:nx + 1, 0:rows + 1), volume(0:nx + 1, 0:rows + 1, nz))
            plane = 1
            volume = 1
            call bridge_register(bridge, "plane", plane, bridge_forcing)
            call bridge_register(bridge, "volume", volume, bridge_state)
        end if
        call bridge_register(bridge, "line", line, bridge_forcing)
        call bridge_register(bridge, "bench/task", task, bridge_parameter)
        call bridge_register(bridge, "bench/repeats", repeats, bridge_parameter)
        call bridge_register(bridge, "bench/levels", levels, bridge_parameter)
        call bridge_register(bridge, "bench/pause", pause, bridge_parameter, units="s")
        call bridge_register(bridge, "bench/times", times, bridge_diagnostic, units="s")
        call bridge_register(bridge, "bench/cpu_seconds", cpu_seconds, bridge_diagnostic, units="s")
    end subroutine register_all

    !> Bare MPI: receive this rank's part of a field and send it back, contiguous in memory that was
    !> allocated beforehand. What all ranks share is sent back by the first one alone.
    subroutine exchange_messages()
        integer(int32), allocatable :: words(:)
        integer :: i, n, code
        select case (levels)
        case (levels_of_line)
            n = 2*line_length
        case (levels_of_header)
            n = header_words
        case default
            n = nx*rows*levels*(bytes/4)
        end select
        allocate (words(n))
        words = 1
        do i = 1, repeats
            call MPI_Recv(words, n, MPI_INTEGER, server, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE, code)
            if (levels <= 0 .and. rank > 0) cycle
            call MPI_Send(words, n, MPI_INTEGER, server, tag, MPI_COMM_WORLD, code)
        end do
    end subroutine exchange_messages

    !> How long this process takes to copy as many bytes as its state has.
    subroutine copy_state()
        real(real64) :: start
        type(c_ptr) :: done
        integer :: i
        if (.not. allocated(copy)) allocate (copy, source=volume)
        do i = 1, repeats
            start = MPI_Wtime()
            done = memcpy(c_loc(copy), c_loc(volume), 8*size(volume, kind=c_size_t))
            times(i) = MPI_Wtime() - start
        end do
    end subroutine copy_state

    !> Keep the core busy, as a time step does.
    subroutine compute_for(seconds)
        real(real64), intent(in) :: seconds
        real(real64) :: start
        start = MPI_Wtime()
        do while (MPI_Wtime() - start < seconds)
        end do
    end subroutine compute_for

    !> The `number`th argument of the command line, a whole number.
    function argument(number) result(value)
        integer, intent(in) :: number
        integer :: value
        character(16) :: text
        call get_command_argument(number, text)
        read (text, *) value
    end function argument
end program exchange_partner
