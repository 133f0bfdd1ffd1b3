!> The smallest model with a bridge: read it to see how a model is attached.
!>
!>     mpirun -n 2 shallow_water 100                                stand-alone, 100 steps
!>     mpirun -n 1 python tune.py : -n 2 shallow_water              coupled
!>
!> Arguments: number of steps (only stand-alone), nx, ny, file for the last state; all optional.
program shallow_water
    use mpi, only: MPI_COMM_WORLD
    use bridge_client, only: bridge_close, bridge_coupled, bridge_diagnostic, bridge_forcing, &
        bridge_grid, bridge_handle, bridge_hooks, bridge_next_step, bridge_open, bridge_parameter, &
        bridge_register, bridge_state, bridge_static, bridge_step_done
    use bridge_system, only: sleep_microseconds
    use shallow_water_model, only: depth, global_shape, gphit, ke, ln_rot, model_init, &
        model_step, nn_crash, refresh_halos, rn_drag, rn_grav, rn_pause, steps_taken, &
        tile_shape, tile_start, time_step, tmask, ub, utau, vb, write_state, zos
    implicit none

    type(bridge_handle) :: bridge
    character(256) :: last_state
    integer :: comm_model, step, status, ierr

    call MPI_Init(ierr)
    call bridge_open(bridge, MPI_COMM_WORLD, comm_model, "shallow_water", "1.0")
    call model_init(comm_model, argument(2, 24), argument(3, 16))
    call register_data()

    step = 0
    status = 0
    do while (bridge_next_step(bridge, step, last_step=argument(1, 10)))
        call model_step(step, status)
        if (rn_pause > 0) call sleep_microseconds(nint(1.0e6*rn_pause))
        call bridge_step_done(bridge, step, status)
    end do

    call get_command_argument(4, last_state)
    if (last_state /= "") call write_state(trim(last_state))
    call bridge_close(bridge)
    call MPI_Finalize(ierr)
    ! With a server a blow-up was reported; alone, the exit code must tell.
    if (status /= 0 .and. .not. bridge_coupled(bridge)) error stop "the model blew up"

contains

    !> Everything that Python may see or change, by name.
    subroutine register_data()
        call bridge_grid(bridge, [global_shape, 1], tile_start, tile_shape, halo=1, &
            time_step=time_step, periodic=[.true., .false.])

        call bridge_register(bridge, "zos", zos, bridge_state, "T", "m")
        call bridge_register(bridge, "ub", ub, bridge_state, "U", "m s-1")
        call bridge_register(bridge, "vb", vb, bridge_state, "V", "m s-1")
        call bridge_register(bridge, "steps_taken", steps_taken, bridge_state)
        call bridge_register(bridge, "utau", utau, bridge_forcing, "U", "N m-2")
        call bridge_register(bridge, "ke", ke, bridge_diagnostic, "T", "m2 s-2")
        call bridge_register(bridge, "tmask", tmask, bridge_static, "T", "1")
        call bridge_register(bridge, "gphit", gphit, bridge_static, "T", "degrees_north")

        call bridge_register(bridge, "namsw/rn_grav", rn_grav, bridge_parameter, units="m s-2")
        call bridge_register(bridge, "namsw/rn_drag", rn_drag, bridge_parameter, units="s-1")
        call bridge_register(bridge, "namsw/rn_pause", rn_pause, bridge_parameter, units="s")
        call bridge_register(bridge, "namsw/nn_crash", nn_crash, bridge_parameter)
        call bridge_register(bridge, "namsw/ln_rot", ln_rot, bridge_parameter)
        call bridge_register(bridge, "namsw/depth", depth, bridge_parameter, "T", "m")

        call bridge_hooks(bridge, fields_written=refresh_halos)
    end subroutine register_data

    !> Command argument `number` as an integer, or `default`.
    function argument(number, default) result(value)
        integer, intent(in) :: number, default
        integer :: value, code
        character(32) :: text
        value = default
        call get_command_argument(number, text)
        if (text == "") return
        read (text, *, iostat=code) value
        if (code /= 0) error stop "expected integers: steps, nx, ny"
    end function argument
end program shallow_water
