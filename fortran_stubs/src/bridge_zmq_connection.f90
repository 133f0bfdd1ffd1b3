!> Waiting for the server over ZMQ, and the connection to it: meeting, losing and finding it again.
!>
!> A server that is gone, or out of reach for too long, ends the job.
module bridge_zmq_connection
    use, intrinsic :: iso_c_binding, only: c_int
    use mpi, only: MPI_Wtime
    use bridge_envelope, only: envelope_from_words, envelope_magic, envelope_words, &
        kind_acknowledge, kind_beat, kind_goodbye, kind_hello, kind_payload, kind_refused, &
        kind_request, kind_resume, kind_resumed, kind_welcome, message_envelope, window_messages
    use bridge_kinds, only: int32, real64
    use bridge_process, only: own_directory, own_place, own_process, process_is_gone
    use bridge_protocol, only: protocol_version
    use bridge_system, only: parent_process, yield_core
    use bridge_zmq_delivery, only: forget, keep, send_again, transmit_text, zmq_give_up, zmq_link
    use bridge_zmq_library, only: zmq_event_disconnected, zmq_event_handshake_failed_auth, &
        zmq_event_handshake_failed_protocol, zmq_event_handshake_succeeded, &
        zmq_mechanism_mismatch, zmq_message
    use bridge_zmq_socket, only: next_event, receive_frames, text_of_message, wait_for_news
    implicit none
    private

    public :: wait_until, look_around

    ! As in bridge_mpi; while asleep a wait is woken by whatever arrives.
    real(real64), parameter :: spin_time = 150.0e-6_real64
    real(real64), parameter :: yield_time = 2.0e-3_real64
    integer, parameter :: longest_sleep = 200  !! ms
    integer, parameter :: longest_reason = 2000  !! letters of the reason why the server ended

    ! What a wait is for.
    integer, parameter, public :: want_welcome = 1, want_room = 2, want_message = 3

contains

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

    !> What can be heard of the server while something else is waited for.
    subroutine look_around(link)
        type(zmq_link), intent(inout) :: link
        call take_in(link)
        call look_at_connection(link)
    end subroutine look_around

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
end module bridge_zmq_connection
