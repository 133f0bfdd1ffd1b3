!> Messages over ZMQ: this rank and a server that is a program of its own, on this machine or not.
!>
!> The verbs are those of bridge_mpi, and so is the patience of a wait. What is sent is kept until
!> the server has taken it (at most a window of messages), so that a connection may break and come
!> back without a loss. A server that is gone, or out of reach for too long, ends the job.
module bridge_zmq
    use, intrinsic :: iso_c_binding, only: c_associated, c_int, c_loc, c_ptr, c_size_t
    use mpi, only: MPI_Wtime
    use bridge_envelope, only: acknowledge_every, envelope_from_words, envelope_to_words, &
        envelope_words, envelope_magic, kind_acknowledge, kind_answer, kind_beat, kind_goodbye, &
        kind_hello, kind_payload, kind_refused, kind_request, kind_resume, kind_resumed, &
        kind_welcome, largest_body, message_envelope, piece_bytes, window_messages
    use bridge_kinds, only: int32, int64, message_length, real64
    use bridge_mpi, only: mpi_link, mpi_give_up => give_up
    use bridge_process, only: own_directory, own_place, own_process, process_is_gone
    use bridge_protocol, only: header_from_words, header_to_words, header_words, message_header, &
        protocol_version
    use bridge_system, only: parent_process, yield_core
    use bridge_zmq_library, only: bytes_at, copy_bytes, zmq_event_disconnected, &
        zmq_event_handshake_failed_auth, zmq_event_handshake_failed_protocol, &
        zmq_event_handshake_succeeded, zmq_mechanism_mismatch, zmq_message
    use bridge_zmq_socket, only: close_socket, connect_socket, is_local, message_of_text, &
        new_message, next_event, open_socket, receive_frames, send_frames, text_of_message, &
        wait_for_news, zmq_socket
    implicit none
    private

    public :: zmq_link, zmq_open, zmq_close, zmq_send_header, zmq_receive_header, zmq_send
    public :: zmq_receive, zmq_make_block, zmq_give_up

    ! As in bridge_mpi; while asleep a wait is woken by whatever arrives.
    real(real64), parameter :: spin_time = 150.0e-6_real64
    real(real64), parameter :: yield_time = 2.0e-3_real64
    integer, parameter :: longest_sleep = 200  !! ms
    integer, parameter :: longest_reason = 2000  !! letters of the reason why the server ended

    real(real64), parameter :: for_ever = -1.0_real64
    integer, parameter :: farewell = 1000, last_answer = 5000  !! ms for the last messages to leave

    ! What a wait is for.
    integer, parameter :: want_welcome = 1, want_room = 2, want_message = 3

    type :: counted_message
        integer(int32) :: kind = 0
        type(zmq_message) :: body
    end type counted_message

    !> The inner cells of a local array, in words of 32 bits.
    type :: block_shape
        integer :: sizes(3) = 1, inner(3) = 1, starts(3) = 0
    end type block_shape

    type, extends(mpi_link) :: zmq_link
        type(zmq_socket) :: socket
        character(message_length) :: endpoint = ""
        logical :: connected = .false.
        logical :: welcomed = .false.          !! the server knows us
        real(real64) :: lost_at = 0            !! when the connection was lost
        logical :: server_is_here = .false.    !! its process id means something on this machine
        integer(int64) :: sent = 0             !! messages of ours
        integer(int64) :: acknowledged = 0     !! of them, taken by the server
        integer(int64) :: taken = 0            !! messages of the server
        integer(int64) :: told = 0             !! of them, acknowledged by us
        integer :: waiting = 0                 !! arrived and not yet taken
        type(counted_message) :: kept(window_messages)   !! ours, until acknowledged
        type(counted_message) :: inbox(window_messages)
        type(block_shape), allocatable :: blocks(:)
    end type zmq_link

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

    !> Tell the server why, and end the model's job with a non-zero code.
    subroutine zmq_give_up(link, reason)
        type(zmq_link), intent(inout) :: link
        character(*), intent(in) :: reason
        type(zmq_message) :: body
        if (link%connected) then
            call message_of_text(link%socket, trim(reason), body)
            call transmit(link, kind_goodbye, 0_int64, body)
            call close_socket(link%socket, farewell)
        end if
        call mpi_give_up(link%mpi_link, reason)
    end subroutine zmq_give_up

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

    !> Remember where the inner cells of a local array lie; `block` is its number.
    subroutine zmq_make_block(link, sizes, inner, starts, block)
        type(zmq_link), intent(inout) :: link
        integer, intent(in) :: sizes(3)   !! words in a row, rows, levels
        integer, intent(in) :: inner(3)   !! those that travel
        integer, intent(in) :: starts(3)  !! those before them
        integer, intent(out) :: block
        if (.not. allocated(link%blocks)) allocate (link%blocks(0))
        link%blocks = [link%blocks, block_shape(sizes, inner, starts)]
        block = size(link%blocks)
    end subroutine zmq_make_block

    !> Send `words`, or the `block` of them, in pieces of whole rows.
    subroutine zmq_send(link, words, block)
        type(zmq_link), intent(inout) :: link
        integer(int32), intent(in), contiguous, target :: words(:)
        integer, intent(in), optional :: block  !! from `zmq_make_block`
        type(block_shape) :: shape
        integer(int64) :: total, done, piece
        type(zmq_message) :: body
        type(c_ptr) :: address

        shape = shape_of(link, size(words), block)
        total = product(int(shape%inner, int64))
        done = 0
        do
            piece = min(words_per_piece(shape), total - done)
            call new_message(link%socket, int(4*piece, c_size_t), body, address)
            call copy_runs(words, shape, done, piece, address, outward=.true.)
            call post(link, kind_payload, body)
            done = done + piece
            if (done == total) exit
        end do
    end subroutine zmq_send

    !> Receive `words`, or the `block` of them.
    subroutine zmq_receive(link, words, block)
        type(zmq_link), intent(inout) :: link
        integer(int32), intent(inout), contiguous, target :: words(:)
        integer, intent(in), optional :: block  !! from `zmq_make_block`
        type(block_shape) :: shape
        integer(int64) :: total, done, bytes
        integer(c_int) :: code
        type(zmq_message) :: body

        shape = shape_of(link, size(words), block)
        total = product(int(shape%inner, int64))
        done = 0
        do
            call take(link, kind_payload, link%timeout, "values of the server", body)
            bytes = int(link%socket%library%msg_size(body), int64)
            if (bytes > 4*(total - done) .or. mod(bytes, 4_int64) /= 0 &
                .or. (bytes == 0 .and. total > 0)) then
                call zmq_give_up(link, "the server sent a piece that does not fit its field")
            end if
            call copy_runs(words, shape, done, bytes/4, link%socket%library%msg_data(body), &
                outward=.false.)
            code = link%socket%library%msg_close(body)
            done = done + bytes/4
            if (done == total) exit
        end do
    end subroutine zmq_receive

    !> The block of this number; without one all `words` words.
    pure function shape_of(link, words, block) result(shape)
        type(zmq_link), intent(in) :: link
        integer, intent(in) :: words
        integer, intent(in), optional :: block
        type(block_shape) :: shape
        if (present(block)) then
            shape = link%blocks(block)
        else
            shape = block_shape([words, 1, 1], [words, 1, 1], [0, 0, 0])
        end if
    end function shape_of

    !> Words of a piece: whole levels if they are small, else whole rows, of contiguous data any.
    pure function words_per_piece(shape) result(words)
        type(block_shape), intent(in) :: shape
        integer(int64) :: words
        integer(int64), parameter :: wanted = piece_bytes/4
        integer(int64) :: row, level
        row = shape%inner(1)
        level = row*shape%inner(2)
        if (shape%inner(2)*shape%inner(3) == 1) then
            words = wanted
        else if (level <= wanted) then
            words = level*(wanted/max(1_int64, level))
        else
            words = row*max(1_int64, wanted/row)
        end if
    end function words_per_piece

    !> Copy `count` words of the block, from word `first` (from 0) on, to or from `memory`.
    subroutine copy_runs(words, shape, first, count, memory, outward)
        integer(int32), intent(in), contiguous, target :: words(:)
        type(block_shape), intent(in) :: shape
        integer(int64), intent(in) :: first, count
        type(c_ptr), intent(in) :: memory
        logical, intent(in) :: outward  !! out of the model's array
        integer(int64) :: done, column, row, level, place, run
        type(c_ptr) :: ours, theirs

        done = 0
        do while (done < count)
            column = mod(first + done, int(shape%inner(1), int64))
            row = mod((first + done)/shape%inner(1), int(shape%inner(2), int64))
            level = (first + done)/shape%inner(1)/shape%inner(2)
            run = min(shape%inner(1) - column, count - done)
            place = shape%starts(1) + column + int(shape%sizes(1), int64)*(shape%starts(2) + row &
                + int(shape%sizes(2), int64)*(shape%starts(3) + level))
            ours = c_loc(words(place + 1))
            theirs = bytes_at(memory, int(4*done, c_size_t))
            if (outward) then
                call copy_bytes(theirs, ours, int(4*run, c_size_t))
            else
                call copy_bytes(ours, theirs, int(4*run, c_size_t))
            end if
            done = done + run
        end do
    end subroutine copy_runs

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

    pure function slot_of(number) result(slot)
        integer(int64), intent(in) :: number
        integer :: slot
        slot = int(mod(number - 1, int(window_messages, int64))) + 1
    end function slot_of

    subroutine transmit(link, kind, number, body)
        type(zmq_link), intent(inout) :: link
        integer(int32), intent(in) :: kind
        integer(int64), intent(in) :: number
        type(zmq_message), intent(inout) :: body  !! empty afterwards
        link%told = link%taken
        if (.not. send_frames(link%socket, envelope_to_words( &
            message_envelope(kind, number, link%taken), protocol_version), body)) then
            call mpi_give_up(link%mpi_link, "the queue to the server is full")
        end if
    end subroutine transmit

    subroutine transmit_text(link, kind, text)
        type(zmq_link), intent(inout) :: link
        integer(int32), intent(in) :: kind
        character(*), intent(in) :: text
        type(zmq_message) :: body
        call message_of_text(link%socket, text, body)
        call transmit(link, kind, 0_int64, body)
    end subroutine transmit_text

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

    !> Wait without burning the core. Lost connections are noticed here.
    subroutine wait_until(link, wanted, timeout, what)
        type(zmq_link), intent(inout) :: link
        integer, intent(in) :: wanted
        real(real64), intent(in) :: timeout  !! s; negative: for ever, the other side may be idle
        character(*), intent(in) :: what     !! what we wait for, for the error message
        real(real64) :: start, waited

        if (is_there(link, wanted)) return
        start = MPI_Wtime()
        do
            call take_in(link)
            if (is_there(link, wanted)) return
            waited = MPI_Wtime() - start
            if (waited < spin_time) cycle
            if (waited < yield_time) then
                call yield_core()
                cycle
            end if
            if (parent_process() /= link%parent) call zmq_give_up(link, "the launcher is gone")
            if (timeout >= 0 .and. waited > timeout) then
                call zmq_give_up(link, "waited in vain for "//what)
            end if
            call look_at_connection(link)
            call wait_for_news(link%socket, longest_sleep)
        end do
    end subroutine wait_until

    pure function is_there(link, wanted) result(there)
        type(zmq_link), intent(in) :: link
        integer, intent(in) :: wanted
        logical :: there
        select case (wanted)
        case (want_welcome)
            there = link%welcomed
        case (want_room)
            there = link%sent - link%acknowledged < window_messages
        case default
            there = link%waiting > 0
        end select
    end function is_there

    !> What happened to the connection; give up when the server has been away for too long.
    subroutine look_at_connection(link)
        type(zmq_link), intent(inout) :: link
        integer(c_int) :: event, value

        do
            call next_event(link%socket, event, value)
            if (event == 0) exit
            if (event == zmq_event_handshake_succeeded) then
                link%connected = .true.
                call introduce(link)
            else if (event == zmq_event_disconnected) then
                if (link%connected) link%lost_at = MPI_Wtime()
                link%connected = .false.
            else if (event == zmq_event_handshake_failed_auth) then
                call zmq_give_up(link, "the server at "//trim(link%endpoint)// &
                    " refused our key: is model.public in its directory of keys?")
            else if (event == zmq_event_handshake_failed_protocol &
                .and. value == zmq_mechanism_mismatch) then
                call zmq_give_up(link, "only one of this model and the server at "// &
                    trim(link%endpoint)//" uses keys: set NEMO_BRIDGE_KEYS for both, or for none")
            end if
        end do
        if (link%connected .or. .not. link%welcomed) return
        if (link%server_is_here) then
            if (process_is_gone(link%server_process)) then
                call take_in(link)
                call zmq_give_up(link, "the server at "//trim(link%endpoint)//" has died")
            end if
        end if
        if (MPI_Wtime() - link%lost_at > link%patience/2) then
            call zmq_give_up(link, "no sign of life from the server at "//trim(link%endpoint)// &
                ": it hangs, or the network is down")
        end if
    end subroutine look_at_connection

    !> The first or the next connection: say who we are, or that we are back.
    subroutine introduce(link)
        type(zmq_link), intent(inout) :: link
        character(16) :: numbers
        if (link%welcomed) then
            call transmit_text(link, kind_resume, "")
            return
        end if
        numbers = transfer(int([link%instance, link%rank, link%size, own_process()], int32), &
            numbers)
        call transmit_text(link, kind_hello, numbers//own_place()//new_line("a")//own_directory())
    end subroutine introduce

    !> Take everything in that has arrived.
    subroutine take_in(link)
        type(zmq_link), intent(inout) :: link
        integer(int32) :: words(envelope_words)
        type(zmq_message) :: body
        logical :: arrived, valid
        integer(c_int) :: code

        do
            call receive_frames(link%socket, words, body, arrived, valid)
            if (.not. arrived) exit
            if (.not. valid .or. words(1) /= envelope_magic) then
                call zmq_give_up(link, "what listens at "//trim(link%endpoint)// &
                    " sent something that is not of this protocol")
            end if
            ! A refusal is understood whatever version the other side speaks.
            if (words(2) /= protocol_version .and. words(3) /= kind_refused) then
                call zmq_give_up(link, "the server at "//trim(link%endpoint)//" speaks another "// &
                    "protocol version: rebuild the model and reinstall the Python package from "// &
                    "one release")
            end if
            call obey(link, envelope_from_words(words), body)
            code = link%socket%library%msg_close(body)
        end do
    end subroutine take_in

    subroutine obey(link, envelope, body)
        type(zmq_link), intent(inout) :: link
        type(message_envelope), intent(in) :: envelope
        type(zmq_message), intent(inout) :: body

        select case (envelope%kind)
        case (kind_refused)
            call zmq_give_up(link, "the server refused us: "//reason_in(link, body))
        case (kind_goodbye)
            call zmq_give_up(link, "the server gave up: "//reason_in(link, body))
        case (kind_welcome)
            call welcome(link, text_of_message(link%socket, body))
        case (kind_acknowledge, kind_beat)
            call forget(link, envelope%acknowledged)
        case (kind_resumed)
            call forget(link, envelope%acknowledged)
            call send_again(link)
        case (kind_request, kind_payload)
            call forget(link, envelope%acknowledged)
            call keep(link, envelope, body)
        case default
            call zmq_give_up(link, "the server sent a message that is not of this protocol")
        end select
    end subroutine obey

    !> Why the other side ends, in so many letters as a log can bear, and without strange ones.
    function reason_in(link, body) result(reason)
        type(zmq_link), intent(in) :: link
        type(zmq_message), intent(inout) :: body
        character(:), allocatable :: reason
        integer :: i
        reason = text_of_message(link%socket, body)
        reason = reason(:min(len(reason), longest_reason))
        do i = 1, len(reason)
            if (iachar(reason(i:i)) < 32 .and. reason(i:i) /= new_line("a")) reason(i:i) = "?"
        end do
    end function reason_in

    !> The server knows us: what it says of itself.
    subroutine welcome(link, text)
        type(zmq_link), intent(inout) :: link
        character(*), intent(in) :: text
        integer(int32) :: numbers(2)
        if (link%welcomed) return
        if (len(text) < 8) call zmq_give_up(link, "the server's welcome is not of this protocol")
        numbers = transfer(text(1:8), numbers)
        if (any(numbers < 1)) then
            call zmq_give_up(link, "the server's welcome is not of this protocol")
        end if
        link%welcomed = .true.
        link%server_process = int(numbers(1))
        link%patience = 1.0e-3_real64*numbers(2)
        link%server_is_here = text(9:) == own_place()
    end subroutine welcome

    !> The server has taken our messages up to this one.
    subroutine forget(link, number)
        type(zmq_link), intent(inout) :: link
        integer(int64), intent(in) :: number
        integer(c_int) :: code
        if (number > link%sent) then
            call zmq_give_up(link, "the server acknowledged messages that were not sent")
        end if
        do while (link%acknowledged < number)
            link%acknowledged = link%acknowledged + 1
            code = link%socket%library%msg_close(link%kept(slot_of(link%acknowledged))%body)
        end do
    end subroutine forget

    !> After a loss of the connection: what the server has not taken goes out once more.
    subroutine send_again(link)
        type(zmq_link), intent(inout) :: link
        type(zmq_message) :: body
        integer(int64) :: number
        integer(c_int) :: code
        do number = link%acknowledged + 1, link%sent
            code = link%socket%library%msg_init(body)
            code = link%socket%library%msg_copy(body, link%kept(slot_of(number))%body)
            call transmit(link, link%kept(slot_of(number))%kind, number, body)
        end do
    end subroutine send_again

    !> Put a counted message into the inbox, unless it came before or something is missing.
    subroutine keep(link, envelope, body)
        type(zmq_link), intent(inout) :: link
        type(message_envelope), intent(in) :: envelope
        type(zmq_message), intent(inout) :: body
        integer :: slot
        integer(c_int) :: code
        if (envelope%number /= link%taken + link%waiting + 1) return
        if (link%waiting == window_messages) then
            call zmq_give_up(link, "the server sent more than it may before it is taken")
        end if
        link%waiting = link%waiting + 1
        slot = slot_of(envelope%number)
        link%inbox(slot)%kind = envelope%kind
        code = link%socket%library%msg_init(link%inbox(slot)%body)
        code = link%socket%library%msg_copy(link%inbox(slot)%body, body)
    end subroutine keep
end module bridge_zmq
