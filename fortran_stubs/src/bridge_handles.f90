!> The handle that a model owns: everything the bridge knows, no module variables.
module bridge_handles
    use bridge_kinds, only: int32, int64, message_length, name_length, real32, real64
    use bridge_link, only: model_link
    use bridge_registry, only: grid_layout, registry
    use bridge_shared_memory, only: shared_place
    use bridge_snapshots, only: snapshot_slot
    implicit none
    private

    public :: bridge_handle, bridge_hook, coupling_plan, field_list, complete_fields, conclude

    abstract interface
        !> Something of the model's own to do at a certain moment.
        subroutine bridge_hook()
        end subroutine bridge_hook
    end interface

    !> Fields that a run shows to the server. Negative numbers: they travel as real32. The places are
    !> where they belong in shared memory, record by record; nowhere: they travel as messages.
    type :: field_list
        integer(int32), allocatable :: numbers(:)
        type(shared_place), allocatable :: places(:)
    end type field_list

    !> What a run exchanges with a closure in Python.
    type :: coupling_plan
        type(field_list) :: to_python
        integer(int32), allocatable :: from_python(:)  !! numbers, as in a `field_list`
        integer :: interval = 0  !! steps; 0: the run is not coupled
        integer :: lag = 0       !! intervals from a field to the forcing made of it
    end type coupling_plan

    type :: bridge_handle
        type(model_link) :: link
        type(grid_layout) :: grid
        type(registry) :: names
        type(snapshot_slot), allocatable :: slots(:)
        character(name_length) :: model = "", version = ""
        character(message_length) :: error = ""  !! left by a call without stat
        character(message_length) :: no_snapshots = ""  !! why the model cannot take any
        procedure(bridge_hook), pointer, nopass :: parameters_changed => null()
        procedure(bridge_hook), pointer, nopass :: after_restore => null()
        procedure(bridge_hook), pointer, nopass :: before_first_step => null()
        procedure(bridge_hook), pointer, nopass :: fields_written => null()
        logical :: coupled = .false.
        logical :: started = .false.      !! before_first_step has been called
        logical :: stopped = .false.      !! the server said stop
        logical :: blown_up = .false.     !! and not yet restored
        logical :: new_parameters = .false.  !! parameters_changed is due
        logical :: new_fields = .false.      !! fields_written is due
        logical :: restored = .false.        !! since the last step
        logical :: halos_stale = .false.     !! in the step that is next
        ! The run in progress.
        integer(int64) :: first_step = 0  !! step from which it started
        integer :: steps_left = 0
        integer :: every = 1
        type(field_list) :: recorded
        type(coupling_plan) :: coupling
        real(real32), pointer :: packed(:) => null()  !! values that travel as real32
        real(real64) :: last_sent = 0  !! when the server last heard from us
    end type bridge_handle

contains

    !> Let the model complete arrays that were set since: halos, and what goes with them. A snapshot
    !> that is taken before the next step holds them complete, for it may be restored at any time.
    subroutine complete_fields(bridge)
        type(bridge_handle), intent(inout) :: bridge
        if (.not. (bridge%new_fields .and. associated(bridge%fields_written))) return
        call bridge%fields_written()
        bridge%new_fields = .false.
    end subroutine complete_fields

    !> End of a public routine: return `message` through stat and errmsg, or leave it in the handle.
    subroutine conclude(bridge, message, stat, errmsg)
        type(bridge_handle), intent(inout) :: bridge
        character(*), intent(in) :: message
        integer, intent(out), optional :: stat
        character(*), intent(inout), optional :: errmsg
        if (present(stat)) then
            stat = merge(0, 1, message == "")
            if (present(errmsg) .and. message /= "") errmsg = message
        else if (bridge%error == "") then
            bridge%error = message
        end if
    end subroutine conclude
end module bridge_handles
