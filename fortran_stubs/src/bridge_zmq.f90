!> Messages over ZMQ: this rank and a server that is a program of its own, on this machine or not.
!>
!> The verbs are those of bridge_mpi, and so is the patience of a wait.
module bridge_zmq
    use, intrinsic :: iso_c_binding, only: c_int, c_loc, c_ptr, c_size_t
    use mpi, only: MPI_Wtime
    use bridge_block, only: block_shape, copy_block, words_of, words_per_piece
    use bridge_envelope, only: acknowledge_every, kind_acknowledge, kind_answer, kind_payload, &
        kind_request, largest_body, piece_bytes
    use bridge_kinds, only: int32, int64, message_length, real64
    use bridge_process, only: own_process
    use bridge_protocol, only: header_from_words, header_to_words, header_words, message_header
    use bridge_system, only: copy_bytes
    use bridge_zmq_connection, only: look_around, wait_until, want_message, want_room, want_welcome
    use bridge_zmq_delivery, only: slot_of, transmit, transmit_text, &
        zmq_give_up, zmq_link
    use bridge_zmq_library, only: zmq_message
    use bridge_zmq_socket, only: close_socket, connect_socket, is_endpoint, is_local, &
        new_message, open_socket
    implicit none
    private

    public :: zmq_link, zmq_open, zmq_close, zmq_send_header, zmq_receive_header, zmq_send
    public :: zmq_receive, zmq_give_up, look_around

    real(real64), parameter :: for_ever = -1.0_real64
    integer, parameter :: last_answer = 5000  !! ms for the last message to leave

contains

    !> Connect to the server at `endpoint` and wait for its welcome; it may start later than we do.
    !> The link knows rank, size and instance already. Errors that others share come in `message`.
    subroutine zmq_open(link, endpoint, message)
        type(zmq_link), intent(inout) :: link
        character(*), intent(in) :: endpoint
        character(message_length), intent(out) :: message
        character(message_length) :: keys
        character(64) :: identity

        link%endpoint = endpoint
        call get_environment_variable("NEMO_BRIDGE_KEYS", keys)
        message = ""
        if (.not. is_endpoint(endpoint)) then
            message = "NEMO_BRIDGE_ENDPOINT should be tcp://host:port, ports being 1 to 65535, or "// &
                "ipc:///path, got '"// &
                trim(endpoint)//"'"
            return
        end if
        if (keys == "" .and. .not. is_local(endpoint)) then
            message = trim(endpoint)//" is not on this machine (ipc, or tcp to 127.0.0.1): "// &
                "set NEMO_BRIDGE_KEYS to a directory made by `nemo-bridge keys`"
            return
        end if
        write (identity, "(2(i0, a), i0)") link%instance, "/", link%rank, "/", own_process()
        call open_socket(link%socket, trim(identity), trim(keys), &
            nint(500*link%patience), largest_body, message)
        if (message == "") call connect_socket(link%socket, endpoint, message)
        if (message /= "") return
        link%lost_at = MPI_Wtime()
        link%server = 0
        call wait_until(link, want_welcome, link%timeout, "a server at "//trim(endpoint))
    end subroutine zmq_open

    !> Leave, when the last answer is on its way.
    subroutine zmq_close(link)
        type(zmq_link), intent(inout) :: link
        call close_socket(link%socket, last_answer)
    end subroutine zmq_close

    subroutine zmq_send_header(link, header)
        type(zmq_link), intent(inout) :: link
        type(message_header), intent(in) :: header
        integer(int32), target :: words(header_words)
        type(zmq_message) :: body
        type(c_ptr) :: address
        words = header_to_words(header)
        call new_message(link%socket, 4_c_size_t*header_words, body, address)
        call copy_bytes(address, c_loc(words), 4_c_size_t*header_words)
        call post(link, kind_answer, body)
    end subroutine zmq_send_header

    !> Wait for the server's next request, as long as it takes.
    subroutine zmq_receive_header(link, header)
        type(zmq_link), intent(inout) :: link
        type(message_header), intent(out) :: header
        integer(int32), target :: words(header_words)
        type(zmq_message) :: body
        integer(c_int) :: code
        logical :: valid

        words = 0
        call take(link, kind_request, for_ever, "a request", body)
        associate (library => link%socket%library)
            valid = library%msg_size(body) == 4*header_words
            if (valid) call copy_bytes(c_loc(words), library%msg_data(body), &
                4_c_size_t*header_words)
            code = library%msg_close(body)
        end associate
        if (valid) call header_from_words(words, header, valid)
        if (.not. valid) call zmq_give_up(link, &
            "the server sent a header that is not of this protocol")
    end subroutine zmq_receive_header

    !> Send `words`, or the `block` of them, in pieces of whole rows.
    subroutine zmq_send(link, words, shape)
        type(zmq_link), intent(inout) :: link
        integer(int32), intent(in), contiguous, target :: words(:)
        type(block_shape), intent(in) :: shape  !! which of them travel
        integer(int64) :: total, done, piece
        type(zmq_message) :: body
        type(c_ptr) :: address

        total = words_of(shape)
        done = 0
        do
            piece = min(words_per_piece(shape, piece_bytes/4), total - done)
            call new_message(link%socket, int(4*piece, c_size_t), body, address)
            call copy_block(words, shape, done, piece, address, outward=.true.)
            call post(link, kind_payload, body)
            done = done + piece
            if (done == total) exit
        end do
    end subroutine zmq_send

    !> Receive `words`, or the `block` of them.
    subroutine zmq_receive(link, words, shape)
        type(zmq_link), intent(inout) :: link
        integer(int32), intent(inout), contiguous, target :: words(:)
        type(block_shape), intent(in) :: shape  !! which of them travel
        integer(int64) :: total, done, bytes
        integer(c_int) :: code
        type(zmq_message) :: body

        total = words_of(shape)
        done = 0
        do
            call take(link, kind_payload, link%timeout, "values of the server", body)
            bytes = int(link%socket%library%msg_size(body), int64)
            if (bytes > 4*(total - done) .or. mod(bytes, 4_int64) /= 0 &
                .or. (bytes == 0 .and. total > 0)) then
                call zmq_give_up(link, "the server sent a piece that does not fit its field")
            end if
            call copy_block(words, shape, done, bytes/4, link%socket%library%msg_data(body), &
                outward=.false.)
            code = link%socket%library%msg_close(body)
            done = done + bytes/4
            if (done == total) exit
        end do
    end subroutine zmq_receive

    !> Send a counted message as soon as there is room for it, and keep it until it is taken.
    subroutine post(link, kind, body)
        type(zmq_link), intent(inout) :: link
        integer(int32), intent(in) :: kind
        type(zmq_message), intent(inout) :: body  !! empty afterwards
        integer :: slot
        integer(c_int) :: code

        call wait_until(link, want_room, link%timeout, "the server to take what was sent")
        link%sent = link%sent + 1
        slot = slot_of(link%sent)
        link%kept(slot)%kind = kind
        code = link%socket%library%msg_init(link%kept(slot)%body)
        code = link%socket%library%msg_copy(link%kept(slot)%body, body)
        call transmit(link, kind, link%sent, body)
    end subroutine post

    !> Wait for the next counted message, which must be of this kind; the caller closes it.
    subroutine take(link, kind, timeout, what, body)
        type(zmq_link), intent(inout) :: link
        integer(int32), intent(in) :: kind
        real(real64), intent(in) :: timeout
        character(*), intent(in) :: what
        type(zmq_message), intent(out) :: body
        integer :: slot
        integer(c_int) :: code

        call wait_until(link, want_message, timeout, what)
        slot = slot_of(link%taken + 1)
        if (link%inbox(slot)%kind /= kind) then
            call zmq_give_up(link, "waited for "//what//", but the server sent something else")
        end if
        code = link%socket%library%msg_init(body)
        code = link%socket%library%msg_copy(body, link%inbox(slot)%body)
        code = link%socket%library%msg_close(link%inbox(slot)%body)
        link%taken = link%taken + 1
        link%waiting = link%waiting - 1
        if (link%taken - link%told >= acknowledge_every) then
            call transmit_text(link, kind_acknowledge, "")
        end if
    end subroutine take
end module bridge_zmq
