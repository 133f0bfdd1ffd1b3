!> Who and where this process is, and whether another one on the same machine still lives.
module bridge_process
    use, intrinsic :: iso_c_binding, only: c_char, c_int, c_long, c_null_char, c_size_t
    implicit none
    private

    public :: own_process, own_place, own_directory, process_is_gone, sibling_is_stopped

    integer, parameter :: longest_text = 1024

    interface
        function c_getpid() bind(c, name="getpid") result(process)
            import :: c_int
            integer(c_int) :: process
        end function c_getpid
        function c_gethostname(name, bytes) bind(c, name="gethostname") result(code)
            import :: c_char, c_int, c_size_t
            character(kind=c_char), intent(out) :: name(*)
            integer(c_size_t), value :: bytes
            integer(c_int) :: code
        end function c_gethostname
        function c_readlink(path, target, bytes) bind(c, name="readlink") result(length)
            import :: c_char, c_long, c_size_t
            character(kind=c_char), intent(in) :: path(*)
            character(kind=c_char), intent(out) :: target(*)
            integer(c_size_t), value :: bytes
            integer(c_long) :: length
        end function c_readlink
    end interface

contains

    !> Process id of this process.
    function own_process() result(process)
        integer :: process
        process = int(c_getpid())
    end function own_process

    !> Where process ids mean what they mean here: host, boot and namespace of process ids.
    !> Blank entries where the system does not tell: such a place is like no other.
    function own_place() result(place)
        character(:), allocatable :: place
        character(len=longest_text) :: boot
        integer :: unit, code

        boot = ""
        open (newunit=unit, file="/proc/sys/kernel/random/boot_id", action="read", status="old", &
            iostat=code)
        if (code == 0) then
            read (unit, "(a)", iostat=code) boot
            close (unit)
        end if
        place = host_name()//" "//trim(boot)//" "//link_target("/proc/self/ns/pid")
    end function own_place

    function host_name() result(name)
        character(:), allocatable :: name
        character(kind=c_char) :: letters(longest_text)
        letters = c_null_char
        name = ""
        if (c_gethostname(letters, int(size(letters) - 1, c_size_t)) == 0) name = text_of(letters)
    end function host_name

    !> The directory in which this process works, and where a user finds its log.
    function own_directory() result(directory)
        character(:), allocatable :: directory
        directory = link_target("/proc/self/cwd")
    end function own_directory

    function link_target(path) result(target)
        character(*), intent(in) :: path
        character(:), allocatable :: target
        character(kind=c_char) :: letters(longest_text)
        integer(c_long) :: length
        letters = c_null_char
        length = c_readlink(path//c_null_char, letters, int(size(letters) - 1, c_size_t))
        target = text_of(letters)
    end function link_target

    pure function text_of(letters) result(text)
        character(kind=c_char), intent(in) :: letters(:)
        character(:), allocatable :: text
        integer :: i
        text = ""
        do i = 1, size(letters)
            if (letters(i) == c_null_char) exit
            text = text//letters(i)
        end do
    end function text_of

    !> Has a process of this place ended (or died, and nobody has buried it yet)?
    function process_is_gone(process) result(gone)
        integer, intent(in) :: process
        logical :: gone
        character :: state
        integer :: parent
        call look_up(process, state, parent)
        gone = scan(state, " ZX") > 0
    end function process_is_gone

    !> Is a process stopped, which our own launcher has started on this machine?
    function sibling_is_stopped(process, launcher) result(stopped)
        integer, intent(in) :: process, launcher
        logical :: stopped
        character :: state
        integer :: parent
        call look_up(process, state, parent)
        stopped = state == "T" .and. parent == launcher
    end function sibling_is_stopped

    !> What the system says of a process of this place: a letter (blank: there is none), its parent.
    subroutine look_up(process, state, parent)
        integer, intent(in) :: process
        character, intent(out) :: state
        integer, intent(out) :: parent
        character(64) :: path
        character(len=longest_text) :: line
        integer :: unit, code, place

        state = " "
        parent = 0
        write (path, "(a, i0, a)") "/proc/", process, "/stat"
        open (newunit=unit, file=trim(path), action="read", status="old", iostat=code)
        if (code /= 0) return
        read (unit, "(a)", iostat=code) line
        close (unit)
        state = "?"
        place = index(line, ") ", back=.true.)
        if (code /= 0 .or. place == 0) return
        state = line(place + 2:place + 2)
        read (line(place + 3:), *, iostat=code) parent
    end subroutine look_up
end module bridge_process
