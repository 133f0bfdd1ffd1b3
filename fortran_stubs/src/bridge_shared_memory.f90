!> Memory that this rank shares with the server, where both run on one machine.
!>
!> The server owns an anonymous file (nothing of it is ever seen in a file system); we open it as
!> /proc/<process>/fd/<number>, which the system grants to the same user in the same place alone.
!> Arrays of the server lie in it. Where it asks for values, or has some, it says in which place of
!> the file they belong: we copy them there, or from there, and no message carries them. Whose turn
!> it is follows from the messages, which also order memory: a place is ours from the header that
!> names it until our answer. Twin of `bridge/shared_memory.py`; a test compares the constants.
module bridge_shared_memory
    use, intrinsic :: iso_c_binding, only: c_associated, c_char, c_f_pointer, c_int, c_int64_t, &
        c_intptr_t, c_loc, c_long, c_null_char, c_null_ptr, c_ptr, c_size_t
    use bridge_block, only: block_shape, copy_rows
    use bridge_kinds, only: int32, int64, message_length
    use bridge_process, only: own_place
    implicit none
    private

    public :: shared_memory, shared_place, attach, detach, place_from_words, fits, copy_values

    integer, parameter, public :: nonce_at = 0       !! a number that proves whose file it is
    integer, parameter, public :: answers_at = 64    !! what each rank makes of it, one after the other
    integer, parameter, public :: place_words = 6    !! words of 32 bits that say where values lie

    type :: shared_memory
        character(kind=c_char), pointer :: bytes(:) => null()
    end type shared_memory

    !> Where a rank's part of a field lies in the file.
    type :: shared_place
        integer(int64) :: offset = 0         !! bytes before its first value; 0: nowhere
        integer(int64) :: record_stride = 0  !! bytes from a record of a run to the next
        integer(int32) :: row_stride = 0     !! words of 32 bits from a row to the next
        integer(int32) :: level_stride = 0   !! … and from a level to the next
    end type shared_place

    interface
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

contains

    !> Map the server's file. `objection` says why it will not be used, blank if it will.
    subroutine attach(memory, place, process, file, nonce, rank, objection)
        type(shared_memory), intent(inout) :: memory
        character(*), intent(in) :: place  !! where the server's process id is valid
        integer, intent(in) :: process     !! its id
        integer, intent(in) :: file        !! the number of the file there
        integer(int64), intent(in) :: nonce
        integer, intent(in) :: rank
        character(message_length), intent(out) :: objection
        character(64) :: path

        call detach(memory)
        objection = unwanted()
        if (objection /= "") return
        if (place /= own_place()) then
            objection = "the model runs in another place: "//own_place()
            return
        end if
        write (path, "(2(a, i0))") "/proc/", process, "/fd/", file
        call map_file(memory, path, rank, objection)
        if (objection == "") call prove(memory, nonce, rank, objection)
        if (objection /= "") call detach(memory)
    end subroutine attach

    !> Why shared memory is not to be used; blank if nobody said so.
    function unwanted() result(objection)
        character(message_length) :: objection
        character(8) :: wanted
        objection = ""
        call get_environment_variable("NEMO_BRIDGE_SHARED_MEMORY", wanted)
        if (wanted == "off") objection = "NEMO_BRIDGE_SHARED_MEMORY=off"
    end function unwanted

    !> Forget the server's file: values travel as messages.
    subroutine detach(memory)
        type(shared_memory), intent(inout) :: memory
        integer(c_int) :: code
        if (associated(memory%bytes)) then
            code = c_munmap(c_loc(memory%bytes(1)), size(memory%bytes, kind=c_size_t))
        end if
        memory = shared_memory()
    end subroutine detach

    subroutine map_file(memory, path, rank, objection)
        type(shared_memory), intent(inout) :: memory
        character(*), intent(in) :: path
        integer, intent(in) :: rank
        character(message_length), intent(inout) :: objection
        integer(c_int), parameter :: from_end = 2, read_and_write = 3, shared = 1
        type(c_ptr) :: stream, address
        integer(c_int) :: code
        integer(c_long) :: length

        stream = c_fopen(trim(path)//c_null_char, "r+"//c_null_char)
        if (.not. c_associated(stream)) then
            objection = trim(path)//" cannot be opened"
            return
        end if
        code = c_fseek(stream, 0_c_long, from_end)
        length = c_ftell(stream)
        if (code /= 0 .or. length < answers_at + 8*(rank + 1)) then
            objection = trim(path)//" has no room for the answer of this rank"
        else
            address = c_mmap(c_null_ptr, int(length, c_size_t), read_and_write, shared, &
                c_fileno(stream), 0_c_long)
            if (transfer(address, 0_c_intptr_t) == -1_c_intptr_t) then
                objection = trim(path)//" cannot be mapped"
            else
                call c_f_pointer(address, memory%bytes, [length])
            end if
        end if
        code = c_fclose(stream)
    end subroutine map_file

    !> Is it the server's file? Then leave our answer in it, so that the server sees it too.
    subroutine prove(memory, nonce, rank, objection)
        type(shared_memory), intent(in) :: memory
        integer(int64), intent(in) :: nonce
        integer, intent(in) :: rank
        character(message_length), intent(inout) :: objection
        integer(c_int64_t), pointer :: found, answer

        call c_f_pointer(c_loc(memory%bytes(nonce_at + 1)), found)
        if (found /= nonce) then
            objection = "the file is not that of the server"
            return
        end if
        call c_f_pointer(c_loc(memory%bytes(answers_at + 8*rank + 1)), answer)
        answer = nonce
    end subroutine prove

    !> A place as it is told in a payload.
    pure function place_from_words(words) result(place)
        integer(int32), intent(in) :: words(place_words)
        type(shared_place) :: place
        place%offset = transfer(words(1:2), place%offset)
        place%record_stride = transfer(words(3:4), place%record_stride)
        place%row_stride = words(5)
        place%level_stride = words(6)
    end function place_from_words

    !> Does a block in this place, in this record of it, lie within the file, each value once?
    pure function fits(memory, place, record, shape) result(inside)
        type(shared_memory), intent(in) :: memory
        type(shared_place), intent(in) :: place
        integer, intent(in) :: record  !! from 0
        type(block_shape), intent(in) :: shape
        logical :: inside
        integer(int64), parameter :: most = 2_int64**45  !! so that no product is too large
        integer(int64) :: first, words

        inside = associated(memory%bytes) .and. place%offset > 0 .and. place%offset < most .and. &
            mod(place%offset, 4_int64) == 0 .and. mod(place%record_stride, 4_int64) == 0 .and. &
            place%record_stride >= 0 .and. place%record_stride < most/(record + 1_int64) .and. &
            place%row_stride >= shape%inner(1) .and. &
            place%level_stride >= place%row_stride*(shape%inner(2) - 1_int64) + shape%inner(1)
        if (.not. inside) return
        first = place%offset + record*place%record_stride
        words = (shape%inner(3) - 1_int64)*place%level_stride &
            + (shape%inner(2) - 1_int64)*place%row_stride + shape%inner(1)
        inside = first + 4*words <= size(memory%bytes, kind=int64)
    end function fits

    !> Copy the block among `words` to a place that fits, or from there.
    subroutine copy_values(memory, place, record, words, shape, outward)
        type(shared_memory), intent(in) :: memory
        type(shared_place), intent(in) :: place
        integer, intent(in) :: record  !! from 0
        integer(int32), intent(inout), contiguous, target :: words(:)
        type(block_shape), intent(in) :: shape
        logical, intent(in) :: outward  !! out of the model's array
        integer(int64) :: first
        first = place%offset + record*place%record_stride
        call copy_rows(words, shape, c_loc(memory%bytes(first + 1)), int(place%row_stride, int64), &
            int(place%level_stride, int64), outward)
    end subroutine copy_values
end module bridge_shared_memory
