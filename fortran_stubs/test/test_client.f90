!> Unit tests of the client library that need no server; ends with a non-zero code at the first
!> failure. With the argument `header` it prints a header as it travels, for the test of the twin.
program test_client
    use bridge_kinds, only: int32, int64, message_length, real64
    use bridge_protocol, only: bridge_state, dtype_real64, header_from_words, header_to_words, &
        header_words, message_header, status_blew_up, verb_outcome
    use bridge_registry, only: add_entry, find_entry, grid_layout, registry, registry_entry, &
        wire_extents, wire_place
    use bridge_snapshots, only: drop_snapshot, load_snapshot, restore_snapshot, save_snapshot, &
        snapshot_slot, take_snapshot
    use, intrinsic :: iso_c_binding, only: c_loc
    use, intrinsic :: ieee_arithmetic, only: ieee_quiet_nan, ieee_value
    implicit none

    character(256) :: argument

    call get_command_argument(1, argument)
    if (argument == "header") then
        call print_header()
    else
        call test_header()
        call test_places()
        call test_snapshots(trim(argument))
    end if

contains

    subroutine check(condition, what)
        logical, intent(in) :: condition
        character(*), intent(in) :: what
        if (.not. condition) then
            print "(2a)", "FAILED: ", what
            error stop 1
        end if
    end subroutine check

    pure function example_header() result(header)
        type(message_header) :: header
        header = message_header(verb_outcome, status_blew_up, 3, dtype_real64, 2, &
            [4, 5, 6, 7, 8], 9, 10, 11_int64*2_int64**32 + 12)
    end function example_header

    subroutine print_header()
        print "(16(i0, 1x))", header_to_words(example_header())
    end subroutine print_header

    subroutine test_header()
        type(message_header) :: header
        integer(int32) :: words(header_words)
        logical :: valid
        words = header_to_words(example_header())
        call header_from_words(words, header, valid)
        call check(valid .and. header%step == 11_int64*2_int64**32 + 12, "step comes back")
        call check(all(header%extents == [4, 5, 6, 7, 8]), "extents come back")
        words(2) = words(2) + 1
        call header_from_words(words, header, valid)
        call check(.not. valid, "another version is refused")
    end subroutine test_header

    !> A tile of 4 x 3 cells, halo 1, 2 levels, and two time levels of which the second is current.
    subroutine test_places()
        type(registry) :: names
        type(registry_entry) :: entry
        type(grid_layout) :: grid
        character(message_length) :: message
        integer, target :: level
        integer(int32) :: ndims, extents(5)
        integer(int64) :: offset
        integer :: sizes(3), inner(3), starts(3)

        level = 2
        grid%tile_shape = [4, 3]
        grid%halo = 1
        grid%local_shape = [6, 5]
        grid%inner_start = [2, 2]
        grid%known = .true.
        entry%name = "t"
        entry%role = bridge_state
        entry%dtype = dtype_real64
        entry%ndims = 4
        entry%extents = [6, 5, 2, 2, 1]
        entry%level => level
        call add_entry(names, grid, entry, message)
        call check(message == "" .and. find_entry(names, "t") == 1, "t is registered")
        call wire_extents(names%entries(1), ndims, extents)
        call check(ndims == 3 .and. all(extents(:3) == [4, 3, 2]), "inner cells travel")
        call wire_place(names%entries(1), offset, sizes, inner, starts)
        call check(offset == 6*5*2*2, "the current time level travels")
        call check(all(sizes == [12, 5, 2]) .and. all(inner == [8, 3, 2]) .and. &
            all(starts == [2, 1, 0]), "halos stay at home")
        entry%name = "odd"
        entry%extents(1) = 7
        call add_entry(names, grid, entry, message)
        call check(index(message, "7 by 5") > 0, "a wrong tile is refused with its size")
    end subroutine test_places

    !> Bits survive slots and files, whatever they mean.
    subroutine test_snapshots(path)
        character(*), intent(in) :: path
        real(real64), target :: state(3)
        type(registry) :: names
        type(registry_entry) :: entry
        type(snapshot_slot), allocatable :: slots(:)
        character(message_length) :: message
        integer(int64) :: step, bits(3)
        integer(int32) :: whole
        integer :: unit

        state = [1.0_real64, -0.0_real64, ieee_value(1.0_real64, ieee_quiet_nan)]
        bits = transfer(state, bits)
        entry%name = "state"
        entry%role = bridge_state
        entry%dtype = dtype_real64
        entry%ndims = 1
        entry%extents(1) = 3
        entry%address = c_loc(state)
        call add_entry(names, grid_layout(), entry, message)
        call restore_snapshot(slots, 0, names, step, message)
        call check(index(message, "holds no snapshot") > 0, "an empty slot is refused")
        call take_snapshot(slots, 20, names, 7_int64, message)
        call check(message == "", "any slot can be used")
        call save_snapshot(slots, 20, path, 0, 1, 77, message)
        call check(message == "", "saved: "//trim(message))
        state = 0
        call restore_snapshot(slots, 20, names, step, message)
        call check(step == 7 .and. all(transfer(state, bits) == bits), "restored bit by bit")
        call load_snapshot(slots, 50, path, 0, 1, names, whole, message)
        call check(message == "" .and. slots(50)%hash == slots(20)%hash, "loaded")
        call check(whole == 77, "the file knows the snapshot that it is a part of")
        state = 0
        call restore_snapshot(slots, 50, names, step, message)
        call check(all(transfer(state, bits) == bits), "restored bit by bit from the file")
        call load_snapshot(slots, 1, path, 0, 2, names, whole, message)
        call check(index(message, "another decomposition") > 0, "a foreign file is refused")
        call load_snapshot(slots, 1, path//"x", 0, 1, names, whole, message)
        call check(index(message, path//"x") > 0, "a missing file is named")
        call drop_snapshot(slots, 20, message)
        call restore_snapshot(slots, 20, names, step, message)
        call check(message /= "", "a dropped slot is empty")
        call save_snapshot(slots, 50, path//"/no/such/folder", 0, 1, 77, message)
        call check(message /= "", "a file that cannot be written is reported")
        open (newunit=unit, file=path//".0000", access="stream", status="old", position="append")
        write (unit) 0_int64
        close (unit)
        call load_snapshot(slots, 1, path, 0, 1, names, whole, message)
        call check(index(message, "76 bytes instead of 68") > 0, "a longer file is refused")
    end subroutine test_snapshots
end program test_client
