!> Values of registered fields between the model's arrays and the server.
!>
!> They travel straight out of and into the local arrays, halos left out: the transport is told
!> where the inner cells lie. (Packing them into buffers first was slower, 2-D and 3-D.)
module bridge_exchange
    use bridge_handles, only: bridge_handle
    use bridge_kinds, only: int32, int64, max_rank, message_length, real64
    use bridge_link, only: finish, give_up, make_block, start_receive, start_send
    use bridge_protocol, only: dtype_logical, dtype_real64, message_header
    use bridge_registry, only: local_words, registry, resolve, store, wire_extents, wire_level, &
        wire_place
    implicit none
    private

    public :: send_values, receive_values, discard_values, check_values

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
            if (expected%dtype /= header%dtype) then
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

    !> Send the values of entry `number` after their header has been sent.
    subroutine send_values(bridge, number)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: number
        integer(int32), pointer, contiguous :: words(:), level(:)
        integer :: request

        call resolve(bridge%names, number, words, wire_level(bridge%names%entries(number)))
        call place(bridge, number, words, level)
        if (bridge%names%entries(number)%block_known) then
            call start_send(bridge%link, level, request, bridge%names%entries(number)%block)
        else
            call start_send(bridge%link, level, request)
        end if
        call finish(bridge%link, request)
    end subroutine send_values

    !> Receive the values of entry `number`, whose header has been checked.
    subroutine receive_values(bridge, number)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: number
        integer(int32), pointer, contiguous :: words(:), level(:)
        integer :: request

        call resolve(bridge%names, number, words, wire_level(bridge%names%entries(number)))
        call place(bridge, number, words, level)
        if (bridge%names%entries(number)%block_known) then
            call start_receive(bridge%link, level, request, bridge%names%entries(number)%block)
        else
            call start_receive(bridge%link, level, request)
        end if
        call finish(bridge%link, request)
        ! Only 0 and 1 are truth values: what a compiler makes of others is its own affair.
        if (bridge%names%entries(number)%dtype == dtype_logical) where (level /= 0) level = 1
        call store(bridge%names, number, wire_level(bridge%names%entries(number)))
    end subroutine receive_values

    !> Point `level` at the current time level, and describe its inner cells unless they are all.
    subroutine place(bridge, number, words, level)
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
    end subroutine place

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
