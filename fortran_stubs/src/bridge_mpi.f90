!> Messages over MPI: this rank and the server, in a private copy of the job's communicator.
!>
!> Nothing here blocks inside MPI: every wait tests, spins for a moment, then yields the core, then
!> sleeps, and looks now and then whether the launcher is still alive.
module bridge_mpi
    ! The routines with a choice of buffer have no interface in some MPI libraries' modules and so
    ! cannot be named here; all their buffers are of one type, integer(int32).
    use mpi, only: MPI_ADDRESS_KIND, MPI_APPNUM, MPI_COMM_NULL, MPI_COMM_WORLD, &
        MPI_INTEGER, MPI_IN_PLACE, MPI_MAX, MPI_ORDER_FORTRAN, &
        MPI_STATUS_IGNORE, MPI_Wtime
    use bridge_kinds, only: error_unit, int32, int64, message_length, real64
    use bridge_process, only: own_process, sibling_is_stopped
    use bridge_protocol, only: header_from_words, header_to_words, header_words, message_header, &
        mpi_tag_answer, mpi_tag_payload, mpi_tag_request, process_model, process_server, &
        protocol_magic, protocol_version, tag_words
    use bridge_settings, only: read_settings, settings
    use bridge_system, only: exit_now, parent_process, sleep_microseconds, yield_core
    implicit none
    private

    public :: mpi_link, link_open, link_close, split_job, send_header, receive_header, start_send
    public :: start_receive, finish, largest_of_ranks, give_up, seconds_now, make_block, free_block

    ! How a wait grows patient, in seconds since it began and in microseconds of sleep: it spins
    ! (NEMO_BRIDGE_SPIN, in microseconds), yields the core, sleeps. In the middle of an exchange the
    ! other side is at work on it, and messages need both sides to move: no sleep then.
    real(real64), parameter :: idle_yield_time = 2.0e-3_real64
    real(real64), parameter :: exchange_yield_time = 0.5_real64
    integer, parameter :: longest_sleep = 1000
    real(real64), parameter :: look_around = 0.2_real64  !! s between checks of the launcher

    real(real64), parameter :: for_ever = -1.0_real64

    type :: mpi_link
        integer :: world = MPI_COMM_NULL   !! private copy of the job's communicator
        integer :: model = MPI_COMM_NULL   !! private copy of the model's communicator
        integer :: server = -1             !! rank of the server in `world`; -1: stand-alone
        integer :: rank = 0                !! rank in the model
        integer :: size = 1                !! ranks of the model
        integer :: instance = 0
        logical :: server_required = .false.  !! does the launcher insist on one?
        integer :: parent = 0              !! process id of the launcher
        integer :: server_process = 0      !! of the server, where it has told
        real(real64) :: patience = 0       !! s without a sign of life of the server
        real(real64) :: timeout = 300.0_real64  !! s of silence in the middle of an exchange
        real(real64) :: spin = 0                !! s for which a wait keeps the core
        integer(int32) :: outgoing(header_words) = 0
    end type mpi_link

contains

    !> Show who we are, see who is there, and split the job. Collective over `comm_in`.
    subroutine link_open(link, comm_in, comm_model, timeout, message)
        type(mpi_link), intent(inout), target :: link
        integer, intent(in) :: comm_in
        integer, intent(out) :: comm_model
        real(real64), intent(in) :: timeout  !! s
        character(message_length), intent(out) :: message
        integer(int32), allocatable, asynchronous :: tags(:, :)
        integer :: n, ierr, request, rank, i, servers

        message = ""
        comm_model = MPI_COMM_NULL
        call describe_self(link, timeout)
        call MPI_Comm_size(comm_in, n, ierr)
        call MPI_Comm_rank(comm_in, rank, ierr)
        allocate (tags(tag_words, n))
        tags = 0
        tags(:, rank + 1) = own_tag(link%instance)
        call MPI_Iallgather(MPI_IN_PLACE, 0, MPI_INTEGER, tags, tag_words, MPI_INTEGER, comm_in, &
            request, ierr)
        call wait_for(link, request, timeout, "the other programs of the job to start")
        servers = 0
        do i = 1, n
            if (tags(1, i) /= protocol_magic .or. tags(2, i) /= protocol_version) then
                write (message, "(4(a, i0), a)") "rank ", i - 1, " speaks protocol version ", &
                    tags(2, i), ", rank ", rank, " speaks ", protocol_version, &
                    ": rebuild the model and reinstall the Python package from one release"
                return
            end if
            if (tags(3, i) == process_server) then
                servers = servers + 1
                link%server = i - 1
                link%server_process = int(tags(5, i))
            end if
        end do
        if (servers > 1) message = "more than one process of the job is a server: start one"
        if (servers == 0 .and. link%server_required) message = "NEMO_BRIDGE_SERVER=required, but "// &
            "no process of this MPI job is a server: start both programs with one mpirun, "// &
            "and use the same MPI library for both"
        if (message /= "") return
        call MPI_Comm_dup(comm_in, link%world, ierr)
        call split_by_instance(link, comm_in, comm_model)
    end subroutine link_open

    !> Split a job in which there is no server to look for. Collective over `comm_in`.
    subroutine split_job(link, comm_in, comm_model, timeout)
        type(mpi_link), intent(inout) :: link
        integer, intent(in) :: comm_in
        integer, intent(out) :: comm_model
        real(real64), intent(in) :: timeout  !! s
        call describe_self(link, timeout)
        call split_by_instance(link, comm_in, comm_model)
    end subroutine split_job

    !> What this process knows before it has met any other.
    subroutine describe_self(link, timeout)
        type(mpi_link), intent(inout) :: link
        real(real64), intent(in) :: timeout  !! s
        type(settings) :: wanted
        character(message_length) :: message
        link%parent = parent_process()
        link%timeout = timeout
        wanted%instance = program_number()
        call read_settings(wanted, message)
        ! Other ranks may have other environments: whoever is wrong ends the job before they meet.
        if (message /= "") call give_up(link, message)
        link%patience = wanted%patience
        link%spin = 1.0e-6_real64*wanted%spin
        link%instance = wanted%instance
        ! Guards against a job that fell apart into worlds of one process, each taking itself for
        ! stand-alone.
        link%server_required = wanted%server_required
    end subroutine describe_self

    !> One communicator for the model, and a private copy of it. Collective over `comm_in`.
    subroutine split_by_instance(link, comm_in, comm_model)
        type(mpi_link), intent(inout) :: link
        integer, intent(in) :: comm_in
        integer, intent(out) :: comm_model
        integer :: ierr, rank
        call MPI_Comm_rank(comm_in, rank, ierr)
        call MPI_Comm_split(comm_in, link%instance, rank, comm_model, ierr)
        call MPI_Comm_dup(comm_model, link%model, ierr)
        call MPI_Comm_rank(link%model, link%rank, ierr)
        call MPI_Comm_size(link%model, link%size, ierr)
    end subroutine split_by_instance

    !> Record that tells the others who we are. Its layout must never change.
    function own_tag(instance) result(tag)
        integer, intent(in) :: instance
        integer(int32) :: tag(tag_words)
        tag = 0
        tag(1) = protocol_magic
        tag(2) = protocol_version
        tag(3) = process_model
        tag(4) = int(instance, int32)
        tag(5) = int(own_process(), int32)
    end function own_tag

    !> The program's number on the command line: the model instance that this rank belongs to, unless
    !> the environment says otherwise, for launchers that do not number programs.
    function program_number() result(label)
        integer :: label, ierr
        integer(MPI_ADDRESS_KIND) :: number
        logical :: found
        label = 0
        call MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_APPNUM, number, found, ierr)
        if (found) label = int(number)
    end function program_number

    !> Give back the private communicators. Collective.
    subroutine link_close(link)
        type(mpi_link), intent(inout) :: link
        integer :: ierr
        if (link%world /= MPI_COMM_NULL) call MPI_Comm_free(link%world, ierr)
        if (link%model /= MPI_COMM_NULL) call MPI_Comm_free(link%model, ierr)
    end subroutine link_close

    !> Send a header to the server.
    subroutine send_header(link, header)
        type(mpi_link), intent(inout) :: link
        type(message_header), intent(in) :: header
        integer :: request, ierr
        link%outgoing = header_to_words(header)
        call MPI_Isend(link%outgoing, header_words, MPI_INTEGER, link%server, mpi_tag_answer, &
            link%world, request, ierr)
        call wait_for(link, request, link%timeout, "the server to take an answer")
    end subroutine send_header

    !> Wait for the server's next request, as long as it takes.
    subroutine receive_header(link, header)
        type(mpi_link), intent(inout) :: link
        type(message_header), intent(out) :: header
        integer(int32), asynchronous :: words(header_words)
        integer :: request, ierr
        logical :: valid
        call MPI_Irecv(words, header_words, MPI_INTEGER, link%server, mpi_tag_request, &
            link%world, request, ierr)
        call wait_for(link, request, for_ever, "a request")
        call header_from_words(words, header, valid)
        if (.not. valid) call give_up(link, "the server sent a header that is not of this protocol")
    end subroutine receive_header

    !> Begin sending `words`, or the `block` of them; they must stay untouched until `finish`.
    subroutine start_send(link, words, request, block)
        type(mpi_link), intent(in) :: link
        integer(int32), intent(in), contiguous, target, asynchronous :: words(:)
        integer, intent(out) :: request
        integer, intent(in), optional :: block  !! from `make_block`
        integer :: ierr
        if (present(block)) then
            call MPI_Isend(words, 1, block, link%server, mpi_tag_payload, link%world, request, ierr)
        else
            call MPI_Isend(words, size(words), MPI_INTEGER, link%server, mpi_tag_payload, &
                link%world, request, ierr)
        end if
    end subroutine start_send

    !> Begin receiving `words`, or the `block` of them; they are defined after `finish`.
    subroutine start_receive(link, words, request, block)
        type(mpi_link), intent(in) :: link
        integer(int32), intent(inout), contiguous, target, asynchronous :: words(:)
        integer, intent(out) :: request
        integer, intent(in), optional :: block  !! from `make_block`
        integer :: ierr
        if (present(block)) then
            call MPI_Irecv(words, 1, block, link%server, mpi_tag_payload, link%world, request, ierr)
        else
            call MPI_Irecv(words, size(words), MPI_INTEGER, link%server, mpi_tag_payload, &
                link%world, request, ierr)
        end if
    end subroutine start_receive

    !> Describe to MPI the inner cells of a local array, so that they travel without a copy.
    subroutine make_block(sizes, inner, starts, block)
        integer, intent(in) :: sizes(3)   !! words in a row, rows, levels
        integer, intent(in) :: inner(3)   !! those that travel
        integer, intent(in) :: starts(3)  !! those before them
        integer, intent(out) :: block
        integer :: ierr
        call MPI_Type_create_subarray(3, sizes, inner, starts, MPI_ORDER_FORTRAN, MPI_INTEGER, &
            block, ierr)
        call MPI_Type_commit(block, ierr)
    end subroutine make_block

    !> Give back what `make_block` made.
    subroutine free_block(block)
        integer, intent(inout) :: block
        integer :: ierr
        call MPI_Type_free(block, ierr)
    end subroutine free_block

    !> Wait for a send or receive that was begun.
    subroutine finish(link, request)
        type(mpi_link), intent(in) :: link
        integer, intent(inout) :: request
        call wait_for(link, request, link%timeout, "the server to exchange values")
    end subroutine finish

    !> Maximum of `value` over the model's ranks. Collective.
    subroutine largest_of_ranks(link, value)
        type(mpi_link), intent(in) :: link
        integer, intent(inout) :: value
        integer :: ierr
        if (link%size > 1) call MPI_Allreduce(MPI_IN_PLACE, value, 1, MPI_INTEGER, MPI_MAX, &
            link%model, ierr)
    end subroutine largest_of_ranks

    !> Time on the wall, in s from some moment on.
    function seconds_now() result(seconds)
        real(real64) :: seconds
        seconds = MPI_Wtime()
    end function seconds_now

    !> Wait until `request` is complete, without burning the core.
    subroutine wait_for(link, request, timeout, what)
        type(mpi_link), intent(in) :: link
        integer, intent(inout) :: request
        real(real64), intent(in) :: timeout  !! s; negative: for ever, the other side may be idle
        character(*), intent(in) :: what     !! what we wait for, for the error message
        integer :: ierr, nap
        real(real64) :: start, waited, looked, stopped, yield_time
        logical :: done

        call MPI_Test(request, done, MPI_STATUS_IGNORE, ierr)
        if (done) return
        start = MPI_Wtime()
        looked = 0
        stopped = 0
        nap = 20
        yield_time = merge(idle_yield_time, exchange_yield_time, timeout < 0)
        do
            call MPI_Test(request, done, MPI_STATUS_IGNORE, ierr)
            if (done) return
            waited = MPI_Wtime() - start
            if (waited < link%spin) cycle
            if (waited < yield_time) then
                call yield_core()
                cycle
            end if
            if (waited > looked + look_around) then
                if (sibling_is_stopped(link%server_process, link%parent)) then
                    ! A look that comes late was late because we were stopped as well.
                    stopped = stopped + min(waited - looked, 2*look_around)
                else
                    stopped = 0
                end if
                if (stopped > link%patience) call give_up(link, &
                    "no sign of life from the server: its process is stopped")
                looked = waited
                if (parent_process() /= link%parent) call give_up(link, "the launcher is gone")
                if (timeout >= 0 .and. waited > timeout) then
                    call give_up(link, "waited in vain for "//what)
                end if
            end if
            call sleep_microseconds(nap)
            nap = min(2*nap, longest_sleep)
        end do
    end subroutine wait_for

    !> End the whole job with a non-zero code: nothing sensible can follow.
    subroutine give_up(link, reason)
        type(mpi_link), intent(in) :: link
        character(*), intent(in) :: reason
        integer :: ierr
        write (error_unit, "(a, i0, 3a)") "nemo-bridge: model rank ", link%rank, ": ", &
            trim(reason), "; ending the job"
        flush (error_unit)  ! MPI_Abort does not
        ! MPI_Abort asks the launcher to end the job; without a launcher it may wait for ever.
        if (parent_process() == link%parent) call MPI_Abort(MPI_COMM_WORLD, 1, ierr)
        call exit_now(1)
    end subroutine give_up
end module bridge_mpi
