!> Counted messages over ZMQ: what a link to the server is, and what has been sent, kept and taken.
!>
!> What is sent is kept until the server has taken it (at most a window of messages), so that a
!> connection may break and come back without a loss.
module bridge_zmq_delivery
    use, intrinsic :: iso_c_binding, only: c_int
    use bridge_envelope, only: envelope_to_words, kind_goodbye, message_envelope, window_messages
    use bridge_kinds, only: int32, int64, message_length, real64
    use bridge_mpi, only: mpi_give_up => give_up, mpi_link
    use bridge_protocol, only: protocol_version
    use bridge_zmq_library, only: zmq_message
    use bridge_zmq_socket, only: close_socket, message_of_text, send_frames, zmq_socket
    implicit none
    private

    public :: zmq_link, zmq_give_up, transmit, transmit_text, forget, send_again, keep, slot_of

    integer, parameter :: farewell = 1000  !! ms for the last message to leave

    type :: counted_message
        integer(int32) :: kind = 0
        type(zmq_message) :: body
    end type counted_message

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
    end type zmq_link

contains

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

    pure function slot_of(number) result(slot)
        integer(int64), intent(in) :: number
        integer :: slot
        slot = int(mod(number - 1, int(window_messages, int64))) + 1
    end function slot_of

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
end module bridge_zmq_delivery
