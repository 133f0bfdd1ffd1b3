!> Values of registered fields between the model's arrays and the server, piece by piece: while one
!> piece is in flight the next is packed, and a piece is small enough to stay in the cache.
module bridge_exchange
    use bridge_handles, only: bridge_handle
    use bridge_kinds, only: int32, int64, max_rank, message_length
    use bridge_mpi, only: finish, no_request, start_receive, start_send
    use bridge_protocol, only: dtype_real64, levels_per_chunk, message_header
    use bridge_registry, only: level_count, level_words, pack_levels, resolve, store, &
        unpack_levels, wire_extents
    implicit none
    private

    public :: send_values, receive_values, discard_values, header_for, check_values

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
        if (expected%dtype /= header%dtype) then
            write (message, "(3a, 2(a, i0))") "'", &
                trim(bridge%names%entries(header%field)%name), "'", &
                " has dtype code ", expected%dtype, ", the server sent ", header%dtype
        else if (any([expected%ndims, expected%extents] /= [header%ndims, header%extents])) then
            write (message, "(3a, 5(1x, i0), a, 5(1x, i0))") "'", &
                trim(bridge%names%entries(header%field)%name), &
                "' has the extents", expected%extents, " on this rank, the server sent", &
                header%extents
        end if
    end subroutine check_values

    !> Send the values of entry `number` after their header has been sent.
    subroutine send_values(bridge, number)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: number
        integer(int32), pointer, contiguous :: words(:)
        integer :: levels, per_piece, per_level, first, n, buffer
        integer :: requests(2)

        call resolve(bridge%names, number, words)
        associate (entry => bridge%names%entries(number))
            per_level = level_words(entry)
            levels = level_count(entry)
            per_piece = min(levels, levels_per_chunk(4_int64*per_level))
            call make_pieces(bridge, per_piece*per_level)
            requests = no_request
            buffer = 1
            do first = 1, levels, per_piece
                n = min(per_piece, levels - first + 1)
                call finish(bridge%link, requests(buffer))
                call pack_levels(entry, words, first, n, bridge%pieces(:n*per_level, buffer))
                call start_send(bridge%link, bridge%pieces(:n*per_level, buffer), requests(buffer))
                buffer = 3 - buffer
            end do
        end associate
        call finish(bridge%link, requests(1))
        call finish(bridge%link, requests(2))
    end subroutine send_values

    !> Receive the values of entry `number`, whose header has been checked.
    subroutine receive_values(bridge, number)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: number
        integer(int32), pointer, contiguous :: words(:)
        integer :: levels, per_piece, per_level, first, next, n, buffer
        integer :: requests(2)

        call resolve(bridge%names, number, words)
        associate (entry => bridge%names%entries(number))
            per_level = level_words(entry)
            levels = level_count(entry)
            per_piece = min(levels, levels_per_chunk(4_int64*per_level))
            call make_pieces(bridge, per_piece*per_level)
            requests = no_request
            buffer = 1
            n = per_piece
            call start_receive(bridge%link, bridge%pieces(:n*per_level, 1), requests(1))
            do first = 1, levels, per_piece
                next = min(per_piece, levels - first - per_piece + 1)
                if (next > 0) call start_receive(bridge%link, &
                    bridge%pieces(:next*per_level, 3 - buffer), requests(3 - buffer))
                call finish(bridge%link, requests(buffer))
                call unpack_levels(entry, words, first, n, bridge%pieces(:n*per_level, buffer))
                buffer = 3 - buffer
                n = next
            end do
        end associate
        call store(bridge%names, number)
    end subroutine receive_values

    !> Take values off the wire that nobody wants: their header was refused.
    subroutine discard_values(bridge, header)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: header
        integer :: levels, per_piece, per_level, first, n, request

        n = min(max(0, header%ndims), max_rank)
        per_level = merge(2, 1, header%dtype == dtype_real64)*product(header%extents(:min(n, 2)))
        levels = product(header%extents(3:n))
        per_piece = min(levels, levels_per_chunk(4_int64*per_level))
        call make_pieces(bridge, per_piece*per_level)
        do first = 1, levels, per_piece
            n = min(per_piece, levels - first + 1)
            call start_receive(bridge%link, bridge%pieces(:n*per_level, 1), request)
            call finish(bridge%link, request)
        end do
    end subroutine discard_values

    !> Two buffers of at least `n` words.
    subroutine make_pieces(bridge, n)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: n
        if (allocated(bridge%pieces)) then
            if (size(bridge%pieces, 1) >= n) return
            deallocate (bridge%pieces)
        end if
        allocate (bridge%pieces(n, 2))
    end subroutine make_pieces
end module bridge_exchange
