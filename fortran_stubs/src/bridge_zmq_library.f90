!> libzmq's own functions, found at run time: nothing new is linked, and a model that is not asked
!> to talk over ZMQ never touches the library.
module bridge_zmq_library
    use, intrinsic :: iso_c_binding, only: c_associated, c_char, c_f_pointer, c_f_procpointer, &
        c_funptr, c_int, c_int64_t, c_long, c_null_char, c_null_ptr, c_ptr, c_short, &
        c_size_t
    use bridge_kinds, only: message_length
    implicit none
    private

    public :: load_library, error_text

    !> A message of libzmq: 64 bytes that only its functions may read.
    type, bind(c), public :: zmq_message
        integer(c_int64_t) :: opaque(8)
    end type zmq_message

    type, bind(c), public :: zmq_poll_item
        type(c_ptr) :: socket
        integer(c_int) :: descriptor = 0
        integer(c_short) :: events = 0
        integer(c_short) :: happened = 0
    end type zmq_poll_item

    ! Numbers of zmq.h that we use.
    integer(c_int), parameter, public :: zmq_pair = 0, zmq_dealer = 5
    integer(c_int), parameter, public :: zmq_dont_wait = 1, zmq_send_more = 2
    integer(c_short), parameter, public :: zmq_poll_in = 1
    integer(c_int), parameter, public :: zmq_routing_id = 5, zmq_linger = 17, &
        zmq_reconnect_interval = 18, zmq_reconnect_interval_max = 21, zmq_max_message_size = 22, &
        zmq_send_mark = 23, zmq_receive_mark = 24, zmq_curve_publickey = 48, &
        zmq_curve_secretkey = 49, zmq_curve_serverkey = 50, zmq_heartbeat_interval = 75, &
        zmq_heartbeat_ttl = 76, zmq_heartbeat_timeout = 77
    integer(c_int), parameter, public :: zmq_event_disconnected = int(z'0200', c_int), &
        zmq_event_handshake_failed = int(z'0800', c_int), &
        zmq_event_handshake_succeeded = int(z'1000', c_int), &
        zmq_event_handshake_failed_protocol = int(z'2000', c_int), &
        zmq_event_handshake_failed_auth = int(z'4000', c_int)
    integer(c_int), parameter, public :: zmq_mechanism_mismatch = int(z'11000002', c_int)

    abstract interface
        function without_arguments() bind(c) result(answer)
            import :: c_ptr
            type(c_ptr) :: answer
        end function without_arguments
        function number_without_arguments() bind(c) result(answer)
            import :: c_int
            integer(c_int) :: answer
        end function number_without_arguments
        function number_to_text(number) bind(c) result(answer)
            import :: c_int, c_ptr
            integer(c_int), value :: number
            type(c_ptr) :: answer
        end function number_to_text
        function text_to_number(text) bind(c) result(answer)
            import :: c_char, c_int
            character(kind=c_char), intent(in) :: text(*)
            integer(c_int) :: answer
        end function text_to_number
        function of_pointer(object) bind(c) result(code)
            import :: c_int, c_ptr
            type(c_ptr), value :: object
            integer(c_int) :: code
        end function of_pointer
        function new_socket(context, kind) bind(c) result(socket)
            import :: c_int, c_ptr
            type(c_ptr), value :: context
            integer(c_int), value :: kind
            type(c_ptr) :: socket
        end function new_socket
        function set_option(socket, option, value, bytes) bind(c) result(code)
            import :: c_int, c_ptr, c_size_t
            type(c_ptr), value :: socket, value
            integer(c_int), value :: option
            integer(c_size_t), value :: bytes
            integer(c_int) :: code
        end function set_option
        function to_endpoint(socket, endpoint) bind(c) result(code)
            import :: c_char, c_int, c_ptr
            type(c_ptr), value :: socket
            character(kind=c_char), intent(in) :: endpoint(*)
            integer(c_int) :: code
        end function to_endpoint
        function watch_socket(socket, endpoint, events) bind(c) result(code)
            import :: c_char, c_int, c_ptr
            type(c_ptr), value :: socket
            character(kind=c_char), intent(in) :: endpoint(*)
            integer(c_int), value :: events
            integer(c_int) :: code
        end function watch_socket
        function of_message(message) bind(c) result(answer)
            import :: c_int, zmq_message
            type(zmq_message), intent(inout) :: message
            integer(c_int) :: answer
        end function of_message
        function of_message_and_size(message, bytes) bind(c) result(code)
            import :: c_int, c_size_t, zmq_message
            type(zmq_message), intent(inout) :: message
            integer(c_size_t), value :: bytes
            integer(c_int) :: code
        end function of_message_and_size
        function size_of_message(message) bind(c) result(bytes)
            import :: c_size_t, zmq_message
            type(zmq_message), intent(in) :: message
            integer(c_size_t) :: bytes
        end function size_of_message
        function data_of_message(message) bind(c) result(address)
            import :: c_ptr, zmq_message
            type(zmq_message), intent(inout) :: message
            type(c_ptr) :: address
        end function data_of_message
        function move_message(message, socket, flags) bind(c) result(answer)
            import :: c_int, c_ptr, zmq_message
            type(zmq_message), intent(inout) :: message
            type(c_ptr), value :: socket
            integer(c_int), value :: flags
            integer(c_int) :: answer
        end function move_message
        function share_message(to, from) bind(c) result(code)
            import :: c_int, zmq_message
            type(zmq_message), intent(inout) :: to, from
            integer(c_int) :: code
        end function share_message
        function wait_for_items(items, count, milliseconds) bind(c) result(ready)
            import :: c_int, c_long, zmq_poll_item
            type(zmq_poll_item), intent(inout) :: items(*)
            integer(c_int), value :: count
            integer(c_long), value :: milliseconds
            integer(c_int) :: ready
        end function wait_for_items
    end interface

    interface
        function dlopen(file, mode) bind(c) result(handle)
            import :: c_char, c_int, c_ptr
            character(kind=c_char), intent(in) :: file(*)
            integer(c_int), value :: mode
            type(c_ptr) :: handle
        end function dlopen
        function dlsym(handle, symbol) bind(c) result(address)
            import :: c_char, c_funptr, c_ptr
            type(c_ptr), value :: handle
            character(kind=c_char), intent(in) :: symbol(*)
            type(c_funptr) :: address
        end function dlsym
        function c_strlen(text) bind(c, name="strlen") result(bytes)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: text
            integer(c_size_t) :: bytes
        end function c_strlen
    end interface

    !> The functions, by their names in zmq.h without the prefix.
    type, public :: zmq_library
        type(c_ptr) :: handle = c_null_ptr
        procedure(without_arguments), pointer, nopass :: ctx_new => null()
        procedure(of_pointer), pointer, nopass :: ctx_term => null()
        procedure(new_socket), pointer, nopass :: socket => null()
        procedure(of_pointer), pointer, nopass :: close => null()
        procedure(set_option), pointer, nopass :: setsockopt => null()
        procedure(to_endpoint), pointer, nopass :: connect => null()
        procedure(watch_socket), pointer, nopass :: socket_monitor => null()
        procedure(of_message), pointer, nopass :: msg_init => null()
        procedure(of_message_and_size), pointer, nopass :: msg_init_size => null()
        procedure(size_of_message), pointer, nopass :: msg_size => null()
        procedure(data_of_message), pointer, nopass :: msg_data => null()
        procedure(of_message), pointer, nopass :: msg_more => null()
        procedure(move_message), pointer, nopass :: msg_send => null()
        procedure(move_message), pointer, nopass :: msg_recv => null()
        procedure(share_message), pointer, nopass :: msg_copy => null()
        procedure(of_message), pointer, nopass :: msg_close => null()
        procedure(wait_for_items), pointer, nopass :: poll => null()
        procedure(number_without_arguments), pointer, nopass :: errno => null()
        procedure(number_to_text), pointer, nopass :: strerror => null()
        procedure(text_to_number), pointer, nopass :: has => null()
    end type zmq_library

contains

    !> Open libzmq and find its functions; `message` says what is wrong, blank if nothing is.
    subroutine load_library(library, message)
        type(zmq_library), intent(out) :: library
        character(message_length), intent(out) :: message
        integer(c_int), parameter :: resolve_now = 2
        character(message_length) :: wanted

        call get_environment_variable("NEMO_BRIDGE_LIBZMQ", wanted)
        if (wanted /= "") then
            library%handle = dlopen(trim(wanted)//c_null_char, resolve_now)
        else
            library%handle = dlopen("libzmq.so.5"//c_null_char, resolve_now)
            if (.not. c_associated(library%handle)) then
                library%handle = dlopen("libzmq.so"//c_null_char, resolve_now)
            end if
        end if
        if (.not. c_associated(library%handle)) then
            message = "NEMO_BRIDGE_ENDPOINT is set, but libzmq "//trim(wanted)//" cannot be "// &
                "opened: install it (Debian: apt-get install libzmq5), or give its path in "// &
                "NEMO_BRIDGE_LIBZMQ"
            return
        end if
        call find_functions(library, message)
    end subroutine load_library

    subroutine find_functions(library, message)
        type(zmq_library), intent(inout) :: library
        character(message_length), intent(out) :: message
        ! A pointer of its own for each interface: compilers refuse components here.
        procedure(without_arguments), pointer :: new
        procedure(of_pointer), pointer :: end_of
        procedure(new_socket), pointer :: opener
        procedure(set_option), pointer :: setter
        procedure(to_endpoint), pointer :: connector
        procedure(watch_socket), pointer :: watcher
        procedure(of_message), pointer :: plain
        procedure(of_message_and_size), pointer :: sized
        procedure(size_of_message), pointer :: measure
        procedure(data_of_message), pointer :: locate
        procedure(move_message), pointer :: mover
        procedure(share_message), pointer :: sharer
        procedure(wait_for_items), pointer :: waiter
        procedure(number_without_arguments), pointer :: number
        procedure(number_to_text), pointer :: describer
        procedure(text_to_number), pointer :: knower

        message = ""
        call c_f_procpointer(found("zmq_ctx_new"), new)
        library%ctx_new => new
        call c_f_procpointer(found("zmq_ctx_term"), end_of)
        library%ctx_term => end_of
        call c_f_procpointer(found("zmq_socket"), opener)
        library%socket => opener
        call c_f_procpointer(found("zmq_close"), end_of)
        library%close => end_of
        call c_f_procpointer(found("zmq_setsockopt"), setter)
        library%setsockopt => setter
        call c_f_procpointer(found("zmq_connect"), connector)
        library%connect => connector
        call c_f_procpointer(found("zmq_socket_monitor"), watcher)
        library%socket_monitor => watcher
        call c_f_procpointer(found("zmq_msg_init"), plain)
        library%msg_init => plain
        call c_f_procpointer(found("zmq_msg_init_size"), sized)
        library%msg_init_size => sized
        call c_f_procpointer(found("zmq_msg_size"), measure)
        library%msg_size => measure
        call c_f_procpointer(found("zmq_msg_data"), locate)
        library%msg_data => locate
        call c_f_procpointer(found("zmq_msg_more"), plain)
        library%msg_more => plain
        call c_f_procpointer(found("zmq_msg_send"), mover)
        library%msg_send => mover
        call c_f_procpointer(found("zmq_msg_recv"), mover)
        library%msg_recv => mover
        call c_f_procpointer(found("zmq_msg_copy"), sharer)
        library%msg_copy => sharer
        call c_f_procpointer(found("zmq_msg_close"), plain)
        library%msg_close => plain
        call c_f_procpointer(found("zmq_poll"), waiter)
        library%poll => waiter
        call c_f_procpointer(found("zmq_errno"), number)
        library%errno => number
        call c_f_procpointer(found("zmq_strerror"), describer)
        library%strerror => describer
        call c_f_procpointer(found("zmq_has"), knower)
        library%has => knower

    contains

        function found(name) result(address)
            character(*), intent(in) :: name
            type(c_funptr) :: address
            address = dlsym(library%handle, name//c_null_char)
            if (.not. c_associated(address)) message = "libzmq has no function "//name// &
                ": version 4.3 or newer is needed"
        end function found
    end subroutine find_functions

    !> What libzmq says of its last error in this thread.
    function error_text(library) result(text)
        type(zmq_library), intent(in) :: library
        character(:), allocatable :: text
        character(kind=c_char), pointer :: letters(:)
        type(c_ptr) :: address
        integer :: i

        address = library%strerror(library%errno())
        call c_f_pointer(address, letters, [c_strlen(address)])
        allocate (character(size(letters)) :: text)
        do i = 1, size(letters)
            text(i:i) = letters(i)
        end do
    end function error_text
end module bridge_zmq_library
