!> The few calls to the C library that Fortran 2008 has no word for.
module bridge_system
    use, intrinsic :: iso_c_binding, only: c_char, c_int, c_null_char, c_ptr, c_size_t
    implicit none
    private

    public :: parent_process, yield_core, sleep_microseconds, rename_file, exit_now
    public :: copy_bytes

    interface
        function c_getppid() bind(c, name="getppid") result(pid)
            import :: c_int
            integer(c_int) :: pid
        end function c_getppid
        function c_sched_yield() bind(c, name="sched_yield") result(code)
            import :: c_int
            integer(c_int) :: code
        end function c_sched_yield
        function c_usleep(microseconds) bind(c, name="usleep") result(code)
            import :: c_int
            integer(c_int), value :: microseconds
            integer(c_int) :: code
        end function c_usleep
        function c_rename(from, to) bind(c, name="rename") result(code)
            import :: c_char, c_int
            character(kind=c_char), intent(in) :: from(*), to(*)
            integer(c_int) :: code
        end function c_rename
        function c_memcpy(to, from, bytes) bind(c, name="memcpy") result(same)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: to, from
            integer(c_size_t), value :: bytes
            type(c_ptr) :: same
        end function c_memcpy
        subroutine c_exit_now(code) bind(c, name="_exit")
            import :: c_int
            integer(c_int), value :: code
        end subroutine c_exit_now
    end interface

contains

    !> Process id of the parent: it changes when the launcher dies.
    function parent_process() result(pid)
        integer :: pid
        pid = int(c_getppid())
    end function parent_process

    !> Let another process have the core.
    subroutine yield_core()
        integer(c_int) :: code
        code = c_sched_yield()
    end subroutine yield_core

    !> Sleep for about `microseconds` (< 1e6).
    subroutine sleep_microseconds(microseconds)
        integer, intent(in) :: microseconds
        integer(c_int) :: code
        code = c_usleep(int(microseconds, c_int))
    end subroutine sleep_microseconds

    !> Rename a file, replacing the target in one indivisible act; `done` is false on failure.
    subroutine rename_file(from, to, done)
        character(*), intent(in) :: from, to
        logical, intent(out) :: done
        done = c_rename(trim(from)//c_null_char, trim(to)//c_null_char) == 0
    end subroutine rename_file

    !> Copy memory, aligned or not, that is ours on one side at most.
    subroutine copy_bytes(to, from, bytes)
        type(c_ptr), intent(in) :: to, from
        integer(c_size_t), intent(in) :: bytes
        type(c_ptr) :: same
        if (bytes > 0) same = c_memcpy(to, from, bytes)
    end subroutine copy_bytes

    !> End this process at once, without the clean-up of MPI (which waits for a launcher).
    subroutine exit_now(code)
        integer, intent(in) :: code
        call c_exit_now(int(code, c_int))
    end subroutine exit_now
end module bridge_system
