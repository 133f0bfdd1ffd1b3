!> One list of what NEMO holds serves three tasks: to register it, to read it and to write it.
!>
!>     subroutine each_something(v)
!>         type(visitor), intent(inout) :: v
!>         call item(v, "en", en, point="W", units="m2 s-2")
!>     end subroutine
!>
!>     call register_items(each_something, bridge, bridge_state, get_something, put_something)
!>
!> NEMO's variables are no targets, so their values are copied by plain assignments; scratch arrays
!> of NEMO's own precision hide behind the one type that get and put routines have, real64.
module nemo_bridge_visitor
    use, intrinsic :: iso_fortran_env, only: int32, real32, real64
    use bridge_client, only: bridge_getter, bridge_handle, bridge_putter, bridge_register
    implicit none
    private

    public :: visitor, item, rotating_item, register_items, read_item, write_item, is_wanted
    public :: read_only

    integer, parameter :: task_register = 1, task_read = 2, task_write = 3

    type :: visitor
        private
        integer :: task = task_read
        character(64) :: wanted = ""                   !! name to be read or written
        integer :: level = 0                           !! 0: all time levels
        real(real64), pointer :: values(:) => null()   !! where to, or where from
        type(bridge_handle), pointer :: bridge => null()
        integer(int32) :: role = 0
        procedure(bridge_getter), pointer, nopass :: get => null()
        procedure(bridge_putter), pointer, nopass :: put => null()
    end type visitor

    abstract interface
        !> Show every datum of a list to the visitor.
        subroutine item_list(v)
            import :: visitor
            type(visitor), intent(inout) :: v
        end subroutine item_list
    end interface

    !> One datum: a scalar or an array, real, integer or logical.
    interface item
        module procedure :: double_0, double_1, double_2, double_3, double_4
        module procedure :: single_0, single_1, single_2, single_3, single_4
        module procedure :: integer_0, integer_1, logical_0
    end interface item

    !> An array whose last dimension is the time level; `level` says which one travels.
    interface rotating_item
        module procedure :: double_rotating_3, double_rotating_4
        module procedure :: single_rotating_3, single_rotating_4
    end interface rotating_item

contains

    !> Register everything in `list`.
    subroutine register_items(list, bridge, role, get, put)
        procedure(item_list) :: list
        type(bridge_handle), intent(inout), target :: bridge
        integer(int32), intent(in) :: role
        procedure(bridge_getter) :: get
        procedure(bridge_putter) :: put
        type(visitor) :: v
        v%task = task_register
        v%bridge => bridge
        v%role = role
        v%get => get
        v%put => put
        call list(v)
    end subroutine register_items

    !> What a get routine does: copy the datum called `name` into `values`.
    subroutine read_item(list, name, level, values)
        procedure(item_list) :: list
        character(*), intent(in) :: name
        integer, intent(in) :: level
        real(real64), intent(inout), target :: values(:)
        type(visitor) :: v
        v%task = task_read
        v%wanted = name
        v%level = level
        v%values => values
        call list(v)
    end subroutine read_item

    !> What a put routine does: copy `values` into the datum called `name`.
    subroutine write_item(list, name, level, values)
        procedure(item_list) :: list
        character(*), intent(in) :: name
        integer, intent(in) :: level
        real(real64), intent(in), target :: values(:)
        type(visitor) :: v
        v%task = task_write
        v%wanted = name
        v%level = level
        v%values => values
        call list(v)
    end subroutine write_item

    !> The put routine of data that the server may not write; the library never calls it.
    subroutine read_only(name, level, values)
        character(*), intent(in) :: name
        integer, intent(in) :: level
        real(real64), intent(in) :: values(:)
    end subroutine read_only

    !> Is this datum to be registered, read or written now? For those that have to be made first.
    pure function is_wanted(v, name) result(wanted)
        type(visitor), intent(in) :: v
        character(*), intent(in) :: name
        logical :: wanted
        wanted = v%task == task_register .or. v%wanted == name
    end function is_wanted

    !> Register one datum. Arrays that do not lie on the tile of this rank go as a row of numbers:
    !> snapshots need no more.
    subroutine enter(v, name, extents, point, units, level)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        integer, intent(in) :: extents(:)
        character(*), intent(in), optional :: point, units
        integer, pointer, intent(in), optional :: level
        logical :: on_tile

        on_tile = .true.
        if (size(extents) >= 2) on_tile = &
            all(extents(:2) == v%bridge%grid%tile_shape) .or. &
            all(extents(:2) == v%bridge%grid%local_shape)
        if (on_tile) then
            call bridge_register(v%bridge, name, extents, v%get, v%put, v%role, point, units, level)
        else
            call bridge_register(v%bridge, name, [product(extents)], v%get, v%put, v%role)
        end if
    end subroutine enter

    subroutine scalar(v, name, value, point, units)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real64), intent(inout) :: value
        character(*), intent(in), optional :: point, units
        select case (v%task)
        case (task_register)
            call enter(v, name, [integer ::], point, units)
        case (task_read)
            if (v%wanted == name) v%values = value
        case default
            if (v%wanted == name) value = v%values(1)
        end select
    end subroutine scalar

    subroutine double_0(v, name, a, point, units)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real64), intent(inout) :: a
        character(*), intent(in), optional :: point, units
        call scalar(v, name, a, point, units)
    end subroutine double_0

    subroutine single_0(v, name, a, point, units)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real32), intent(inout) :: a
        character(*), intent(in), optional :: point, units
        real(real64) :: value
        value = real(a, real64)
        call scalar(v, name, value, point, units)
        if (v%task == task_write .and. v%wanted == name) a = real(value, real32)
    end subroutine single_0

    subroutine integer_0(v, name, a)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        integer, intent(inout) :: a
        real(real64) :: value
        value = real(a, real64)
        call scalar(v, name, value)
        if (v%task == task_write .and. v%wanted == name) a = nint(value)
    end subroutine integer_0

    subroutine logical_0(v, name, a)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        logical, intent(inout) :: a
        real(real64) :: value
        value = merge(1.0_real64, 0.0_real64, a)
        call scalar(v, name, value)
        if (v%task == task_write .and. v%wanted == name) a = value > 0.5_real64
    end subroutine logical_0

    subroutine integer_1(v, name, a)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        integer, intent(inout) :: a(:)
        real(real64) :: values(size(a))
        values = real(a, real64)
        call item(v, name, values)
        if (v%task == task_write .and. v%wanted == name) a = nint(values)
    end subroutine integer_1

    subroutine double_1(v, name, a, point, units)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real64), intent(inout) :: a(:)
        character(*), intent(in), optional :: point, units
#include "nemo_bridge_item.h90"
    end subroutine double_1

    subroutine double_2(v, name, a, point, units)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real64), intent(inout) :: a(:, :)
        character(*), intent(in), optional :: point, units
#include "nemo_bridge_item.h90"
    end subroutine double_2

    subroutine double_3(v, name, a, point, units)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real64), intent(inout) :: a(:, :, :)
        character(*), intent(in), optional :: point, units
#include "nemo_bridge_item.h90"
    end subroutine double_3

    subroutine double_4(v, name, a, point, units)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real64), intent(inout) :: a(:, :, :, :)
        character(*), intent(in), optional :: point, units
#include "nemo_bridge_item.h90"
    end subroutine double_4

    subroutine single_1(v, name, a, point, units)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real32), intent(inout) :: a(:)
        character(*), intent(in), optional :: point, units
#include "nemo_bridge_item.h90"
    end subroutine single_1

    subroutine single_2(v, name, a, point, units)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real32), intent(inout) :: a(:, :)
        character(*), intent(in), optional :: point, units
#include "nemo_bridge_item.h90"
    end subroutine single_2

    subroutine single_3(v, name, a, point, units)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real32), intent(inout) :: a(:, :, :)
        character(*), intent(in), optional :: point, units
#include "nemo_bridge_item.h90"
    end subroutine single_3

    subroutine single_4(v, name, a, point, units)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real32), intent(inout) :: a(:, :, :, :)
        character(*), intent(in), optional :: point, units
#include "nemo_bridge_item.h90"
    end subroutine single_4

    subroutine double_rotating_3(v, name, a, level, point, units)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real64), intent(inout) :: a(:, :, :)
        integer, pointer, intent(in) :: level
        character(*), intent(in), optional :: point, units
        if (v%task /= task_register .and. v%wanted /= name) return
        if (v%task /= task_register .and. v%level > 0) then
            call item(v, name, a(:, :, v%level), point, units)
            return
        end if
#include "nemo_bridge_rotating_item.h90"
    end subroutine double_rotating_3

    subroutine double_rotating_4(v, name, a, level, point, units)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real64), intent(inout) :: a(:, :, :, :)
        integer, pointer, intent(in) :: level
        character(*), intent(in), optional :: point, units
        if (v%task /= task_register .and. v%wanted /= name) return
        if (v%task /= task_register .and. v%level > 0) then
            call item(v, name, a(:, :, :, v%level), point, units)
            return
        end if
#include "nemo_bridge_rotating_item.h90"
    end subroutine double_rotating_4

    subroutine single_rotating_3(v, name, a, level, point, units)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real32), intent(inout) :: a(:, :, :)
        integer, pointer, intent(in) :: level
        character(*), intent(in), optional :: point, units
        if (v%task /= task_register .and. v%wanted /= name) return
        if (v%task /= task_register .and. v%level > 0) then
            call item(v, name, a(:, :, v%level), point, units)
            return
        end if
#include "nemo_bridge_rotating_item.h90"
    end subroutine single_rotating_3

    subroutine single_rotating_4(v, name, a, level, point, units)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real32), intent(inout) :: a(:, :, :, :)
        integer, pointer, intent(in) :: level
        character(*), intent(in), optional :: point, units
        if (v%task /= task_register .and. v%wanted /= name) return
        if (v%task /= task_register .and. v%level > 0) then
            call item(v, name, a(:, :, :, v%level), point, units)
            return
        end if
#include "nemo_bridge_rotating_item.h90"
    end subroutine single_rotating_4
end module nemo_bridge_visitor
