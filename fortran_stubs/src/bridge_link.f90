!> The way to the server: in the same MPI job, or over ZMQ when NEMO_BRIDGE_ENDPOINT is set.
!>
!> The rest of the library sees only this module; which way it is, is decided when the link opens.
!> Where the server has named a place in shared memory, values are copied there or from there.
module bridge_link
    use mpi, only: MPI_REQUEST_NULL
    use bridge_block, only: block_shape, whole
    use bridge_kinds, only: int32, int64, message_length, real64
    use bridge_mpi, only: largest_over_mpi => largest_of_ranks, &
        mpi_close => link_close, mpi_finish => finish, mpi_free_block => free_block, &
        mpi_give_up => give_up, mpi_make_block => make_block, mpi_open => link_open, &
        mpi_receive_header => receive_header, mpi_send_header => send_header, &
        mpi_start_receive => start_receive, mpi_start_send => start_send, seconds_now, split_job
    use bridge_protocol, only: message_header
    use bridge_shared_memory, only: attach, copy_values, detach, fits, shared_memory, shared_place
    use bridge_zmq, only: zmq_close, zmq_give_up, zmq_link, zmq_open, zmq_receive, &
        zmq_receive_header, zmq_send, zmq_send_header
    implicit none
    private

    public :: model_link, link_open, link_close, send_header, receive_header, start_send
    public :: start_receive, finish, send_text, receive_text, largest_of_ranks, give_up, seconds_now
    public :: make_block, free_block, share_memory, copy_shared

    !> Inner cells of a local array, and MPI's description of them.
    type :: link_block
        type(block_shape) :: shape
        integer :: datatype = 0
    end type link_block

    type, extends(zmq_link) :: model_link
        logical :: over_zmq = .false.
        type(shared_memory) :: memory
        type(link_block), allocatable :: blocks(:)
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
        call detach(link%memory)
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
        type(block_shape) :: shape

        shape = shape_of(link, size(words), block)
        request = MPI_REQUEST_NULL
        if (link%over_zmq) then
            call zmq_send(link%zmq_link, words, shape)
        else if (present(block)) then
            call mpi_start_send(link%mpi_link, words, request, link%blocks(block)%datatype)
        else
            call mpi_start_send(link%mpi_link, words, request)
        end if
    end subroutine start_send

    !> Begin receiving `words`, or the `block` of them; they are defined after `finish`.
    subroutine start_receive(link, words, request, block)
        type(model_link), intent(inout) :: link
        integer(int32), intent(inout), contiguous, target, asynchronous :: words(:)
        integer, intent(out) :: request
        integer, intent(in), optional :: block  !! from `make_block`
        type(block_shape) :: shape

        shape = shape_of(link, size(words), block)
        request = MPI_REQUEST_NULL
        if (link%over_zmq) then
            call zmq_receive(link%zmq_link, words, shape)
        else if (present(block)) then
            call mpi_start_receive(link%mpi_link, words, request, link%blocks(block)%datatype)
        else
            call mpi_start_receive(link%mpi_link, words, request)
        end if
    end subroutine start_receive

    !> The block of this number; without one all `words` words.
    pure function shape_of(link, words, block) result(shape)
        type(model_link), intent(in) :: link
        integer, intent(in) :: words
        integer, intent(in), optional :: block
        type(block_shape) :: shape
        if (present(block)) then
            shape = link%blocks(block)%shape
        else
            shape = whole(words)
        end if
    end function shape_of

    !> Wait for a send or receive that was begun.
    subroutine finish(link, request)
        type(model_link), intent(in) :: link
        integer, intent(inout) :: request
        if (request /= MPI_REQUEST_NULL) call mpi_finish(link%mpi_link, request)
    end subroutine finish

    !> Describe the inner cells of a local array, so that they travel without a copy before.
    subroutine make_block(link, sizes, inner, starts, block)
        type(model_link), intent(inout) :: link
        integer, intent(in) :: sizes(3)   !! words in a row, rows, levels
        integer, intent(in) :: inner(3)   !! those that travel
        integer, intent(in) :: starts(3)  !! those before them
        integer, intent(out) :: block
        type(link_block) :: new
        new%shape = block_shape(sizes, inner, starts)
        if (.not. link%over_zmq) call mpi_make_block(sizes, inner, starts, new%datatype)
        if (.not. allocated(link%blocks)) allocate (link%blocks(0))
        link%blocks = [link%blocks, new]
        block = size(link%blocks)
    end subroutine make_block

    !> Give back what `make_block` made.
    subroutine free_block(link, block)
        type(model_link), intent(inout) :: link
        integer, intent(in) :: block
        if (.not. link%over_zmq) call mpi_free_block(link%blocks(block)%datatype)
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

    !> The server offers shared memory (see bridge_shared_memory): take it if we can.
    subroutine share_memory(link, place, process, file, nonce, objection)
        type(model_link), intent(inout) :: link
        character(*), intent(in) :: place
        integer, intent(in) :: process, file
        integer(int64), intent(in) :: nonce
        character(message_length), intent(out) :: objection  !! why not; blank if it is shared
        call attach(link%memory, place, process, file, nonce, link%rank, objection)
    end subroutine share_memory

    !> Copy the block among `words` to the place that the server has named for it, or from there.
    subroutine copy_shared(link, place, record, words, shape, outward)
        type(model_link), intent(inout) :: link
        type(shared_place), intent(in) :: place
        integer, intent(in) :: record  !! of a run, from 0
        integer(int32), intent(inout), contiguous, target :: words(:)
        type(block_shape), intent(in) :: shape
        logical, intent(in) :: outward  !! out of the model's array
        if (.not. fits(link%memory, place, record, shape)) call give_up(link, &
            "the server named a place in shared memory that does not fit its field")
        call copy_values(link%memory, place, record, words, shape, outward)
    end subroutine copy_shared
end module bridge_link
