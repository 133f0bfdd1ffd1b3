!> Values of registered fields between the model's arrays and the server.
!>
!> They travel straight out of and into the local arrays, halos left out: the transport is told
!> where the inner cells lie. (Packing them into buffers first was slower, 2-D and 3-D.) Only where
!> fields of real64 are to travel as real32 are they converted, in a buffer. To and from a place in
!> shared memory they are copied at once.
module bridge_exchange
    use, intrinsic :: ieee_arithmetic, only: ieee_positive_inf, ieee_value
    use, intrinsic :: iso_c_binding, only: c_f_pointer, c_loc
    use bridge_block, only: block_shape
    use bridge_handles, only: bridge_handle
    use bridge_kinds, only: int32, int64, max_rank, message_length, real32, real64
    use bridge_link, only: copy_shared, finish, give_up, make_block, start_receive, start_send
    use bridge_protocol, only: bridge_parameter, dtype_logical, dtype_real32, dtype_real64, &
        message_header
    use bridge_registry, only: local_words, registry, resolve, store, wire_extents, wire_level, &
        wire_place
    use bridge_shared_memory, only: shared_place
    implicit none
    private

    public :: send_entry, receive_entry, share_entry, discard_values, check_values, check_number, can_be_narrow

contains

    !> Header that announces the values of entry `number`.
    pure function header_for(bridge, number, verb) result(header)
        type(bridge_handle), intent(in) :: bridge
        integer, intent(in) :: number
        integer(int32), intent(in) :: verb
        type(message_header) :: header
        header%verb = verb
        header%field = int(number, int32)
        header%dtype = bridge%names%entries(number)%dtype
        call wire_extents(bridge%names%entries(number), header%ndims, header%extents)
    end function header_for

    !> Say what is wrong with values announced by `header` for its field; blank if nothing is.
    pure subroutine check_values(bridge, header, message)
        type(bridge_handle), intent(in) :: bridge
        type(message_header), intent(in) :: header
        character(message_length), intent(out) :: message
        type(message_header) :: expected

        message = ""
        expected = header_for(bridge, int(header%field), header%verb)
        associate (name => bridge%names%entries(header%field)%name)
            if (expected%dtype /= header%dtype .and. .not. (header%dtype == dtype_real32 .and. &
                can_be_narrow(bridge, int(header%field)))) then
                write (message, "(3a, 2(a, i0))") "'", trim(name), "'", " has dtype code ", &
                    expected%dtype, ", the server sent ", header%dtype
            else if (expected%ndims /= header%ndims .or. &
                any(expected%extents /= header%extents)) then
                write (message, "(3a, 5(1x, i0), a, 5(1x, i0))") "'", trim(name), &
                    "' has the extents", expected%extents, " on this rank, the server sent", &
                    header%extents
            end if
        end associate
    end subroutine check_values

    !> Is there an entry of this number, and does its time level (which can be set) exist?
    subroutine check_number(bridge, number, message)
        type(bridge_handle), intent(in) :: bridge
        integer(int32), intent(in) :: number
        character(message_length), intent(out) :: message
        message = ""
        if (number < 1 .or. number > bridge%names%count) then
            write (message, "(a, i0, a, i0)") "there is no field of number ", number, &
                ": the model registered ", bridge%names%count
            return
        end if
        associate (entry => bridge%names%entries(number))
            if (.not. associated(entry%level)) return
            if (entry%level < 1 .or. entry%level > entry%extents(entry%ndims)) &
                write (message, "(3a, 2(i0, a))") "'", trim(entry%name), "' has no time level ", &
                entry%level, ", only ", entry%extents(entry%ndims), " of them"
        end associate
    end subroutine check_number

    !> May the values of entry `number` travel as real32? Parameters are never narrowed.
    pure function can_be_narrow(bridge, number) result(can)
        type(bridge_handle), intent(in) :: bridge
        integer, intent(in) :: number
        logical :: can
        associate (entry => bridge%names%entries(number))
            can = entry%dtype == dtype_real64 .and. entry%role /= bridge_parameter
        end associate
    end function can_be_narrow

    !> Send the values of entry `number`; what all ranks share is sent by the first one only.
    subroutine send_entry(bridge, number, narrow)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: number
        logical, intent(in) :: narrow  !! real64 travels as real32
        integer(int32), pointer, contiguous :: level(:)
        integer :: request

        if (.not. bridge%names%entries(number)%tiled .and. bridge%link%rank /= 0) return
        call values_to_show(bridge, number, narrow, level)
        if (has_gaps(bridge, number) .and. .not. narrow) then
            call start_send(bridge%link, level, request, bridge%names%entries(number)%block)
        else
            call start_send(bridge%link, level, request)
        end if
        call finish(bridge%link, request)
    end subroutine send_entry

    !> Copy the values of entry `number` to a place in shared memory.
    subroutine share_entry(bridge, number, narrow, place, record)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: number
        logical, intent(in) :: narrow  !! real64 becomes real32
        type(shared_place), intent(in) :: place
        integer, intent(in) :: record  !! of a run, from 0
        integer(int32), pointer, contiguous :: level(:)
        call values_to_show(bridge, number, narrow, level)
        call copy_shared(bridge%link, place, record, level, shape_of(bridge, number, narrow), &
            outward=.true.)
    end subroutine share_entry

    !> Point `level` at the values of entry `number` as they travel, around the inner cells what else
    !> the array has.
    subroutine values_to_show(bridge, number, narrow, level)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: number
        logical, intent(in) :: narrow  !! real64 travels as real32
        integer(int32), intent(out), pointer, contiguous :: level(:)
        integer(int32), pointer, contiguous :: words(:)
        call resolve(bridge%names, number, words, wire_level(bridge%names%entries(number)))
        if (narrow) then
            call pack_narrow(bridge, number, words, level)
        else
            call point_at_level(bridge, number, words, level)
        end if
    end subroutine values_to_show

    !> Which words travel of those that `point_at_level` or, if narrow, `packed_words` point at.
    function shape_of(bridge, number, narrow) result(shape)
        type(bridge_handle), intent(in) :: bridge
        integer, intent(in) :: number
        logical, intent(in) :: narrow
        type(block_shape) :: shape
        integer(int64) :: offset
        call wire_place(bridge%names%entries(number), offset, shape%sizes, shape%inner, shape%starts)
        if (.not. narrow) return
        shape%inner(1) = shape%inner(1)/2
        shape%sizes = shape%inner
        shape%starts = 0
    end function shape_of

    !> Are there words among those of entry `number` that do not travel?
    pure function has_gaps(bridge, number) result(gaps)
        type(bridge_handle), intent(in) :: bridge
        integer, intent(in) :: number
        logical :: gaps
        gaps = bridge%names%entries(number)%block_known
    end function has_gaps

    !> Receive the values of entry `number`, of which the header or the list has been checked, or take
    !> them from shared memory; the hooks for what was written become due.
    subroutine receive_entry(bridge, number, narrow, place)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: number
        logical, intent(in) :: narrow           !! real64 travels as real32
        type(shared_place), intent(in) :: place !! nowhere: they come as a message
        integer(int32), pointer, contiguous :: words(:), level(:)

        call resolve(bridge%names, number, words, wire_level(bridge%names%entries(number)))
        if (narrow) then
            call packed_words(bridge, number, level)
        else
            call point_at_level(bridge, number, words, level)
        end if
        if (place%offset /= 0) then
            call copy_shared(bridge%link, place, 0, level, shape_of(bridge, number, narrow), &
                outward=.false.)
        else
            call receive_words(bridge, number, narrow, level)
        end if
        if (narrow) call unpack_narrow(bridge, number, words)
        ! Only 0 and 1 are truth values: what a compiler makes of others is its own affair.
        if (bridge%names%entries(number)%dtype == dtype_logical) where (level /= 0) level = 1
        call store(bridge%names, number, wire_level(bridge%names%entries(number)))
        associate (entry => bridge%names%entries(number))
            if (entry%role == bridge_parameter) bridge%new_parameters = .true.
            if (entry%ndims > 0) bridge%new_fields = .true.
        end associate
    end subroutine receive_entry

    subroutine receive_words(bridge, number, narrow, level)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: number
        logical, intent(in) :: narrow
        integer(int32), intent(inout), pointer, contiguous :: level(:)
        integer :: request
        if (has_gaps(bridge, number) .and. .not. narrow) then
            call start_receive(bridge%link, level, request, bridge%names%entries(number)%block)
        else
            call start_receive(bridge%link, level, request)
        end if
        call finish(bridge%link, request)
    end subroutine receive_words

    !> Convert the inner cells among `words`, of entry `number`, and point `packed` at the result.
    subroutine pack_narrow(bridge, number, words, packed)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: number
        integer(int32), intent(in), pointer, contiguous :: words(:)
        integer(int32), intent(out), pointer, contiguous :: packed(:)
        real(real64), pointer, contiguous :: cells(:, :, :)
        integer :: inner(3), starts(3), j, k
        integer(int64) :: at

        call packed_words(bridge, number, packed)
        call as_cells(bridge, number, words, cells, inner, starts)
        at = 0
        do k = 1, inner(3)
            do j = 1, inner(2)
                bridge%packed(at + 1:at + inner(1)) = narrowed( &
                    cells(starts(1) + 1:starts(1) + inner(1), starts(2) + j, starts(3) + k))
                at = at + inner(1)
            end do
        end do
    end subroutine pack_narrow

    !> Put what has arrived as real32 into the inner cells among `words`, of entry `number`.
    subroutine unpack_narrow(bridge, number, words)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: number
        integer(int32), intent(in), pointer, contiguous :: words(:)
        real(real64), pointer, contiguous :: cells(:, :, :)
        integer :: inner(3), starts(3), j, k
        integer(int64) :: at

        call as_cells(bridge, number, words, cells, inner, starts)
        at = 0
        do k = 1, inner(3)
            do j = 1, inner(2)
                cells(starts(1) + 1:starts(1) + inner(1), starts(2) + j, starts(3) + k) = &
                    real(bridge%packed(at + 1:at + inner(1)), real64)
                at = at + inner(1)
            end do
        end do
    end subroutine unpack_narrow

    !> The nearest real32; infinite where there is none.
    elemental function narrowed(value) result(nearest)
        real(real64), intent(in) :: value
        real(real32) :: nearest
        if (abs(value) > huge(nearest)) then
            nearest = sign(ieee_value(nearest, ieee_positive_inf), merge(1.0_real32, -1.0_real32, &
                value > 0))
        else
            nearest = real(value, real32)
        end if
    end function narrowed

    !> Room for entry `number` as real32, as the words that travel.
    subroutine packed_words(bridge, number, words)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: number
        integer(int32), intent(out), pointer, contiguous :: words(:)
        integer(int64) :: offset, n
        integer :: sizes(3), inner(3), starts(3)

        call wire_place(bridge%names%entries(number), offset, sizes, inner, starts)
        n = product(int(inner, int64))/2
        if (associated(bridge%packed)) then
            if (size(bridge%packed, kind=int64) < n) deallocate (bridge%packed)
        end if
        if (.not. associated(bridge%packed)) allocate (bridge%packed(n))
        call c_f_pointer(c_loc(bridge%packed), words, [n])
    end subroutine packed_words

    !> See `words` of entry `number`, of real64, as the cells of its current time level.
    subroutine as_cells(bridge, number, words, cells, inner, starts)
        type(bridge_handle), intent(in) :: bridge
        integer, intent(in) :: number
        integer(int32), intent(in), pointer, contiguous :: words(:)
        real(real64), intent(out), pointer, contiguous :: cells(:, :, :)
        integer, intent(out) :: inner(3), starts(3)  !! cells that travel, and those before them
        integer(int64) :: offset
        integer :: sizes(3)

        call wire_place(bridge%names%entries(number), offset, sizes, inner, starts)
        sizes(1) = sizes(1)/2
        inner(1) = inner(1)/2
        starts(1) = starts(1)/2
        call c_f_pointer(c_loc(words(offset + 1)), cells, sizes)
    end subroutine as_cells

    !> Point `level` at the current time level, and describe its inner cells unless they are all.
    subroutine point_at_level(bridge, number, words, level)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: number
        integer(int32), intent(in), pointer, contiguous :: words(:)
        integer(int32), intent(out), pointer, contiguous :: level(:)
        integer(int64) :: offset
        integer :: sizes(3), inner(3), starts(3)

        associate (entry => bridge%names%entries(number))
            call wire_place(entry, offset, sizes, inner, starts)
            level => words(offset + 1:offset + product(int(sizes, int64)))
            if (entry%block_known .or. all(inner == sizes)) return
            call make_block(bridge%link, sizes, inner, starts, entry%block)
            entry%block_known = .true.
        end associate
    end subroutine point_at_level

    !> Take values off the wire that nobody wants: their header was refused.
    subroutine discard_values(bridge, header)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: header
        integer(int32), allocatable :: words(:)
        real(real64) :: announced
        integer :: n, request

        n = min(max(0, header%ndims), max_rank)
        announced = merge(2, 1, header%dtype == dtype_real64) &
            *product(real(header%extents(:n), real64))
        if (n /= header%ndims .or. any(header%extents < 0) .or. &
            announced > real(most_words(bridge%names), real64)) call give_up(bridge%link, &
            "the server announced values that none of the model's fields could take")
        allocate (words(nint(announced, int64)))
        call start_receive(bridge%link, words, request)
        call finish(bridge%link, request)
    end subroutine discard_values

    !> Words of the largest field, were it of another type: more will not come by mistake.
    pure function most_words(names) result(words)
        type(registry), intent(in) :: names
        integer(int64) :: words
        integer :: i
        words = 2
        do i = 1, names%count
            words = max(words, 2*local_words(names%entries(i)))
        end do
    end function most_words
end module bridge_exchange
