!> The bridge as a model sees it: one registry and six calls.
!>
!>     call bridge_open(bridge, comm_in, comm_model, "my model", "1.0")
!>     call bridge_grid(bridge, ...)
!>     call bridge_register(bridge, "thetao", t, bridge_state, point="T", units="degC")
!>     do while (bridge_next_step(bridge, step, last_step))
!>         call model_step(step)
!>         call bridge_step_done(bridge, step, status)
!>     end do
!>     call bridge_close(bridge)
!>
!> Without a server in the job all of them stand aside: the model runs to `last_step` as if they
!> were not there. An error without `stat` stays in the handle: the loop then does not start, the
!> server is told, and bridge_close ends the job with a non-zero code.
module bridge_client
    use bridge_handles, only: bridge_handle, bridge_hook, complete_fields, conclude
    use bridge_kinds, only: error_unit, message_length, real64
    use bridge_link, only: free_block, give_up, largest_of_ranks, link_close, link_open
    use bridge_protocol, only: bridge_diagnostic, bridge_forcing, bridge_parameter, &
        bridge_state, bridge_static
    use bridge_registration, only: bridge_register
    use bridge_registry, only: bridge_getter, bridge_putter
    use bridge_run, only: couple, report_step
    use bridge_verbs, only: obey
    implicit none
    private

    public :: bridge_handle, bridge_getter, bridge_putter
    public :: bridge_open, bridge_grid, bridge_register, bridge_next_step, bridge_step_done
    public :: bridge_close, bridge_hooks, bridge_coupled, bridge_stopped, bridge_no_snapshots
    public :: bridge_halos_stale
    public :: bridge_parameter, bridge_state, bridge_forcing, bridge_diagnostic, bridge_static

contains

    !> Find out who is in the job, and give the model its own communicator. Collective over
    !> `comm_in`, together with the server if there is one.
    subroutine bridge_open(bridge, comm_in, comm_model, model, version, timeout, stat, errmsg)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: comm_in                   !! communicator of the whole job
        integer, intent(out) :: comm_model               !! communicator of this model instance
        character(*), intent(in) :: model, version
        real(real64), intent(in), optional :: timeout    !! s of silence within an exchange
        integer, intent(out), optional :: stat
        character(*), intent(inout), optional :: errmsg
        character(message_length) :: message
        real(real64) :: patience

        patience = 300.0_real64
        if (present(timeout)) patience = timeout
        bridge%model = model
        bridge%version = version
        call link_open(bridge%link, comm_in, comm_model, patience, message)
        bridge%coupled = bridge%link%server >= 0
        ! Without a communicator there is no way on for a model that does not look at stat.
        if (message /= "" .and. .not. present(stat)) call give_up(bridge%link, message)
        call conclude(bridge, message, stat, errmsg)
    end subroutine bridge_open

    !> Tell where this rank's tile lies in the global grid. Before registering arrays.
    subroutine bridge_grid(bridge, global_shape, tile_start, tile_shape, halo, time_step, &
        periodic, fold, local_shape, inner_start, stat, errmsg)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: global_shape(3)           !! nx, ny, nz
        integer, intent(in) :: tile_start(2)             !! global (i, j) of the first inner cell
        integer, intent(in) :: tile_shape(2)             !! inner cells in i and j
        integer, intent(in) :: halo                      !! width of the halo of local arrays
        real(real64), intent(in) :: time_step            !! s
        logical, intent(in), optional :: periodic(2)     !! in i, in j
        character(*), intent(in), optional :: fold       !! north fold: "none", "T" or "F"
        integer, intent(in), optional :: local_shape(2)  !! cells of local arrays with their halos,
        integer, intent(in), optional :: inner_start(2)  !! and (i, j) there of the first inner one,
        !! when the halo is not the same on all sides
        integer, intent(out), optional :: stat
        character(*), intent(inout), optional :: errmsg
        character(message_length) :: message

        message = ""
        if (any(tile_shape < 1) .or. any(tile_start < 1) .or. halo < 0 .or. &
            any(tile_start + tile_shape - 1 > global_shape(:2))) then
            write (message, "(a, 2(1x, i0), a, 2(1x, i0), a, 3(1x, i0))") "a tile of", tile_shape, &
                " cells at", tile_start, " does not lie in the global grid of", global_shape
        end if
        bridge%grid%global_shape = global_shape
        bridge%grid%tile_start = tile_start
        bridge%grid%tile_shape = tile_shape
        bridge%grid%halo = halo
        bridge%grid%local_shape = tile_shape + 2*halo
        bridge%grid%inner_start = halo + 1
        if (present(local_shape)) bridge%grid%local_shape = local_shape
        if (present(inner_start)) bridge%grid%inner_start = inner_start
        if (any(bridge%grid%inner_start + tile_shape - 1 > bridge%grid%local_shape) .or. &
            any(bridge%grid%inner_start < 1)) then
            message = "the inner cells do not lie in the local arrays: see local_shape, inner_start"
        end if
        bridge%grid%time_step = time_step
        if (present(periodic)) bridge%grid%periodic = periodic
        if (present(fold)) bridge%grid%fold = fold
        bridge%grid%known = message == ""
        call conclude(bridge, message, stat, errmsg)
    end subroutine bridge_grid

    !> Routines of the model to be called at certain moments; those not given are not called.
    subroutine bridge_hooks(bridge, parameters_changed, after_restore, before_first_step, &
        fields_written)
        type(bridge_handle), intent(inout) :: bridge
        procedure(bridge_hook), optional :: parameters_changed  !! before the step after a set
        procedure(bridge_hook), optional :: after_restore       !! state and step are rewound
        procedure(bridge_hook), optional :: before_first_step   !! once, before anything is asked
        procedure(bridge_hook), optional :: fields_written      !! before a step or a snapshot
        !! after arrays were set: their inner cells are new, their halos are not
        if (present(parameters_changed)) bridge%parameters_changed => parameters_changed
        if (present(after_restore)) bridge%after_restore => after_restore
        if (present(before_first_step)) bridge%before_first_step => before_first_step
        if (present(fields_written)) bridge%fields_written => fields_written
    end subroutine bridge_hooks

    !> Is there a server in this job?
    pure function bridge_coupled(bridge) result(coupled)
        type(bridge_handle), intent(in) :: bridge
        logical :: coupled
        coupled = bridge%coupled
    end function bridge_coupled

    !> Before a step: may halos differ from the inner cells beside them? They may when arrays were set
    !> since the step before, or restored as they had been set. For models without fields_written.
    pure function bridge_halos_stale(bridge) result(stale)
        type(bridge_handle), intent(in) :: bridge
        logical :: stale
        stale = bridge%halos_stale
    end function bridge_halos_stale

    !> Has the server let the model go?
    pure function bridge_stopped(bridge) result(stopped)
        type(bridge_handle), intent(in) :: bridge
        logical :: stopped
        stopped = bridge%stopped
    end function bridge_stopped

    !> The registered state is not all that a step reads: snapshots are refused with `reason`.
    subroutine bridge_no_snapshots(bridge, reason)
        type(bridge_handle), intent(inout) :: bridge
        character(*), intent(in) :: reason
        bridge%no_snapshots = reason
    end subroutine bridge_no_snapshots

    !> Is there another step to compute? Obeys the server until it wants one. On entry `step` is the
    !> last completed step, on return the one to compute; a restore in between rewinds it.
    function bridge_next_step(bridge, step, last_step) result(more)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(inout) :: step
        integer, intent(in) :: last_step  !! where the model ends when it runs without a server
        logical :: more

        if (.not. bridge%started) then
            bridge%started = .true.
            if (associated(bridge%before_first_step)) call bridge%before_first_step()
        end if
        if (bridge%coupled) then
            do
                do while (bridge%steps_left == 0 .and. .not. bridge%stopped)
                    call obey(bridge, step)
                end do
                more = .not. bridge%stopped
                if (more) call couple(bridge, step)
                if (bridge%steps_left > 0 .or. .not. more) exit
            end do
        else
            more = step < last_step .and. .not. bridge%blown_up .and. bridge%error == ""
        end if
        if (.not. more) return
        call run_due_hooks(bridge)
        step = step + 1
    end function bridge_next_step

    !> Let the model digest what was set since the last step.
    subroutine run_due_hooks(bridge)
        type(bridge_handle), intent(inout) :: bridge
        call complete_fields(bridge)
        if (bridge%new_parameters .and. associated(bridge%parameters_changed)) then
            call bridge%parameters_changed()
        end if
        bridge%halos_stale = bridge%new_fields .or. bridge%restored
        bridge%new_fields = .false.
        bridge%restored = .false.
        bridge%new_parameters = .false.
    end subroutine run_due_hooks

    !> A step is complete: send what was asked for, report a blow-up. Collective over the model.
    subroutine bridge_step_done(bridge, step, status)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: step
        integer, intent(inout) :: status  !! 0, or not if the model blew up on any rank;
        !! on return the largest of all ranks, so that they agree
        call largest_of_ranks(bridge%link, status)
        if (bridge%coupled) then
            call report_step(bridge, step, status)
        else
            bridge%blown_up = status /= 0
        end if
    end subroutine bridge_step_done

    !> Leave. Before MPI_Finalize, on all ranks.
    subroutine bridge_close(bridge, stat, errmsg)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(out), optional :: stat
        character(*), intent(inout), optional :: errmsg
        integer :: i

        if (bridge%error /= "" .and. .not. present(stat)) call give_up(bridge%link, bridge%error)
        call conclude(bridge, bridge%error, stat, errmsg)
        do i = 1, bridge%names%count
            if (bridge%names%entries(i)%block_known) then
                call free_block(bridge%link, bridge%names%entries(i)%block)
            end if
            bridge%names%entries(i)%block_known = .false.
        end do
        call link_close(bridge%link)
        if (associated(bridge%names%scratch)) deallocate (bridge%names%scratch)
        if (associated(bridge%packed)) deallocate (bridge%packed)
    end subroutine bridge_close
end module bridge_client
