!> The way to the server: in the same MPI job, or over ZMQ when NEMO_BRIDGE_ENDPOINT is set.
!>
!> The rest of the library sees only this module; which way it is, is decided when the link opens.
!> Where the server has offered shared memory, larger payloads go through it.
module bridge_link
    use mpi, only: MPI_REQUEST_NULL
    use bridge_block, only: block_shape, copy_block, whole, words_of, words_per_piece
    use bridge_kinds, only: int32, int64, message_length, real64
    use bridge_mpi, only: largest_over_mpi => largest_of_ranks, &
        mpi_close => link_close, mpi_finish => finish, mpi_free_block => free_block, &
        mpi_give_up => give_up, mpi_make_block => make_block, mpi_open => link_open, &
        mpi_receive_header => receive_header, mpi_send_header => send_header, &
        mpi_start_receive => start_receive, mpi_start_send => start_send, seconds_now, split_job
    use bridge_process, only: sibling_is_stopped
    use bridge_protocol, only: message_header
    use bridge_shared_memory, only: attach, detach, is_ours, length_to_read, mailbox, &
        mailbox_piece_bytes, ours_within, piece_to_read, piece_to_write, smallest_shared, to_read, &
        to_write, was_read, written
    use bridge_system, only: parent_process
    use bridge_zmq, only: look_around, zmq_close, zmq_give_up, zmq_link, zmq_open, zmq_receive, &
        zmq_receive_header, zmq_send, zmq_send_header
    implicit none
    private

    public :: model_link, link_open, link_close, send_header, receive_header, start_send
    public :: start_receive, finish, send_text, receive_text, largest_of_ranks, give_up, seconds_now
    public :: make_block, free_block, share_memory

    ! A wait for a piece of shared memory spins, then sleeps until the server hands it over.
    real(real64), parameter :: spin_time = 150.0e-6_real64
    integer, parameter :: nap = 20  !! ms between looks at the connection

    !> Inner cells of a local array, and MPI's description of them.
    type :: link_block
        type(block_shape) :: shape
        integer :: datatype = 0
    end type link_block

    type, extends(zmq_link) :: model_link
        logical :: over_zmq = .false.
        type(mailbox) :: box
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
        call detach(link%box)
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
        if (is_shared(link, shape)) then
            call put_into_mailbox(link, words, shape)
        else if (link%over_zmq) then
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
        if (is_shared(link, shape)) then
            call take_from_mailbox(link, words, shape)
        else if (link%over_zmq) then
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
        call attach(link%box, place, process, file, nonce, link%rank, objection)
    end subroutine share_memory

    !> Does a payload of this shape go through shared memory? The server decides alike.
    pure function is_shared(link, shape) result(shared)
        type(model_link), intent(in) :: link
        type(block_shape), intent(in) :: shape
        logical :: shared
        shared = link%box%attached .and. 4*words_of(shape) >= smallest_shared
    end function is_shared

    subroutine put_into_mailbox(link, words, shape)
        type(model_link), intent(inout) :: link
        integer(int32), intent(in), contiguous, target :: words(:)
        type(block_shape), intent(in) :: shape
        integer(int64) :: done, piece
        done = 0
        do while (done < words_of(shape))
            piece = min(words_per_piece(shape, mailbox_piece_bytes/4), words_of(shape) - done)
            call wait_for_piece(link, to_write, "the server to take values")
            call copy_block(words, shape, done, piece, piece_to_write(link%box), outward=.true.)
            call written(link%box, 4*piece)
            done = done + piece
        end do
    end subroutine put_into_mailbox

    subroutine take_from_mailbox(link, words, shape)
        type(model_link), intent(inout) :: link
        integer(int32), intent(inout), contiguous, target :: words(:)
        type(block_shape), intent(in) :: shape
        integer(int64) :: done, bytes
        done = 0
        do while (done < words_of(shape))
            call wait_for_piece(link, to_read, "values of the server")
            bytes = length_to_read(link%box)
            if (bytes < 4 .or. bytes > min(4*(words_of(shape) - done), &
                int(mailbox_piece_bytes, int64)) .or. mod(bytes, 4_int64) /= 0) then
                call give_up(link, "the server shared a piece that does not fit its field")
            end if
            call copy_block(words, shape, done, bytes/4, piece_to_read(link%box), outward=.false.)
            call was_read(link%box)
            done = done + bytes/4
        end do
    end subroutine take_from_mailbox

    !> Wait until a piece of the mailbox is ours, without burning the core for long.
    subroutine wait_for_piece(link, which, what)
        type(model_link), intent(inout) :: link
        integer, intent(in) :: which      !! to_write or to_read
        character(*), intent(in) :: what  !! what we wait for, for the error message
        real(real64) :: start, waited
        integer :: stopped  !! naps during which the server was suspended

        if (is_ours(link%box, which)) return
        start = seconds_now()
        stopped = 0
        do
            if (is_ours(link%box, which)) return
            waited = seconds_now() - start
            if (waited < spin_time) cycle
            if (ours_within(link%box, which, nap)) return
            if (parent_process() /= link%parent) call give_up(link, "the launcher is gone")
            if (waited > link%timeout) call give_up(link, "waited in vain for "//what)
            if (link%over_zmq) then
                call look_around(link%zmq_link)
                cycle
            end if
            stopped = merge(stopped + 1, 0, sibling_is_stopped(link%server_process, link%parent))
            if (1.0e-3_real64*nap*stopped > link%patience) call give_up(link, &
                "no sign of life from the server: its process is stopped")
        end do
    end subroutine wait_for_piece
end module bridge_link
