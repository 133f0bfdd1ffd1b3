!> Snapshots: every entry with the role `state`, halos and all time levels included, in numbered
!> slots in memory, and from there to and from files.
module bridge_snapshots
    use, intrinsic :: iso_c_binding, only: c_loc, c_size_t
    use bridge_kinds, only: int32, int64, message_length
    use bridge_protocol, only: bridge_state, protocol_magic
    use bridge_registry, only: local_words, registry, resolve, store
    use bridge_system, only: copy_bytes, rename_file
    implicit none
    private

    public :: snapshot_slot, take_snapshot, restore_snapshot, save_snapshot, load_snapshot
    public :: drop_snapshot

    integer(int32), parameter :: file_version = 3
    integer(int64), parameter :: head_words = 11  !! before the state, in a file
    integer, parameter :: lanes = 64  !! of the hash
    integer, parameter :: highest_slot = 65535

    type :: snapshot_slot
        integer(int32), allocatable :: words(:)  !! all state, entry after entry
        integer(int64) :: step = 0
        integer(int64) :: hash = 0
    end type snapshot_slot

contains

    !> Copy the state into `slot`, replacing what was there.
    subroutine take_snapshot(slots, slot, names, step, message)
        type(snapshot_slot), intent(inout), allocatable :: slots(:)
        integer, intent(in) :: slot
        type(registry), intent(inout) :: names
        integer(int64), intent(in) :: step
        character(message_length), intent(out) :: message
        integer(int32), pointer, contiguous :: words(:)
        integer(int64) :: n, at
        integer :: i

        call make_room(slots, slot, message)
        if (message /= "") return
        n = state_words(names)
        if (allocated(slots(slot)%words)) then
            if (size(slots(slot)%words, kind=int64) /= n) deallocate (slots(slot)%words)
        end if
        if (.not. allocated(slots(slot)%words)) allocate (slots(slot)%words(n))
        at = 0
        do i = 1, names%count
            if (names%entries(i)%role /= bridge_state) cycle
            call resolve(names, i, words)
            call copy_words(words, slots(slot)%words(at + 1:at + size(words, kind=int64)))
            at = at + size(words, kind=int64)
        end do
        slots(slot)%step = step
        slots(slot)%hash = hash_of(slots(slot)%words, step)
    end subroutine take_snapshot

    !> Bring the state of `slot` back, bit by bit, and the step with it.
    subroutine restore_snapshot(slots, slot, names, step, message)
        type(snapshot_slot), intent(in), allocatable :: slots(:)
        integer, intent(in) :: slot
        type(registry), intent(inout) :: names
        integer(int64), intent(inout) :: step
        character(message_length), intent(out) :: message
        integer(int32), pointer, contiguous :: words(:)
        integer(int64) :: at
        integer :: i

        call check_slot(slots, slot, message)
        if (message /= "") return
        at = 0
        do i = 1, names%count
            if (names%entries(i)%role /= bridge_state) cycle
            call resolve(names, i, words)
            call copy_words(slots(slot)%words(at + 1:at + size(words, kind=int64)), words)
            at = at + size(words, kind=int64)
            call store(names, i)
        end do
        step = slots(slot)%step
    end subroutine restore_snapshot

    !> As an assignment, but by the C library, which writes around the caches where that is faster.
    subroutine copy_words(from, to)
        integer(int32), intent(in), contiguous, target :: from(:)
        integer(int32), intent(inout), contiguous, target :: to(:)
        if (size(from, kind=int64) == 0) return
        call copy_bytes(c_loc(to(1)), c_loc(from(1)), 4*size(from, kind=c_size_t))
    end subroutine copy_words

    !> Write `slot` to the file of this rank: first under another name, then renamed.
    subroutine save_snapshot(slots, slot, path, rank, ranks, whole, message)
        type(snapshot_slot), intent(in), allocatable :: slots(:)
        integer, intent(in) :: slot
        character(*), intent(in) :: path
        integer, intent(in) :: rank, ranks
        integer(int32), intent(in) :: whole  !! beginning of the id of the snapshot of all ranks
        character(message_length), intent(out) :: message
        character(:), allocatable :: file
        character(message_length) :: reason
        integer :: unit, code
        integer(int64) :: bytes
        logical :: renamed, opened

        call check_slot(slots, slot, message)
        if (message /= "") return
        file = rank_file(path, rank)
        open (newunit=unit, file=file//".part", form="unformatted", access="stream", &
            status="replace", action="write", iostat=code, iomsg=reason)
        if (code == 0) then
            write (unit, iostat=code, iomsg=reason) protocol_magic, file_version, &
                int([rank, ranks], int32), whole, slots(slot)%step, &
                checksum(slots(slot)%hash, whole), size(slots(slot)%words, kind=int64), &
                slots(slot)%words
            if (code == 0) flush (unit, iostat=code, iomsg=reason)
            if (code == 0) close (unit, iostat=code, iomsg=reason)
        end if
        if (code == 0) then
            ! Some run-time libraries keep quiet when the last bytes do not fit on the disk.
            inquire (file=file//".part", size=bytes)
            if (bytes /= 4*(head_words + size(slots(slot)%words, kind=int64))) then
                write (reason, "(a, i0, a)") "no space left on the disk: only ", bytes, " bytes arrived"
                code = 1
            end if
        end if
        if (code == 0) then
            call rename_file(file//".part", file, renamed)
            if (.not. renamed) reason = "it cannot be renamed"
            if (.not. renamed) code = 1
        end if
        if (code == 0) return
        message = "cannot write the snapshot file "//file//": "//trim(reason)
        ! Half a file is of no use, and the disk may be full.
        inquire (file=file//".part", opened=opened, number=unit)
        if (.not. opened) open (newunit=unit, file=file//".part", status="old", iostat=code)
        if (opened .or. code == 0) close (unit, status="delete", iostat=code)
    end subroutine save_snapshot

    !> Read the file of this rank into `slot`; refused unless it fits this model and tile.
    subroutine load_snapshot(slots, slot, path, rank, ranks, names, whole, message)
        type(snapshot_slot), intent(inout), allocatable :: slots(:)
        integer, intent(in) :: slot
        character(*), intent(in) :: path
        integer, intent(in) :: rank, ranks
        type(registry), intent(in) :: names
        integer(int32), intent(out) :: whole  !! as it was saved with
        character(message_length), intent(out) :: message
        integer(int32) :: mark(4)
        integer(int64) :: step, hash, kept, n, bytes
        integer(int32), allocatable :: words(:)
        character(message_length) :: reason
        integer :: unit, code
        logical :: opened

        whole = 0
        call make_room(slots, slot, message)
        if (message /= "") return
        open (newunit=unit, file=rank_file(path, rank), form="unformatted", access="stream", &
            status="old", action="read", iostat=code, iomsg=reason)
        opened = code == 0
        if (code == 0) read (unit, iostat=code, iomsg=reason) mark, whole, step, kept, n
        if (code == 0) then
            inquire (unit=unit, size=bytes)
            if (any(mark(:2) /= [protocol_magic, file_version])) then
                reason = "it is not a snapshot of this version"
                code = 1
            else if (any(mark(3:) /= [rank, ranks]) .or. n /= state_words(names)) then
                write (reason, "(2(a, i0), a)") "it belongs to another decomposition or state (", &
                    mark(4), " ranks; here ", ranks, "): start the model as when it was saved"
                code = 1
            else if (bytes /= 4*(head_words + n)) then
                write (reason, "(2(a, i0), a)") "it has ", bytes, " bytes instead of ", &
                    4*(head_words + n), ": the file is damaged"
                code = 1
            else
                allocate (words(n))
                read (unit, iostat=code, iomsg=reason) words
            end if
        end if
        if (opened) close (unit)
        if (code == 0) then
            hash = hash_of(words, step)
            if (checksum(hash, whole) /= kept .or. abs(step) > huge(unit)) then
                reason = "its content does not match its hash: the file is damaged"
                code = 1
            end if
        end if
        if (code /= 0) then
            message = "cannot read the snapshot file "//rank_file(path, rank)//": "//trim(reason)
            return
        end if
        call move_alloc(words, slots(slot)%words)
        slots(slot)%step = step
        slots(slot)%hash = hash
    end subroutine load_snapshot

    !> Forget `slot` and free its memory.
    subroutine drop_snapshot(slots, slot, message)
        type(snapshot_slot), intent(inout), allocatable :: slots(:)
        integer, intent(in) :: slot
        character(message_length), intent(out) :: message
        call check_slot(slots, slot, message)
        if (message == "") deallocate (slots(slot)%words)
    end subroutine drop_snapshot

    !> Words of all state.
    pure function state_words(names) result(n)
        type(registry), intent(in) :: names
        integer(int64) :: n
        integer :: i
        n = 0
        do i = 1, names%count
            if (names%entries(i)%role == bridge_state) n = n + local_words(names%entries(i))
        end do
    end function state_words

    !> Hash of the content. Each of `lanes` hashes takes every `lanes`th word, so that the compiler
    !> can work on several at once; the last step is a hash of these hashes.
    pure function hash_of(words, step) result(hash)
        integer(int32), intent(in), contiguous :: words(:)
        integer(int64), intent(in) :: step
        integer(int64) :: hash
        integer(int32) :: lane(lanes)
        integer(int64) :: row, last
        integer :: i

        lane = [(i, i=1, lanes)]
        last = size(words, kind=int64)/lanes
        do row = 0, last - 1
            do i = 1, lanes
                lane(i) = mixed(lane(i), words(row*lanes + i))
            end do
        end do
        do i = 1, int(size(words, kind=int64) - last*lanes)
            lane(i) = mixed(lane(i), words(last*lanes + i))
        end do
        hash = ieor(7046029254386353131_int64, step)
        do i = 1, lanes
            hash = ieor(hash, int(lane(i), int64))
            hash = ieor(hash, ishft(hash, 13))
            hash = ieor(hash, ishft(hash, -7))
            hash = ieor(hash, ishft(hash, 17))
        end do
    end function hash_of

    !> What a file keeps of the hash, so that `whole` is checked with the rest.
    pure function checksum(hash, whole)
        integer(int64), intent(in) :: hash
        integer(int32), intent(in) :: whole
        integer(int64) :: checksum
        checksum = ieor(hash, int(whole, int64))
    end function checksum

    !> A hash with one more word in it: exclusive ors and shifts only, since Fortran integers may
    !> not overflow. (No power of these two shifts up to the 4000th maps a difference on itself, so
    !> that alike differences in several words do not cancel.)
    elemental function mixed(hash, word)
        integer(int32), intent(in) :: hash, word
        integer(int32) :: mixed
        mixed = ieor(hash, word)
        mixed = ieor(mixed, shiftl(mixed, 5))
        mixed = ieor(mixed, shiftr(mixed, 9))
    end function mixed

    !> The file of one rank.
    pure function rank_file(path, rank) result(file)
        character(*), intent(in) :: path
        integer, intent(in) :: rank
        character(:), allocatable :: file
        character(8) :: number
        write (number, "(i4.4)") rank
        file = trim(path)//"."//trim(number)
    end function rank_file

    !> Make sure that `slots` reaches `slot`, keeping what is there.
    subroutine make_room(slots, slot, message)
        type(snapshot_slot), intent(inout), allocatable :: slots(:)
        integer, intent(in) :: slot
        character(message_length), intent(out) :: message
        type(snapshot_slot), allocatable :: larger(:)
        integer :: i

        message = ""
        if (slot < 0 .or. slot > highest_slot) then
            write (message, "(2(a, i0))") "slot ", slot, " is not between 0 and ", highest_slot
            return
        end if
        if (.not. allocated(slots)) allocate (slots(0:15))
        if (slot <= ubound(slots, 1)) return
        allocate (larger(0:2*slot))
        do i = 0, ubound(slots, 1)
            call move_alloc(slots(i)%words, larger(i)%words)
            larger(i)%step = slots(i)%step
            larger(i)%hash = slots(i)%hash
        end do
        call move_alloc(larger, slots)
    end subroutine make_room

    !> Blank `message` if `slot` holds a snapshot.
    subroutine check_slot(slots, slot, message)
        type(snapshot_slot), intent(in), allocatable :: slots(:)
        integer, intent(in) :: slot
        character(message_length), intent(out) :: message
        logical :: filled

        message = ""
        filled = .false.
        if (allocated(slots)) then
            if (slot >= 0 .and. slot <= ubound(slots, 1)) filled = allocated(slots(slot)%words)
        end if
        if (.not. filled) write (message, "(a, i0, a)") "slot ", slot, &
            " holds no snapshot: take or load one first"
    end subroutine check_slot
end module bridge_snapshots
