!> What goes in front of every message over ZMQ. Twin of `bridge/transport/envelope.py`; a test
!> compares the two files constant by constant.
!>
!> A message has two frames: an envelope of 32 bytes in the machine's own byte order, and a body.
!> Requests, answers and pieces of payloads are counted in each direction; whoever has taken some
!> says so, and what has not been acknowledged is sent again after a loss of the connection.
module bridge_envelope
    use bridge_kinds, only: int32, int64
    implicit none
    private

    public :: message_envelope, envelope_to_words, envelope_from_words

    integer(int32), parameter, public :: envelope_magic = 1364869710  !! "NBZQ"
    integer, parameter, public :: envelope_words = 8
    integer, parameter, public :: window_messages = 32       !! sent and not yet acknowledged
    integer, parameter, public :: acknowledge_every = 8      !! messages taken
    integer, parameter, public :: piece_bytes = 1048576      !! of a payload, in one message
    integer, parameter, public :: largest_body = 8388608     !! bytes; larger ones are refused

    ! Not counted: how two sides meet, find each other again, and part.
    integer(int32), parameter, public :: kind_hello = 1      !! label rank ranks process, place
    integer(int32), parameter, public :: kind_welcome = 2    !! process patience, place
    integer(int32), parameter, public :: kind_refused = 3    !! why
    integer(int32), parameter, public :: kind_resume = 4     !! the model is connected again
    integer(int32), parameter, public :: kind_resumed = 5    !! the server's answer
    integer(int32), parameter, public :: kind_acknowledge = 6
    integer(int32), parameter, public :: kind_beat = 7
    integer(int32), parameter, public :: kind_goodbye = 8    !! why this side gives up
    ! Counted: what the two sides have to say.
    integer(int32), parameter, public :: kind_request = 10   !! a header
    integer(int32), parameter, public :: kind_answer = 11    !! a header
    integer(int32), parameter, public :: kind_payload = 12   !! a piece of a payload

    type :: message_envelope
        integer(int32) :: kind = 0
        integer(int64) :: number = 0        !! of this message, from 1; 0 where not counted
        integer(int64) :: acknowledged = 0  !! of the other side's messages: all up to this one
    end type message_envelope

contains

    !> Envelope as the words that travel. Magic and version stay where they are in every version.
    pure function envelope_to_words(envelope, version) result(words)
        type(message_envelope), intent(in) :: envelope
        integer(int32), intent(in) :: version
        integer(int32) :: words(envelope_words)
        words(1) = envelope_magic
        words(2) = version
        words(3) = envelope%kind
        words(4) = 0
        words(5:6) = transfer(envelope%number, words(5:6))
        words(7:8) = transfer(envelope%acknowledged, words(7:8))
    end function envelope_to_words

    !> Envelope from words whose magic and version have been checked.
    pure function envelope_from_words(words) result(envelope)
        integer(int32), intent(in) :: words(envelope_words)
        type(message_envelope) :: envelope
        envelope%kind = words(3)
        envelope%number = transfer(words(5:6), envelope%number)
        envelope%acknowledged = transfer(words(7:8), envelope%acknowledged)
    end function envelope_from_words
end module bridge_envelope
