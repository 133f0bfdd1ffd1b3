!> The generic bridge_register: data of every supported type and rank, by name.
!>
!> The array arguments are POINTER, INTENT(IN): a TARGET can be passed to them (Fortran 2008), and
!> data that are no target do not compile, so an address is never taken of a temporary copy.
module bridge_registration
    use, intrinsic :: iso_c_binding, only: c_loc, c_ptr
    use bridge_handles, only: bridge_handle, conclude
    use bridge_kinds, only: int32, message_length, real32, real64
    use bridge_protocol, only: dtype_int32, dtype_logical, dtype_real32, dtype_real64
    use bridge_registry, only: add_entry, bridge_getter, bridge_putter, registry_entry
    implicit none
    private

    public :: bridge_register

    interface bridge_register
        module procedure :: register_real64_0, register_real64_1, register_real64_2
        module procedure :: register_real64_3, register_real64_4, register_real64_5
        module procedure :: register_real32_0, register_real32_1, register_real32_2
        module procedure :: register_real32_3, register_real32_4, register_real32_5
        module procedure :: register_int32_0, register_int32_1, register_int32_2
        module procedure :: register_int32_3, register_int32_4, register_int32_5
        module procedure :: register_logical_0, register_logical_1, register_logical_2
        module procedure :: register_logical_3, register_logical_4, register_logical_5
        module procedure :: register_callbacks
    end interface bridge_register

contains

    !> Enter data at a known address.
    subroutine register(bridge, name, address, contiguous_data, dtype, extents, role, point, &
        units, level, stat, errmsg)
        type(bridge_handle), intent(inout) :: bridge
        character(*), intent(in) :: name
        type(c_ptr), intent(in) :: address
        logical, intent(in) :: contiguous_data
        integer(int32), intent(in) :: dtype
        integer, intent(in) :: extents(:)
        integer(int32), intent(in) :: role
        character(*), intent(in), optional :: point, units
        integer, pointer, intent(in), optional :: level
        integer, intent(out), optional :: stat
        character(*), intent(inout), optional :: errmsg
        type(registry_entry) :: entry
        character(message_length) :: message

        entry = described(name, dtype, extents, role, point, units)
        entry%address = address
        if (present(level)) entry%level => level
        if (contiguous_data) then
            call add_entry(bridge%names, bridge%grid, entry, message)
        else
            message = "'"//trim(name)//"' is not contiguous: register the whole array, "// &
                "or use the form with get and put routines"
        end if
        call conclude(bridge, message, stat, errmsg)
    end subroutine register

    !> Register data that are no target: `get` and `put` copy the local array, as real64 with
    !> i running fastest, out of the model and into it: all of it, or one time level.
    subroutine register_callbacks(bridge, name, extents, get, put, role, point, units, level, &
        stat, errmsg)
        type(bridge_handle), intent(inout) :: bridge
        character(*), intent(in) :: name
        integer, intent(in) :: extents(:)                 !! of the full local array
        procedure(bridge_getter) :: get
        procedure(bridge_putter) :: put
        integer(int32), intent(in) :: role
        character(*), intent(in), optional :: point, units
        integer, pointer, intent(in), optional :: level   !! current index of the last dimension
        integer, intent(out), optional :: stat
        character(*), intent(inout), optional :: errmsg
        type(registry_entry) :: entry
        character(message_length) :: message

        entry = described(name, dtype_real64, extents, role, point, units)
        entry%getter => get
        entry%putter => put
        if (present(level)) entry%level => level
        call add_entry(bridge%names, bridge%grid, entry, message)
        call conclude(bridge, message, stat, errmsg)
    end subroutine register_callbacks

    !> An entry with its description, not yet connected to data.
    pure function described(name, dtype, extents, role, point, units) result(entry)
        character(*), intent(in) :: name
        integer(int32), intent(in) :: dtype
        integer, intent(in) :: extents(:)
        integer(int32), intent(in) :: role
        character(*), intent(in), optional :: point, units
        type(registry_entry) :: entry

        entry%name = name
        entry%dtype = dtype
        entry%ndims = size(extents)
        entry%extents(:size(extents)) = extents
        entry%role = role
        if (present(point)) entry%point = point
        if (present(units)) entry%units = units
    end function described

    subroutine register_real64_0(bridge, name, array, role, point, units, level, stat, errmsg)
        real(real64), pointer, intent(in) :: array
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), .true., dtype_real64, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_real64_0

    subroutine register_real64_1(bridge, name, array, role, point, units, level, stat, errmsg)
        real(real64), pointer, intent(in) :: array(:)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_real64, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_real64_1

    subroutine register_real64_2(bridge, name, array, role, point, units, level, stat, errmsg)
        real(real64), pointer, intent(in) :: array(:, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_real64, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_real64_2

    subroutine register_real64_3(bridge, name, array, role, point, units, level, stat, errmsg)
        real(real64), pointer, intent(in) :: array(:, :, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_real64, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_real64_3

    subroutine register_real64_4(bridge, name, array, role, point, units, level, stat, errmsg)
        real(real64), pointer, intent(in) :: array(:, :, :, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_real64, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_real64_4

    subroutine register_real64_5(bridge, name, array, role, point, units, level, stat, errmsg)
        real(real64), pointer, intent(in) :: array(:, :, :, :, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_real64, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_real64_5

    subroutine register_real32_0(bridge, name, array, role, point, units, level, stat, errmsg)
        real(real32), pointer, intent(in) :: array
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), .true., dtype_real32, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_real32_0

    subroutine register_real32_1(bridge, name, array, role, point, units, level, stat, errmsg)
        real(real32), pointer, intent(in) :: array(:)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_real32, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_real32_1

    subroutine register_real32_2(bridge, name, array, role, point, units, level, stat, errmsg)
        real(real32), pointer, intent(in) :: array(:, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_real32, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_real32_2

    subroutine register_real32_3(bridge, name, array, role, point, units, level, stat, errmsg)
        real(real32), pointer, intent(in) :: array(:, :, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_real32, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_real32_3

    subroutine register_real32_4(bridge, name, array, role, point, units, level, stat, errmsg)
        real(real32), pointer, intent(in) :: array(:, :, :, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_real32, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_real32_4

    subroutine register_real32_5(bridge, name, array, role, point, units, level, stat, errmsg)
        real(real32), pointer, intent(in) :: array(:, :, :, :, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_real32, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_real32_5

    subroutine register_int32_0(bridge, name, array, role, point, units, level, stat, errmsg)
        integer(int32), pointer, intent(in) :: array
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), .true., dtype_int32, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_int32_0

    subroutine register_int32_1(bridge, name, array, role, point, units, level, stat, errmsg)
        integer(int32), pointer, intent(in) :: array(:)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_int32, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_int32_1

    subroutine register_int32_2(bridge, name, array, role, point, units, level, stat, errmsg)
        integer(int32), pointer, intent(in) :: array(:, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_int32, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_int32_2

    subroutine register_int32_3(bridge, name, array, role, point, units, level, stat, errmsg)
        integer(int32), pointer, intent(in) :: array(:, :, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_int32, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_int32_3

    subroutine register_int32_4(bridge, name, array, role, point, units, level, stat, errmsg)
        integer(int32), pointer, intent(in) :: array(:, :, :, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_int32, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_int32_4

    subroutine register_int32_5(bridge, name, array, role, point, units, level, stat, errmsg)
        integer(int32), pointer, intent(in) :: array(:, :, :, :, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_int32, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_int32_5

    subroutine register_logical_0(bridge, name, array, role, point, units, level, stat, errmsg)
        logical, pointer, intent(in) :: array
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), .true., dtype_logical, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_logical_0

    subroutine register_logical_1(bridge, name, array, role, point, units, level, stat, errmsg)
        logical, pointer, intent(in) :: array(:)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_logical, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_logical_1

    subroutine register_logical_2(bridge, name, array, role, point, units, level, stat, errmsg)
        logical, pointer, intent(in) :: array(:, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_logical, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_logical_2

    subroutine register_logical_3(bridge, name, array, role, point, units, level, stat, errmsg)
        logical, pointer, intent(in) :: array(:, :, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_logical, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_logical_3

    subroutine register_logical_4(bridge, name, array, role, point, units, level, stat, errmsg)
        logical, pointer, intent(in) :: array(:, :, :, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_logical, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_logical_4

    subroutine register_logical_5(bridge, name, array, role, point, units, level, stat, errmsg)
        logical, pointer, intent(in) :: array(:, :, :, :, :)
        include "bridge_register_arguments.h90"
        call register(bridge, name, c_loc(array), is_contiguous(array), dtype_logical, &
            shape(array), role, point, units, level, stat, errmsg)
    end subroutine register_logical_5
end module bridge_registration
