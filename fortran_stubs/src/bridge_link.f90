!> The way to the server: in the same MPI job, or over ZMQ when NEMO_BRIDGE_ENDPOINT is set.
!>
!> The rest of the library sees only this module; which way it is, is decided when the link opens.
module bridge_link
    use bridge_kinds, only: int32, message_length, real64
    use bridge_mpi, only: largest_over_mpi => largest_of_ranks, &
        mpi_close => link_close, mpi_finish => finish, mpi_free_block => free_block, &
        mpi_give_up => give_up, mpi_make_block => make_block, mpi_open => link_open, &
        mpi_receive_header => receive_header, mpi_send_header => send_header, &
        mpi_start_receive => start_receive, mpi_start_send => start_send, seconds_now, split_job
    use bridge_protocol, only: message_header
    use bridge_zmq, only: zmq_close, zmq_give_up, zmq_link, zmq_make_block, zmq_open, zmq_receive, &
        zmq_receive_header, zmq_send, zmq_send_header
    implicit none
    private

    public :: model_link, link_open, link_close, send_header, receive_header, start_send
    public :: start_receive, finish, send_text, receive_text, largest_of_ranks, give_up, seconds_now
    public :: make_block, free_block

    type, extends(zmq_link) :: model_link
        logical :: over_zmq = .false.
    end type model_link

contains

    !> Find the server, and give the model its own communicator. Collective over `comm_in`.
    subroutine link_open(link, comm_in, comm_model, timeout, message)
        type(model_link), intent(inout) :: link
        integer, intent(in) :: comm_in
        integer, intent(out) :: comm_model
        real(real64), intent(in) :: timeout  !! s
        character(message_length), intent(out) :: message
        character(message_length) :: endpoint

        call get_environment_variable("NEMO_BRIDGE_ENDPOINT", endpoint)
        link%over_zmq = endpoint /= ""
        if (link%over_zmq) then
            call split_job(link%mpi_link, comm_in, comm_model, timeout)
            call zmq_open(link%zmq_link, trim(endpoint), message)
        else
            call mpi_open(link%mpi_link, comm_in, comm_model, timeout, message)
        end if
    end subroutine link_open

    !> Give everything back. Collective.
    subroutine link_close(link)
        type(model_link), intent(inout) :: link
        if (link%over_zmq) call zmq_close(link%zmq_link)
        call mpi_close(link%mpi_link)
    end subroutine link_close

    !> Send a header to the server.
    subroutine send_header(link, header)
        type(model_link), intent(inout) :: link
        type(message_header), intent(in) :: header
        if (link%over_zmq) then
            call zmq_send_header(link%zmq_link, header)
        else
            call mpi_send_header(link%mpi_link, header)
        end if
    end subroutine send_header

    !> Wait for the server's next request, as long as it takes.
    subroutine receive_header(link, header)
        type(model_link), intent(inout) :: link
        type(message_header), intent(out) :: header
        if (link%over_zmq) then
            call zmq_receive_header(link%zmq_link, header)
        else
            call mpi_receive_header(link%mpi_link, header)
        end if
    end subroutine receive_header

    !> Begin sending `words`, or the `block` of them; they must stay untouched until `finish`.
    subroutine start_send(link, words, request, block)
        type(model_link), intent(inout) :: link
        integer(int32), intent(in), contiguous, target, asynchronous :: words(:)
        integer, intent(out) :: request
        integer, intent(in), optional :: block  !! from `make_block`
        if (link%over_zmq) then
            request = 0
            call zmq_send(link%zmq_link, words, block)
        else
            call mpi_start_send(link%mpi_link, words, request, block)
        end if
    end subroutine start_send

    !> Begin receiving `words`, or the `block` of them; they are defined after `finish`.
    subroutine start_receive(link, words, request, block)
        type(model_link), intent(inout) :: link
        integer(int32), intent(inout), contiguous, target, asynchronous :: words(:)
        integer, intent(out) :: request
        integer, intent(in), optional :: block  !! from `make_block`
        if (link%over_zmq) then
            request = 0
            call zmq_receive(link%zmq_link, words, block)
        else
            call mpi_start_receive(link%mpi_link, words, request, block)
        end if
    end subroutine start_receive

    !> Wait for a send or receive that was begun.
    subroutine finish(link, request)
        type(model_link), intent(in) :: link
        integer, intent(inout) :: request
        if (.not. link%over_zmq) call mpi_finish(link%mpi_link, request)
    end subroutine finish

    !> Describe the inner cells of a local array, so that they travel without a copy before.
    subroutine make_block(link, sizes, inner, starts, block)
        type(model_link), intent(inout) :: link
        integer, intent(in) :: sizes(3)   !! words in a row, rows, levels
        integer, intent(in) :: inner(3)   !! those that travel
        integer, intent(in) :: starts(3)  !! those before them
        integer, intent(out) :: block
        if (link%over_zmq) then
            call zmq_make_block(link%zmq_link, sizes, inner, starts, block)
        else
            call mpi_make_block(sizes, inner, starts, block)
        end if
    end subroutine make_block

    !> Give back what `make_block` made.
    subroutine free_block(link, block)
        type(model_link), intent(in) :: link
        integer, intent(inout) :: block
        if (.not. link%over_zmq) call mpi_free_block(block)
    end subroutine free_block

    !> Send a text payload, padded with blanks to whole words.
    subroutine send_text(link, text)
        type(model_link), intent(inout) :: link
        character(*), intent(in) :: text
        integer(int32), target, asynchronous :: words((len(text) + 3)/4)
        integer :: request
        words = transfer(text//"   ", words, size(words))
        call start_send(link, words, request)
        call finish(link, request)
    end subroutine send_text

    !> Receive a text payload of known length, sent as whole words.
    subroutine receive_text(link, text)
        type(model_link), intent(inout) :: link
        character(*), intent(out) :: text
        integer(int32), target, asynchronous :: words((len(text) + 3)/4)
        integer :: request
        call start_receive(link, words, request)
        call finish(link, request)
        text = transfer(words, text)
    end subroutine receive_text

    !> Maximum of `value` over the model's ranks. Collective.
    subroutine largest_of_ranks(link, value)
        type(model_link), intent(in) :: link
        integer, intent(inout) :: value
        call largest_over_mpi(link%mpi_link, value)
    end subroutine largest_of_ranks

    !> End the whole job with a non-zero code: nothing sensible can follow.
    subroutine give_up(link, reason)
        type(model_link), intent(inout) :: link
        character(*), intent(in) :: reason
        if (link%over_zmq) then
            call zmq_give_up(link%zmq_link, reason)
        else
            call mpi_give_up(link%mpi_link, reason)
        end if
    end subroutine give_up
end module bridge_link
