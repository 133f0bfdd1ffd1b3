!> Settings that a user gives in the environment: read here, and refused here when they make no
!> sense.
!>
!> Twin of bridge/settings.py. A variable that is empty counts as one that is not set.
module bridge_settings
    use bridge_kinds, only: message_length, real64
    implicit none
    private

    public :: settings, read_settings

    integer, parameter :: longest = 64  !! characters of a value

    type :: settings
        real(real64) :: patience = 20   !! s without a sign of life of the server
        real(real64) :: spin = 150      !! microseconds for which a wait keeps the core, over MPI
        integer :: instance = 0         !! label of this model
        logical :: server_required = .false.  !! does the launcher insist on one?
    end type settings

contains

    !> Replace those of `wanted` that the environment gives; `message` names the first that makes no
    !> sense, blank if all do.
    subroutine read_settings(wanted, message)
        type(settings), intent(inout) :: wanted
        character(message_length), intent(out) :: message
        character(longest) :: word

        message = ""
        call read_number("NEMO_BRIDGE_PATIENCE", "seconds from 1 to 10000", 1.0_real64, &
            1.0e4_real64, wanted%patience, message)
        call read_number("NEMO_BRIDGE_SPIN", "microseconds from 0 to 1e+09", 0.0_real64, &
            1.0e9_real64, wanted%spin, message)
        call read_label("NEMO_BRIDGE_INSTANCE", wanted%instance, message)
        call read_word("NEMO_BRIDGE_SERVER", "required", word, message)
        wanted%server_required = word == "required"
        call read_word("NEMO_BRIDGE_SHARED_MEMORY", "auto, on, off", word, message)
    end subroutine read_settings

    subroutine read_number(name, kind_of, lowest, highest, number, message)
        character(*), intent(in) :: name, kind_of
        real(real64), intent(in) :: lowest, highest
        real(real64), intent(inout) :: number  !! stays where the variable is not set
        character(message_length), intent(inout) :: message
        character(longest) :: text
        integer :: status, exponent

        call get_environment_variable(name, text)
        if (text == "") return
        ! Fortran alone would read "1 s", "1,2" and "2*3" as numbers, and 1e999 may trap.
        status = verify(trim(adjustl(text)), "0123456789+-.eE")
        exponent = scan(text, "eE")
        if (exponent > 0) then
            if (scan(text(exponent + 1:), "+-") == 1) exponent = exponent + 1
            if (len_trim(text) - exponent > 2) status = 1
        end if
        if (status == 0) read (text, *, iostat=status) number
        if (status == 0) then
            if (number >= lowest .and. number <= highest) return
        end if
        call refuse(name, "a number of "//kind_of, text, message)
    end subroutine read_number

    subroutine read_label(name, label, message)
        character(*), intent(in) :: name
        integer, intent(inout) :: label  !! stays where the variable is not set
        character(message_length), intent(inout) :: message
        character(longest) :: text
        integer :: status

        call get_environment_variable(name, text)
        if (text == "") return
        status = verify(trim(adjustl(text)), "0123456789")
        if (status == 0) read (text, *, iostat=status) label
        if (status /= 0) call refuse(name, "a whole number from 0 to 2147483647", text, message)
    end subroutine read_label

    !> One of some words with commas between them; blank where the variable is not set.
    subroutine read_word(name, words, word, message)
        character(*), intent(in) :: name, words
        character(longest), intent(out) :: word
        character(message_length), intent(inout) :: message

        call get_environment_variable(name, word)
        word = adjustl(word)
        if (word == "") return
        if (scan(trim(word), ", ") == 0 .and. index(", "//words//",", " "//trim(word)//",") > 0) return
        if (index(words, ",") == 0) call refuse(name, words//" or not set", word, message)
        if (index(words, ",") > 0) call refuse(name, "one of "//words, word, message)
    end subroutine read_word

    subroutine refuse(name, expected, text, message)
        character(*), intent(in) :: name, expected, text
        character(message_length), intent(inout) :: message
        if (message == "") message = name//" should be "//expected//", got '"// &
            trim(adjustl(text))//"'"
    end subroutine refuse
end module bridge_settings
