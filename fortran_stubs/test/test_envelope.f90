!> What the Python tests compare with the twin: an envelope as it travels, where this process is,
!> and whether processes live. `test_envelope`: words, place, directory, one answer per argument.
program test_envelope
    use bridge_envelope, only: envelope_from_words, envelope_to_words, kind_payload, message_envelope
    use bridge_kinds, only: int32, int64
    use bridge_process, only: own_directory, own_place, own_process, process_is_gone
    implicit none

    type(message_envelope) :: envelope, back
    character(16) :: argument
    integer :: i, process

    envelope = message_envelope(kind_payload, 2_int64**40 + 1, 2_int64**35 + 7)
    back = envelope_from_words(envelope_to_words(envelope, 9_int32))
    if (back%kind /= envelope%kind .or. back%number /= envelope%number .or. &
        back%acknowledged /= envelope%acknowledged) error stop "an envelope does not come back"
    if (process_is_gone(own_process())) error stop "this process lives"
    print "(8(i0, 1x))", envelope_to_words(envelope, 9_int32)
    print "(a)", own_place(), own_directory()
    do i = 1, command_argument_count()
        call get_command_argument(i, argument)
        read (argument, *) process
        print "(l1)", process_is_gone(process)
    end do
end program test_envelope
