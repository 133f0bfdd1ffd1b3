!> One DEALER socket of libzmq and the news about its connection.
module bridge_zmq_socket
    use, intrinsic :: iso_c_binding, only: c_associated, c_char, c_f_pointer, c_int, c_int64_t, &
        c_loc, c_long, c_null_char, c_null_ptr, c_ptr, c_short, c_size_t
    use bridge_kinds, only: int32, message_length
    use bridge_system, only: copy_bytes
    use bridge_zmq_library, only: &
        error_text, load_library, zmq_curve_publickey, zmq_curve_secretkey, &
        zmq_curve_serverkey, zmq_dealer, zmq_dont_wait, zmq_event_disconnected, &
        zmq_event_handshake_failed, zmq_event_handshake_failed_auth, &
        zmq_event_handshake_failed_protocol, zmq_event_handshake_succeeded, &
        zmq_heartbeat_interval, zmq_heartbeat_timeout, zmq_heartbeat_ttl, zmq_library, zmq_linger, &
        zmq_max_message_size, zmq_message, zmq_pair, zmq_poll_in, zmq_poll_item, zmq_receive_mark, &
        zmq_reconnect_interval, zmq_reconnect_interval_max, zmq_routing_id, zmq_send_mark, &
        zmq_send_more
    implicit none
    private

    public :: zmq_socket, open_socket, close_socket, connect_socket, is_endpoint, is_local
    public :: send_frames, receive_frames, next_event, wait_for_news
    public :: new_message, message_of_text, text_of_message

    integer, parameter :: reconnect_after = 100, reconnect_within = 1000  !! ms
    integer, parameter :: beat_every = 1000                               !! ms
    integer, parameter :: queue_length = 1024      !! messages; no more than a window is ever in it
    integer, parameter :: key_length = 40
    character(*), parameter :: news_endpoint = "inproc://nemo-bridge-news"

    type :: zmq_socket
        type(zmq_library) :: library
        type(c_ptr) :: context = c_null_ptr
        type(c_ptr) :: socket = c_null_ptr
        type(c_ptr) :: news = c_null_ptr       !! what happens to the connection
    end type zmq_socket

contains

    !> Load libzmq and make a socket that gives a connection up after `silence` ms without a sign of
    !> life. With `keys`, a directory, everything is encrypted.
    subroutine open_socket(link, identity, keys, silence, largest, message)
        type(zmq_socket), intent(inout) :: link
        character(*), intent(in) :: identity, keys
        integer, intent(in) :: silence           !! ms
        integer, intent(in) :: largest           !! bytes of the largest message that is taken
        character(message_length), intent(out) :: message
        integer(c_int) :: code

        call load_library(link%library, message)
        if (message /= "") return
        link%context = link%library%ctx_new()
        link%socket = link%library%socket(link%context, zmq_dealer)
        call set_text(link, zmq_routing_id, identity)
        call set_number(link, zmq_linger, 0)
        call set_number(link, zmq_reconnect_interval, reconnect_after)
        call set_number(link, zmq_reconnect_interval_max, reconnect_within)
        call set_number(link, zmq_send_mark, queue_length)
        call set_number(link, zmq_receive_mark, queue_length)
        call set_number(link, zmq_heartbeat_interval, beat_every)
        call set_number(link, zmq_heartbeat_timeout, silence)
        call set_number(link, zmq_heartbeat_ttl, silence)
        call set_long_number(link, zmq_max_message_size, largest)
        if (keys /= "") call use_keys(link, keys, message)
        if (message /= "") return
        code = link%library%socket_monitor(link%socket, news_endpoint//c_null_char, &
            ior(ior(zmq_event_disconnected, zmq_event_handshake_failed), &
            ior(ior(zmq_event_handshake_succeeded, zmq_event_handshake_failed_protocol), &
            zmq_event_handshake_failed_auth)))
        link%news = link%library%socket(link%context, zmq_pair)
        if (code == 0) code = link%library%connect(link%news, news_endpoint//c_null_char)
        if (code /= 0) message = "libzmq: "//error_text(link%library)
    end subroutine open_socket

    !> Begin to connect; libzmq tries again until somebody is there.
    subroutine connect_socket(link, endpoint, message)
        type(zmq_socket), intent(in) :: link
        character(*), intent(in) :: endpoint
        character(message_length), intent(out) :: message
        message = ""
        if (link%library%connect(link%socket, trim(endpoint)//c_null_char) /= 0) then
            message = "cannot connect to "//trim(endpoint)//": "//error_text(link%library)
        end if
    end subroutine connect_socket

    !> Give everything back; what was sent has `linger` ms to leave.
    subroutine close_socket(link, linger)
        type(zmq_socket), intent(inout) :: link
        integer, intent(in) :: linger  !! ms
        integer(c_int) :: code
        if (.not. c_associated(link%context)) return
        call set_number(link, zmq_linger, linger)
        if (c_associated(link%news)) code = link%library%close(link%news)
        code = link%library%close(link%socket)
        code = link%library%ctx_term(link%context)
        link%context = c_null_ptr
    end subroutine close_socket

    !> Is everything at this endpoint on this machine?
    pure function is_local(endpoint) result(local)
        character(*), intent(in) :: endpoint
        logical :: local
        character(len(endpoint)) :: host
        local = index(endpoint, "ipc://") == 1
        if (local .or. .not. is_endpoint(endpoint)) return
        host = endpoint(7:index(endpoint, ":", back=.true.) - 1)
        ! A name may begin with 127. as well.
        local = host == "localhost" .or. host == "[::1]" .or. &
            (index(host, "127.") == 1 .and. verify(trim(host), "0123456789.") == 0)
    end function is_local

    !> Is it tcp://host:port or ipc:///path?
    pure function is_endpoint(endpoint) result(is_one)
        character(*), intent(in) :: endpoint
        logical :: is_one
        integer :: colon
        is_one = index(endpoint, "ipc:///") == 1 .or. index(endpoint, "ipc://@") == 1
        if (index(endpoint, "tcp://") /= 1) return
        colon = index(endpoint, ":", back=.true.)
        is_one = colon > 7 .and. is_port(trim(endpoint(colon + 1:)))
    end function is_endpoint

    !> Is it the number of a port, 1 to 65535? libzmq takes others modulo 65536.
    pure function is_port(text) result(is_one)
        character(*), intent(in) :: text
        logical :: is_one
        integer :: number, status
        is_one = len(text) > 0 .and. len(text) < 6 .and. verify(text, "0123456789") == 0
        if (.not. is_one) return
        read (text, *, iostat=status) number
        is_one = status == 0 .and. number > 0 .and. number < 65536
    end function is_port

    !> The keys that `nemo-bridge keys` made: the server's public one and the model's pair.
    subroutine use_keys(link, directory, message)
        type(zmq_socket), intent(in) :: link
        character(*), intent(in) :: directory
        character(message_length), intent(out) :: message
        character(key_length) :: server, public, secret

        message = ""
        if (link%library%has("curve"//c_null_char) == 0) then
            message = "this libzmq was built without CURVE: install one that has it"
            return
        end if
        call read_key(directory, "server.public", server, message)
        call read_key(directory, "model.public", public, message)
        call read_key(directory, "model.secret", secret, message)
        if (message /= "") return
        call set_text(link, zmq_curve_serverkey, server)
        call set_text(link, zmq_curve_publickey, public)
        call set_text(link, zmq_curve_secretkey, secret)
    end subroutine use_keys

    subroutine read_key(directory, name, key, message)
        character(*), intent(in) :: directory, name
        character(key_length), intent(out) :: key
        character(message_length), intent(inout) :: message
        integer :: unit, code
        logical :: there
        key = ""
        if (message /= "") return
        inquire (file=trim(directory)//"/"//name, exist=there)
        if (.not. there) then
            message = "NEMO_BRIDGE_KEYS: "//trim(directory)//"/"//name// &
                " is missing: make keys with `nemo-bridge keys`"
            return
        end if
        open (newunit=unit, file=trim(directory)//"/"//name, action="read", status="old", &
            iostat=code)
        if (code == 0) then
            read (unit, "(a)", iostat=code) key
            close (unit)
        end if
        if (code /= 0 .or. len_trim(key) /= key_length) message = "NEMO_BRIDGE_KEYS: "// &
            trim(directory)//"/"//name//" is not a key: make keys with `nemo-bridge keys`"
    end subroutine read_key

    subroutine set_number(link, option, value)
        type(zmq_socket), intent(in) :: link
        integer(c_int), intent(in) :: option
        integer, intent(in) :: value
        integer(c_int), target :: number
        integer(c_int) :: code
        number = int(value, c_int)
        code = link%library%setsockopt(link%socket, option, c_loc(number), 4_c_size_t)
    end subroutine set_number

    subroutine set_long_number(link, option, value)
        type(zmq_socket), intent(in) :: link
        integer(c_int), intent(in) :: option
        integer, intent(in) :: value
        integer(c_int64_t), target :: number
        integer(c_int) :: code
        number = int(value, c_int64_t)
        code = link%library%setsockopt(link%socket, option, c_loc(number), 8_c_size_t)
    end subroutine set_long_number

    subroutine set_text(link, option, value)
        type(zmq_socket), intent(in) :: link
        integer(c_int), intent(in) :: option
        character(*), intent(in) :: value
        character(kind=c_char), target :: letters(len(value))
        integer(c_int) :: code
        integer :: i
        do i = 1, len(value)
            letters(i) = value(i:i)
        end do
        code = link%library%setsockopt(link%socket, option, c_loc(letters), &
            size(letters, kind=c_size_t))
    end subroutine set_text

    !> A message of `bytes` bytes to be filled at `address`.
    subroutine new_message(link, bytes, message, address)
        type(zmq_socket), intent(in) :: link
        integer(c_size_t), intent(in) :: bytes
        type(zmq_message), intent(out) :: message
        type(c_ptr), intent(out) :: address
        if (link%library%msg_init_size(message, bytes) /= 0) error stop "nemo-bridge: out of memory"
        address = link%library%msg_data(message)
    end subroutine new_message

    subroutine message_of_text(link, text, message)
        type(zmq_socket), intent(in) :: link
        character(*), intent(in) :: text
        type(zmq_message), intent(out) :: message
        type(c_ptr) :: address
        character(kind=c_char), pointer :: letters(:)
        integer :: i
        call new_message(link, int(len(text), c_size_t), message, address)
        call c_f_pointer(address, letters, [len(text)])
        do i = 1, len(text)
            letters(i) = text(i:i)
        end do
    end subroutine message_of_text

    function text_of_message(link, message) result(text)
        type(zmq_socket), intent(in) :: link
        type(zmq_message), intent(inout) :: message
        character(:), allocatable :: text
        character(kind=c_char), pointer :: letters(:)
        integer :: i, length
        length = int(link%library%msg_size(message))
        call c_f_pointer(link%library%msg_data(message), letters, [length])
        allocate (character(length) :: text)
        do i = 1, length
            text(i:i) = letters(i)
        end do
    end function text_of_message

    !> Send an envelope and its body, which is empty afterwards. False if the queue is full.
    function send_frames(link, envelope, body) result(sent)
        type(zmq_socket), intent(in) :: link
        integer(int32), intent(in), target :: envelope(:)
        type(zmq_message), intent(inout) :: body
        logical :: sent
        type(zmq_message) :: front
        type(c_ptr) :: address
        integer(c_size_t) :: bytes
        integer(c_int) :: code

        bytes = 4*size(envelope, kind=c_size_t)
        call new_message(link, bytes, front, address)
        call copy_bytes(address, c_loc(envelope), bytes)
        sent = link%library%msg_send(front, link%socket, ior(zmq_dont_wait, zmq_send_more)) >= 0
        if (sent) then
            sent = link%library%msg_send(body, link%socket, zmq_dont_wait) >= 0
        else
            code = link%library%msg_close(front)
        end if
        if (.not. sent) code = link%library%msg_close(body)
    end function send_frames

    !> Take the next message if there is one. `valid`: an envelope of the right size and one body,
    !> which the caller has to close.
    subroutine receive_frames(link, envelope, body, arrived, valid)
        type(zmq_socket), intent(in) :: link
        integer(int32), intent(out), target :: envelope(:)
        type(zmq_message), intent(out) :: body
        logical, intent(out) :: arrived, valid
        type(zmq_message) :: front
        integer(c_size_t) :: bytes
        integer(c_int) :: code
        integer :: extra

        envelope = 0
        valid = .false.
        code = link%library%msg_init(front)
        arrived = link%library%msg_recv(front, link%socket, zmq_dont_wait) >= 0
        if (arrived) then
            bytes = 4*size(envelope, kind=c_size_t)
            valid = link%library%msg_size(front) == bytes
            if (valid) call copy_bytes(c_loc(envelope), link%library%msg_data(front), bytes)
            call take_body(link, front, body, extra)
            valid = valid .and. extra == 1
            if (extra > 0 .and. .not. valid) code = link%library%msg_close(body)
        end if
        code = link%library%msg_close(front)
    end subroutine receive_frames

    !> The frames after the first: the last of them, and how many there were.
    subroutine take_body(link, front, body, extra)
        type(zmq_socket), intent(in) :: link
        type(zmq_message), intent(inout) :: front
        type(zmq_message), intent(out) :: body
        integer, intent(out) :: extra
        integer(c_int) :: code, more

        extra = 0
        more = link%library%msg_more(front)
        do while (more /= 0)
            if (extra > 0) code = link%library%msg_close(body)
            code = link%library%msg_init(body)
            code = link%library%msg_recv(body, link%socket, zmq_dont_wait)
            extra = extra + 1
            more = 0
            if (code >= 0) more = link%library%msg_more(body)
        end do
    end subroutine take_body

    !> The next thing that happened to the connection; 0 if there is nothing new.
    subroutine next_event(link, event, value)
        type(zmq_socket), intent(in) :: link
        integer(c_int), intent(out) :: event, value
        type(zmq_message) :: frame
        character(kind=c_char), pointer :: bytes(:)
        integer(c_int) :: code

        event = 0
        value = 0
        code = link%library%msg_init(frame)
        if (link%library%msg_recv(frame, link%news, zmq_dont_wait) == 6) then
            call c_f_pointer(link%library%msg_data(frame), bytes, [6])
            event = int(transfer(bytes(1:2), 0_c_short), c_int)
            value = transfer(bytes(3:6), 0_c_int)
            code = link%library%msg_close(frame)
            code = link%library%msg_init(frame)
            code = link%library%msg_recv(frame, link%news, zmq_dont_wait)  ! the address
        end if
        code = link%library%msg_close(frame)
    end subroutine next_event

    !> Sleep until something arrives or happens, or for `milliseconds`.
    subroutine wait_for_news(link, milliseconds)
        type(zmq_socket), intent(in) :: link
        integer, intent(in) :: milliseconds
        type(zmq_poll_item) :: items(2)
        integer(c_int) :: ready
        items(1)%socket = link%socket
        items(2)%socket = link%news
        items%events = zmq_poll_in
        ready = link%library%poll(items, 2_c_int, int(milliseconds, c_long))
    end subroutine wait_for_news
end module bridge_zmq_socket
