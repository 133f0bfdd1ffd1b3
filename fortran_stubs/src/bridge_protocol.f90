!> The wire: verbs, header, dtype codes and version. Twin of `bridge/protocol.py`; a test compares
!> the two files constant by constant.
!>
!> A message is a header of 64 bytes (16 words of 32 bits, in the machine's own byte order) and,
!> for some verbs, a payload sent separately: text, a list of field numbers, or the values of a
!> field, i running fastest. Payloads are whole words of 32 bits; texts are padded with blanks.
!> Fields of real64 travel as real32 where a header has that dtype, or a list the negative number.
!>
!> run: `extents` are how many fields are recorded, go to the closure and come from it, the steps of
!> a coupling interval (0: none) and the lag in intervals; the payload is the numbers of all three;
!> with `field` 1 another payload follows, the places of those that are recorded and go to the closure.
!> couple: with `argument` 1 the `count` fields for the closure follow, with 0 nothing is asked of it.
!> forcing: `count` fields follow (those of the run, or 0 while there are none), with `argument` 1
!> their places before them; with an error status nothing does, and the run ends where it stands.
!>
!> save: `field` is the beginning of the id of the snapshot of all ranks, which the file of each rank keeps;
!> the answers to save and load have it as `field`, and tell so which files belong together.
!>
!> Fields that have a place in shared memory do not follow: they are there when a header says that
!> they come, and stay until the next one. In set and get `step` is the offset of the place in bytes
!> (0: the values travel), `count` and `argument` the strides of rows and levels in words; get is then
!> answered by a reply.
module bridge_protocol
    use bridge_kinds, only: int32, int64, max_rank
    implicit none
    private

    public :: message_header, header_to_words, header_from_words

    integer(int32), parameter, public :: protocol_magic = 1312969287  !! "NBRG"
    integer(int32), parameter, public :: protocol_version = 3
    integer, parameter, public :: header_words = 16
    integer, parameter, public :: longest_path = 4096  !! bytes of a path in a request
    integer, parameter, public :: most_exchanged = 4096  !! fields in each list of a run
    integer, parameter, public :: tag_words = 8        !! record that each process shows at start

    ! Role of a process in the job.
    integer(int32), parameter, public :: process_model = 1
    integer(int32), parameter, public :: process_server = 2

    ! Requests of the server.
    integer(int32), parameter, public :: verb_hello = 1
    integer(int32), parameter, public :: verb_set = 2
    integer(int32), parameter, public :: verb_get = 3
    integer(int32), parameter, public :: verb_run = 4
    integer(int32), parameter, public :: verb_snapshot = 5
    integer(int32), parameter, public :: verb_restore = 6
    integer(int32), parameter, public :: verb_save = 7
    integer(int32), parameter, public :: verb_load = 8
    integer(int32), parameter, public :: verb_drop = 9
    integer(int32), parameter, public :: verb_stop = 10
    integer(int32), parameter, public :: verb_forcing = 11    !! in answer to couple
    integer(int32), parameter, public :: verb_share = 12

    ! Answers of the model.
    integer(int32), parameter, public :: verb_reply = 20
    integer(int32), parameter, public :: verb_record = 21
    integer(int32), parameter, public :: verb_outcome = 22
    integer(int32), parameter, public :: verb_heartbeat = 23
    integer(int32), parameter, public :: verb_couple = 24     !! an interval of a coupled run begins

    integer(int32), parameter, public :: status_ok = 0
    integer(int32), parameter, public :: status_error = 1
    integer(int32), parameter, public :: status_blew_up = 2

    integer(int32), parameter, public :: dtype_real64 = 1
    integer(int32), parameter, public :: dtype_real32 = 2
    integer(int32), parameter, public :: dtype_int32 = 3
    integer(int32), parameter, public :: dtype_logical = 4  !! travels as int32, 0 or 1

    ! MPI tags. Control and data differ, so that a header is never taken for values.
    integer, parameter, public :: mpi_tag_request = 101
    integer, parameter, public :: mpi_tag_answer = 102
    integer, parameter, public :: mpi_tag_payload = 103

    ! What a registered name is to the model.
    integer(int32), parameter, public :: bridge_parameter = 1   !! tunable scalar or field
    integer(int32), parameter, public :: bridge_state = 2       !! prognostic; saved by snapshots
    integer(int32), parameter, public :: bridge_forcing = 3     !! written by Python before a step
    integer(int32), parameter, public :: bridge_diagnostic = 4  !! readable only
    integer(int32), parameter, public :: bridge_static = 5      !! grid and masks; read once

    type :: message_header
        integer(int32) :: verb = 0
        integer(int32) :: status = status_ok
        integer(int32) :: field = 0            !! number of the field, from 1
        integer(int32) :: dtype = 0
        integer(int32) :: ndims = 0
        integer(int32) :: extents(max_rank) = 0  !! i, j, k, ... of the payload (one rank's tile)
        integer(int32) :: count = 0            !! steps, fields that follow, or bytes of a text
        integer(int32) :: argument = 0         !! slot, recording interval, or verb answered
        integer(int64) :: step = 0             !! model step; a reply to snapshot carries a hash
    end type message_header

contains

    !> Header as the 16 words that travel.
    pure function header_to_words(header) result(words)
        type(message_header), intent(in) :: header
        integer(int32) :: words(header_words)
        words(1) = protocol_magic
        words(2) = protocol_version
        words(3) = header%verb
        words(4) = header%status
        words(5) = header%field
        words(6) = header%dtype
        words(7) = header%ndims
        words(8:12) = header%extents
        words(13) = header%count
        words(14) = header%argument
        words(15:16) = transfer(header%step, words(15:16))
    end function header_to_words

    !> Header from words; `valid` is false when magic or version are not ours.
    pure subroutine header_from_words(words, header, valid)
        integer(int32), intent(in) :: words(header_words)
        type(message_header), intent(out) :: header
        logical, intent(out) :: valid
        valid = words(1) == protocol_magic .and. words(2) == protocol_version
        header%verb = words(3)
        header%status = words(4)
        header%field = words(5)
        header%dtype = words(6)
        header%ndims = words(7)
        header%extents = words(8:12)
        header%count = words(13)
        header%argument = words(14)
        header%step = transfer(words(15:16), header%step)
    end subroutine header_from_words
end module bridge_protocol
