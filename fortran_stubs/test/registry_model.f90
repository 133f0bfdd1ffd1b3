!> A model that does nothing but own data of every kind the registry takes; for tests of the bridge.
!>
!> Two ranks or more, cut in i; 6 x 4 cells per rank, 3 levels, halos of two cells.
module registry_data
    use, intrinsic :: iso_fortran_env, only: int32, real32, real64
    implicit none
    public

    integer, parameter :: ni = 6, nj = 4, nz = 3, halo = 2
    real(real64), target :: scalar64 = 1.0_real64/3.0_real64
    real(real32), target :: scalar32 = 0.1_real32
    integer(int32), target :: count32 = -7
    logical, target :: flag = .true.
    real(real64), target :: profile(nz) = [1, 2, 3]
    real(real64), target :: plane(1 - halo:ni + halo, 1 - halo:nj + halo) = -1
    real(real32), target :: volume32(1 - halo:ni + halo, 1 - halo:nj + halo, nz) = -1
    integer(int32), target :: inner32(ni, nj) = 0
    logical, target :: mask(ni, nj) = .false.
    real(real64), target :: levels(1 - halo:ni + halo, 1 - halo:nj + halo, nz, 2) = -1
    real(real64), target :: tracers(ni, nj, nz, 2, 2) = 0
    integer, target :: now = 1, before = 2
    integer, target :: before_first = 0, written = 0, changed = 0, restored = 0
    ! Not a target: reached through routines, as private data of a model would be.
    real(real32) :: hidden(1 - halo:ni + halo, 1 - halo:nj + halo) = 5
    real(real64) :: hidden_levels(1 - halo:ni + halo, 1 - halo:nj + halo, nz, 2) = 6

contains

    subroutine get_hidden(name, level, values)
        character(*), intent(in) :: name
        integer, intent(in) :: level
        real(real64), intent(out) :: values(:)
        if (name == "hidden") then
            values = reshape(real(hidden, real64), shape(values))
        else if (name == "hidden_levels" .and. level == 0) then
            values = reshape(hidden_levels, shape(values))
        else if (name == "hidden_levels") then
            values = reshape(hidden_levels(:, :, :, level), shape(values))
        else
            error stop "get_hidden was asked for another field"
        end if
    end subroutine get_hidden

    subroutine put_hidden(name, level, values)
        character(*), intent(in) :: name
        integer, intent(in) :: level
        real(real64), intent(in) :: values(:)
        if (name == "hidden") then
            hidden = reshape(real(values, real32), shape(hidden))
        else if (name == "hidden_levels" .and. level == 0) then
            hidden_levels = reshape(values, shape(hidden_levels))
        else if (name == "hidden_levels") then
            hidden_levels(:, :, :, level) = reshape(values, shape(hidden_levels(:, :, :, 1)))
        else
            error stop "put_hidden was given another field"
        end if
    end subroutine put_hidden

    subroutine count_before_first()
        before_first = before_first + 1
    end subroutine count_before_first

    subroutine count_written()
        written = written + 1
    end subroutine count_written

    subroutine count_changed()
        changed = changed + 1
    end subroutine count_changed

    subroutine count_restored()
        restored = restored + 1
    end subroutine count_restored
end module registry_data

program registry_model
    use mpi, only: MPI_COMM_WORLD
    use bridge_client, only: bridge_close, bridge_diagnostic, bridge_forcing, bridge_grid, &
        bridge_handle, bridge_hooks, bridge_next_step, bridge_open, bridge_parameter, &
        bridge_register, bridge_state, bridge_static, bridge_step_done
    use registry_data, only: before, before_first, changed, count32, count_before_first, &
        count_changed, count_restored, count_written, flag, get_hidden, halo, hidden, &
        hidden_levels, inner32, &
        levels, mask, ni, nj, now, nz, plane, profile, put_hidden, restored, scalar32, scalar64, &
        tracers, volume32, written
    use, intrinsic :: iso_fortran_env, only: real64
    implicit none

    type(bridge_handle) :: bridge
    integer :: comm_model, rank, ranks, step, status, ierr, code, first
    character(512) :: message
    character(16) :: mistake

    call get_command_argument(1, mistake)
    call MPI_Init(ierr)
    call bridge_open(bridge, MPI_COMM_WORLD, comm_model, 'registry "model"', "0.1")
    call MPI_Comm_rank(comm_model, rank, ierr)
    call MPI_Comm_size(comm_model, ranks, ierr)
    first = merge(1, rank*ni + 1, mistake == "overlap")
    call bridge_grid(bridge, [ranks*ni, nj, nz], [first, 1], [ni, nj], halo, 60.0_real64, &
        periodic=[.true., .false.], fold="T")
    call bridge_register(bridge, "nam/scalar64", scalar64, bridge_parameter, units="m")
    call bridge_register(bridge, "nam/scalar32", scalar32, bridge_parameter)
    call bridge_register(bridge, "nam/count32", count32, bridge_parameter)
    call bridge_register(bridge, "nam/flag", flag, bridge_parameter)
    call bridge_register(bridge, "nam/profile", profile, bridge_parameter)
    call bridge_register(bridge, "plane", plane, bridge_state, "T", "degC")
    call bridge_register(bridge, "volume32", volume32, bridge_state)
    call bridge_register(bridge, "inner32", inner32, bridge_forcing)
    call bridge_register(bridge, "mask", mask, bridge_static)
    call bridge_register(bridge, "levels", levels, bridge_state, level=now)
    call bridge_register(bridge, "tracers", tracers, bridge_state, level=before)
    call bridge_register(bridge, "now", now, bridge_state)
    call bridge_register(bridge, "before", before, bridge_state)
    call bridge_register(bridge, "hidden", shape(hidden), get_hidden, put_hidden, bridge_state)
    call bridge_register(bridge, "hidden_levels", shape(hidden_levels), get_hidden, put_hidden, &
        bridge_state, level=before)
    call bridge_register(bridge, "before_first", before_first, bridge_diagnostic)
    call bridge_register(bridge, "written", written, bridge_diagnostic)
    call bridge_register(bridge, "changed", changed, bridge_diagnostic)
    call bridge_register(bridge, "restored", restored, bridge_diagnostic)
    call bridge_hooks(bridge, count_changed, count_restored, count_before_first, count_written)
    mask(1, :) = .true.

    ! Mistakes are answered where stat is given...
    call bridge_register(bridge, "plane", plane, bridge_state, stat=code, errmsg=message)
    if (code == 0 .or. index(message, "registered twice") == 0) error stop "twice was accepted"
    call bridge_register(bridge, "odd", profile(1:3:2), bridge_state, stat=code, errmsg=message)
    if (code == 0 .or. index(message, "not contiguous") == 0) error stop "gaps were accepted"
    call bridge_register(bridge, "odd", plane(1:2, :), bridge_state, stat=code, errmsg=message)
    if (code == 0) error stop "a shape that is not the tile was accepted"
    ! ... and otherwise stay in the handle, if we are asked to make one.
    if (mistake == "mistake") call bridge_register(bridge, "now", now, bridge_state)

    step = 10
    do while (bridge_next_step(bridge, step, last_step=12))
        ! The time levels change places, as in a leapfrog scheme.
        now = 3 - now
        before = 3 - before
        status = 0
        call bridge_step_done(bridge, step, status)
    end do
    ! The halos are nobody's business but the model's.
    if (any(nint(plane(:0, :)) /= -1) .or. any(nint(plane(ni + 1:, :)) /= -1) .or. &
        any(nint(hidden(:, :0)) /= 5) .or. &
        any(nint(hidden_levels(:, nj + 1:, :, :)) /= 6)) error stop "a halo was touched"
    call bridge_close(bridge)
    call MPI_Finalize(ierr)
end program registry_model
