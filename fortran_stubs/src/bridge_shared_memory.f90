!> Payloads through memory that this rank shares with the server, where both run on one machine.
!>
!> The server owns an anonymous file (nothing of it is ever seen in a file system); we open it as
!> /proc/<process>/fd/<number>, which the system grants to the same user in the same place alone.
!> Each rank has a mailbox in it: a control page, then two rings of pieces, to the model and to the
!> server. A piece changes hands by semaphores, which count those that are filled and those that are
!> free. They also order memory: POSIX promises it for sem_post and sem_trywait, and no other means
!> that Fortran 2008 can name does. Where to read or write next is known to each side by itself, so
!> nothing that the other side could write leads outside of the mailbox. Twin of
!> `bridge/transport/shared_memory.py`; a test compares the constants of the two files.
module bridge_shared_memory
    use, intrinsic :: iso_c_binding, only: c_associated, c_char, c_f_pointer, c_f_procpointer, &
        c_funptr, c_int, c_int64_t, c_intptr_t, c_loc, c_long, c_null_char, c_null_ptr, c_ptr, &
        c_size_t
    use bridge_kinds, only: int64, message_length
    use bridge_process, only: own_place
    implicit none
    private

    public :: mailbox, attach, detach, is_ours, ours_within, piece_to_write, written
    public :: piece_to_read, length_to_read, was_read

    ! Bytes from the beginning of a mailbox.
    integer, parameter, public :: nonce_at = 0             !! a number that proves who made it
    integer, parameter, public :: hello_at = 64            !! semaphores: the server posted this one
    integer, parameter, public :: reply_at = 128           !! … and the model this one
    integer, parameter, public :: to_model_at = 192        !! semaphores of a ring: filled, free
    integer, parameter, public :: to_server_at = 320
    integer, parameter, public :: semaphore_stride = 64
    integer, parameter, public :: lengths_at = 512         !! of the pieces, of each ring in turn
    integer, parameter, public :: control_bytes = 4096
    ! Of a ring.
    integer, parameter, public :: mailbox_pieces = 8
    integer, parameter, public :: mailbox_piece_bytes = 262144
    integer, parameter, public :: smallest_shared = 16384  !! bytes; less travels as before

    !> Semaphores to wait for: a piece to write into, one to read.
    integer, parameter, public :: to_write = to_server_at + semaphore_stride
    integer, parameter, public :: to_read = to_model_at

    integer, parameter :: ring_bytes = mailbox_pieces*mailbox_piece_bytes
    integer, parameter :: mailbox_bytes = control_bytes + 2*ring_bytes

    !> `struct timespec` of the C library.
    type, bind(c) :: moment
        integer(c_long) :: seconds = 0
        integer(c_long) :: nanoseconds = 0
    end type moment

    abstract interface
        function wait_until_moment(semaphore, end_of_wait) bind(c) result(code)
            import :: c_int, c_ptr, moment
            type(c_ptr), value :: semaphore
            type(moment), intent(in) :: end_of_wait
            integer(c_int) :: code
        end function wait_until_moment
        function of_semaphore(semaphore) bind(c) result(code)
            import :: c_int, c_ptr
            type(c_ptr), value :: semaphore
            integer(c_int) :: code
        end function of_semaphore
    end interface

    interface
        function c_dlsym(handle, symbol) bind(c, name="dlsym") result(address)
            import :: c_char, c_funptr, c_ptr
            type(c_ptr), value :: handle
            character(kind=c_char), intent(in) :: symbol(*)
            type(c_funptr) :: address
        end function c_dlsym
        function c_clock_gettime(clock, now) bind(c, name="clock_gettime") result(code)
            import :: c_int, moment
            integer(c_int), value :: clock
            type(moment), intent(out) :: now
            integer(c_int) :: code
        end function c_clock_gettime
        function c_fopen(path, mode) bind(c, name="fopen") result(stream)
            import :: c_char, c_ptr
            character(kind=c_char), intent(in) :: path(*), mode(*)
            type(c_ptr) :: stream
        end function c_fopen
        function c_fileno(stream) bind(c, name="fileno") result(descriptor)
            import :: c_int, c_ptr
            type(c_ptr), value :: stream
            integer(c_int) :: descriptor
        end function c_fileno
        function c_fseek(stream, offset, origin) bind(c, name="fseek") result(code)
            import :: c_int, c_long, c_ptr
            type(c_ptr), value :: stream
            integer(c_long), value :: offset
            integer(c_int), value :: origin
            integer(c_int) :: code
        end function c_fseek
        function c_ftell(stream) bind(c, name="ftell") result(position)
            import :: c_long, c_ptr
            type(c_ptr), value :: stream
            integer(c_long) :: position
        end function c_ftell
        function c_fclose(stream) bind(c, name="fclose") result(code)
            import :: c_int, c_ptr
            type(c_ptr), value :: stream
            integer(c_int) :: code
        end function c_fclose
        function c_mmap(address, bytes, protection, flags, descriptor, offset) &
            bind(c, name="mmap") result(place)
            import :: c_int, c_long, c_ptr, c_size_t
            type(c_ptr), value :: address
            integer(c_size_t), value :: bytes
            integer(c_int), value :: protection, flags, descriptor
            integer(c_long), value :: offset
            type(c_ptr) :: place
        end function c_mmap
        function c_munmap(address, bytes) bind(c, name="munmap") result(code)
            import :: c_int, c_ptr, c_size_t
            type(c_ptr), value :: address
            integer(c_size_t), value :: bytes
            integer(c_int) :: code
        end function c_munmap
    end interface

    type :: mailbox
        logical :: attached = .false.
        character(kind=c_char), pointer :: bytes(:) => null()
        integer :: next_write = 0  !! piece of the ring to the server, from 0
        integer :: next_read = 0   !! piece of the ring to the model, from 0
        ! Found at run time: older systems keep them in a library of threads, which MPI has opened.
        procedure(of_semaphore), pointer, nopass :: post => null()
        procedure(of_semaphore), pointer, nopass :: try => null()
        procedure(wait_until_moment), pointer, nopass :: wait => null()
    end type mailbox

contains

    !> Map the mailbox of `rank` in the server's file. `objection` says why there will be none,
    !> blank if there is one.
    subroutine attach(box, place, process, file, nonce, rank, objection)
        type(mailbox), intent(inout) :: box
        character(*), intent(in) :: place             !! where the server's process id is valid
        integer, intent(in) :: process, file          !! its id, and the number of the file there
        integer(int64), intent(in) :: nonce
        integer, intent(in) :: rank
        character(message_length), intent(out) :: objection
        character(64) :: path

        call detach(box)
        objection = unwanted()
        if (objection /= "") return
        if (place /= own_place()) then
            objection = "the model runs in another place: "//own_place()
            return
        end if
        write (path, "(2(a, i0))") "/proc/", process, "/fd/", file
        call map_file(box, path, rank, objection)
        if (objection == "") call find_semaphores(box, objection)
        if (objection == "") call prove(box, nonce, objection)
        box%attached = objection == ""
        if (.not. box%attached) call detach(box)
    end subroutine attach

    !> Why shared memory is not to be used; blank if nobody said so.
    function unwanted() result(objection)
        character(message_length) :: objection
        character(8) :: wanted
        objection = ""
        call get_environment_variable("NEMO_BRIDGE_SHARED_MEMORY", wanted)
        if (wanted == "off") objection = "NEMO_BRIDGE_SHARED_MEMORY=off"
    end function unwanted

    !> Forget the mailbox: payloads travel as before.
    subroutine detach(box)
        type(mailbox), intent(inout) :: box
        integer(c_int) :: code
        if (associated(box%bytes)) then
            code = c_munmap(c_loc(box%bytes(1)), int(mailbox_bytes, c_size_t))
        end if
        box = mailbox()
    end subroutine detach

    subroutine map_file(box, path, rank, objection)
        type(mailbox), intent(inout) :: box
        character(*), intent(in) :: path
        integer, intent(in) :: rank
        character(message_length), intent(inout) :: objection
        integer(c_int), parameter :: from_end = 2, read_and_write = 3, shared = 1
        type(c_ptr) :: stream, place
        integer(c_int) :: code
        integer(c_long) :: offset, length

        stream = c_fopen(trim(path)//c_null_char, "r+"//c_null_char)
        if (.not. c_associated(stream)) then
            objection = trim(path)//" cannot be opened"
            return
        end if
        offset = int(mailbox_bytes, c_long)*rank
        code = c_fseek(stream, 0_c_long, from_end)
        length = c_ftell(stream)
        if (code /= 0 .or. length < offset + mailbox_bytes) then
            objection = trim(path)//" has no mailbox for this rank"
        else
            place = c_mmap(c_null_ptr, int(mailbox_bytes, c_size_t), read_and_write, shared, &
                c_fileno(stream), offset)
            if (transfer(place, 0_c_intptr_t) == -1_c_intptr_t) then
                objection = trim(path)//" cannot be mapped"
            else
                call c_f_pointer(place, box%bytes, [mailbox_bytes])
            end if
        end if
        code = c_fclose(stream)
    end subroutine map_file

    subroutine find_semaphores(box, objection)
        type(mailbox), intent(inout) :: box
        character(message_length), intent(inout) :: objection
        procedure(of_semaphore), pointer :: poster, trier
        procedure(wait_until_moment), pointer :: waiter
        type(c_funptr) :: post, try, wait
        ! The null handle stands for all libraries that are open.
        post = c_dlsym(c_null_ptr, "sem_post"//c_null_char)
        try = c_dlsym(c_null_ptr, "sem_trywait"//c_null_char)
        wait = c_dlsym(c_null_ptr, "sem_timedwait"//c_null_char)
        if (.not. (c_associated(post) .and. c_associated(try) .and. c_associated(wait))) then
            objection = "the system has no semaphores"
            return
        end if
        ! A pointer of its own for each: compilers refuse components here.
        call c_f_procpointer(post, poster)
        call c_f_procpointer(try, trier)
        call c_f_procpointer(wait, waiter)
        box%post => poster
        box%try => trier
        box%wait => waiter
    end subroutine find_semaphores

    !> Is it the server's file, and do its semaphores mean the same to both? Then say hello.
    subroutine prove(box, nonce, objection)
        type(mailbox), intent(in) :: box
        integer(int64), intent(in) :: nonce
        character(message_length), intent(inout) :: objection
        integer(c_int64_t), pointer :: found
        logical :: same
        integer(c_int) :: code

        call c_f_pointer(c_loc(box%bytes(nonce_at + 1)), found)
        same = found == nonce
        if (same) same = is_ours(box, hello_at)
        if (same) same = .not. is_ours(box, hello_at)
        if (.not. same) objection = "the mailbox is not that of the server"
        if (same) code = box%post(semaphore(box, reply_at))
    end subroutine prove

    function semaphore(box, offset) result(address)
        type(mailbox), intent(in) :: box
        integer, intent(in) :: offset
        type(c_ptr) :: address
        address = c_loc(box%bytes(offset + 1))
    end function semaphore

    !> Count a semaphore down, unless it is at 0: the piece that it stands for is ours then.
    function is_ours(box, which) result(ours)
        type(mailbox), intent(in) :: box
        integer, intent(in) :: which  !! to_write or to_read
        logical :: ours
        ours = box%try(semaphore(box, which)) == 0
    end function is_ours

    !> The same, asleep for up to `nap` until it can be.
    function ours_within(box, which, nap) result(ours)
        type(mailbox), intent(in) :: box
        integer, intent(in) :: which  !! to_write or to_read
        integer, intent(in) :: nap    !! ms
        logical :: ours
        integer(c_int), parameter :: real_time = 0
        integer(c_long), parameter :: one_second = 1000000000
        type(moment) :: then
        integer(c_int) :: code
        code = c_clock_gettime(real_time, then)
        then%nanoseconds = then%nanoseconds + 1000000_c_long*nap
        then%seconds = then%seconds + then%nanoseconds/one_second
        then%nanoseconds = mod(then%nanoseconds, one_second)
        ours = box%wait(semaphore(box, which), then) == 0
    end function ours_within

    !> Memory of the piece to write into.
    function piece_to_write(box) result(address)
        type(mailbox), intent(in) :: box
        type(c_ptr) :: address
        address = c_loc(box%bytes(control_bytes + ring_bytes &
            + box%next_write*mailbox_piece_bytes + 1))
    end function piece_to_write

    !> `length` bytes have been written: hand the piece over.
    subroutine written(box, length)
        type(mailbox), intent(inout) :: box
        integer(int64), intent(in) :: length
        integer(c_int64_t), pointer :: noted
        integer(c_int) :: code
        call c_f_pointer(c_loc(box%bytes(lengths_at &
            + 8*(mailbox_pieces + box%next_write) + 1)), noted)
        noted = length
        code = box%post(semaphore(box, to_server_at))
        box%next_write = mod(box%next_write + 1, mailbox_pieces)
    end subroutine written

    !> Bytes of the piece to read, as the server says: to be checked before they are used.
    function length_to_read(box) result(length)
        type(mailbox), intent(in) :: box
        integer(int64) :: length
        integer(c_int64_t), pointer :: noted
        call c_f_pointer(c_loc(box%bytes(lengths_at + 8*box%next_read + 1)), noted)
        length = noted
    end function length_to_read

    !> Memory of the piece to read.
    function piece_to_read(box) result(address)
        type(mailbox), intent(in) :: box
        type(c_ptr) :: address
        address = c_loc(box%bytes(control_bytes + box%next_read*mailbox_piece_bytes + 1))
    end function piece_to_read

    !> The piece has been read: give it back.
    subroutine was_read(box)
        type(mailbox), intent(inout) :: box
        integer(c_int) :: code
        code = box%post(semaphore(box, to_model_at + semaphore_stride))
        box%next_read = mod(box%next_read + 1, mailbox_pieces)
    end subroutine was_read
end module bridge_shared_memory
