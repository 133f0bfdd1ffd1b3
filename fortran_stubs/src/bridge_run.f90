!> A run, step by step: what is recorded, what is exchanged with a closure in Python, how it ends.
module bridge_run
    use bridge_exchange, only: can_be_narrow, check_number, receive_entry, send_entry, share_entry
    use bridge_handles, only: bridge_handle, coupling_plan, field_list
    use bridge_kinds, only: int32, int64, message_length, real64
    use bridge_link, only: finish, give_up, receive_header, seconds_now, send_header, start_receive
    use bridge_protocol, only: bridge_diagnostic, bridge_static, message_header, status_blew_up, &
        status_ok, verb_couple, verb_forcing, verb_heartbeat, verb_outcome, verb_record
    use bridge_shared_memory, only: place_from_words, place_words, shared_place
    implicit none
    private

    public :: plan_run, couple, report_step, send_outcome

    real(real64), parameter :: heartbeat_interval = 1.0_real64  !! s

contains

    !> Take a request to run to heart, or say in `message` why not.
    subroutine plan_run(bridge, request, numbers, places, step, message)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: request
        integer(int32), intent(in) :: numbers(:)  !! of the fields to be recorded and exchanged
        integer(int32), intent(in) :: places(:)   !! of those that go to the server; or nothing
        integer, intent(in) :: step
        character(message_length), intent(out) :: message
        integer :: recorded, shown

        call check_plan(bridge, request, numbers, step, message)
        if (message /= "") return
        recorded = request%extents(1)
        shown = recorded + request%extents(2)
        bridge%recorded = listed(numbers(:recorded), places(:min(size(places), place_words*recorded)))
        bridge%coupling = coupling_plan(listed(numbers(recorded + 1:shown), &
            places(place_words*recorded + 1:)), numbers(shown + 1:), int(request%extents(4)), &
            int(request%extents(5)))
        bridge%first_step = step
        bridge%steps_left = request%count
        bridge%every = request%argument
        bridge%last_sent = seconds_now()
    end subroutine plan_run

    !> A list of fields; without any places, they travel as messages.
    pure function listed(numbers, places) result(list)
        integer(int32), intent(in) :: numbers(:)
        integer(int32), intent(in) :: places(:)  !! words
        type(field_list) :: list
        integer :: i
        allocate (list%numbers(size(numbers)), list%places(size(numbers)))
        list%numbers(:) = numbers
        if (size(places) < place_words*size(numbers)) return
        do i = 1, size(numbers)
            list%places(i) = place_from_words(places(place_words*(i - 1) + 1:place_words*i))
        end do
    end function listed

    !> Say what is wrong with a request to run; blank if nothing is.
    subroutine check_plan(bridge, request, numbers, step, message)
        type(bridge_handle), intent(in) :: bridge
        type(message_header), intent(in) :: request
        integer(int32), intent(in) :: numbers(:)
        integer, intent(in) :: step
        character(message_length), intent(out) :: message
        integer :: i

        message = ""
        if (request%count < 0 .or. request%argument < 1 .or. &
            request%count > huge(step) - max(step, 0)) then
            message = "a run needs steps >= 0 that can be counted, and a recording interval >= 1"
        else if (any(request%extents < 0)) then
            message = "a run needs numbers of fields, a coupling interval and a lag >= 0"
        else if (bridge%blown_up) then
            message = "the model blew up: restore a snapshot before the next run"
        end if
        do i = 1, size(numbers)
            if (message == "" .and. numbers(i) < -huge(numbers)) message = "there is no such field"
            if (message == "") call check_number(bridge, abs(numbers(i)), message)
            if (message == "") call check_use(bridge, numbers(i), &
                written=i > sum(request%extents(:2)), message=message)
        end do
    end subroutine check_plan

    !> Say why a field cannot be used in this way in a run; blank if it can.
    subroutine check_use(bridge, number, written, message)
        type(bridge_handle), intent(in) :: bridge
        integer(int32), intent(in) :: number  !! negative: is to travel as real32
        logical, intent(in) :: written
        character(message_length), intent(out) :: message

        message = ""
        associate (entry => bridge%names%entries(abs(number)))
            if (number < 0 .and. .not. can_be_narrow(bridge, int(abs(number)))) then
                message = "'"//trim(entry%name)//"' cannot travel as real32"
            else if (written .and. &
                (entry%role == bridge_diagnostic .or. entry%role == bridge_static)) then
                message = "'"//trim(entry%name)//"' can be read only"
            end if
        end associate
    end subroutine check_use

    !> Before a step of a coupled run: at the beginning of an interval, show the closure its fields
    !> and take the forcing that is due. The server may also end the run here.
    subroutine couple(bridge, step)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: step  !! the last one that was completed
        type(message_header) :: answer

        if (bridge%coupling%interval == 0) return
        if (mod(step - bridge%first_step, int(bridge%coupling%interval, int64)) /= 0) return
        call show_fields(bridge, step)
        call receive_header(bridge%link, answer)
        if (answer%verb /= verb_forcing .or. (answer%count /= 0 .and. &
            answer%count /= size(bridge%coupling%from_python))) then
            call give_up(bridge%link, "expected the forcing of a coupled run, got something else")
        end if
        if (answer%status /= status_ok) then
            bridge%steps_left = 0
            call send_outcome(bridge, step, status_ok)
            return
        end if
        call take_forcing(bridge, answer)
    end subroutine couple

    !> Take the fields that an answer of the server announces, and with `argument` 1 their places.
    subroutine take_forcing(bridge, answer)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: answer
        integer(int32), target, asynchronous :: words(place_words*answer%count)
        type(field_list) :: list
        integer :: i, request

        if (answer%count == 0) return
        if (answer%argument == 1) then
            call start_receive(bridge%link, words, request)
            call finish(bridge%link, request)
            list = listed(bridge%coupling%from_python, words)
        else
            list = listed(bridge%coupling%from_python, [integer(int32) ::])
        end if
        do i = 1, size(list%numbers)
            call insist(bridge, list%numbers(i))
            call receive_entry(bridge, int(abs(list%numbers(i))), list%numbers(i) < 0, &
                list%places(i))
        end do
    end subroutine take_forcing

    !> Announce the interval, with the fields for the closure if what it makes of them will be
    !> wanted: `lag` intervals on the run may be over.
    subroutine show_fields(bridge, step)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: step
        integer :: intervals, intervals_after

        intervals = int((step - bridge%first_step)/bridge%coupling%interval)
        intervals_after = (bridge%steps_left - 1)/bridge%coupling%interval
        if (intervals_after >= bridge%coupling%lag) then
            ! The closure may still be at work on the fields of `lag` intervals before.
            call share_list(bridge, bridge%coupling%to_python, &
                mod(intervals, bridge%coupling%lag + 1))
            call send_mark(bridge, step, verb_couple, status_ok, &
                size(bridge%coupling%to_python%numbers))
            call send_list(bridge, bridge%coupling%to_python)
        else
            call send_mark(bridge, step, verb_couple, status_ok)
        end if
    end subroutine show_fields

    !> After a step of a run: what the server asked to see, and how it goes.
    subroutine report_step(bridge, step, status)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: step, status
        real(real64) :: silence

        bridge%steps_left = bridge%steps_left - 1
        if (status /= 0) then
            bridge%steps_left = 0
            bridge%blown_up = .true.
            call send_outcome(bridge, step, status_blew_up)
            return
        end if
        if (mod(step - bridge%first_step, int(bridge%every, int64)) == 0) then
            call send_record(bridge, step)
        end if
        if (bridge%steps_left == 0) then
            call send_outcome(bridge, step, status_ok)
        else if (bridge%link%rank == 0) then
            silence = seconds_now() - bridge%last_sent
            if (silence > heartbeat_interval) then
                call send_mark(bridge, step, verb_heartbeat, status_ok)
            end if
        end if
    end subroutine report_step

    subroutine send_record(bridge, step)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: step
        if (size(bridge%recorded%numbers) == 0) return
        call share_list(bridge, bridge%recorded, int((step - bridge%first_step)/bridge%every) - 1)
        call send_mark(bridge, step, verb_record, status_ok)
        call send_list(bridge, bridge%recorded)
    end subroutine send_record

    !> Copy the fields that have a place there; the header that follows says so.
    subroutine share_list(bridge, list, record)
        type(bridge_handle), intent(inout) :: bridge
        type(field_list), intent(in) :: list
        integer, intent(in) :: record  !! from 0
        integer :: i
        do i = 1, size(list%numbers)
            if (list%places(i)%offset == 0) cycle
            call insist(bridge, list%numbers(i))
            call share_entry(bridge, int(abs(list%numbers(i))), list%numbers(i) < 0, &
                list%places(i), record)
        end do
    end subroutine share_list

    !> Send the fields that have no place, after the header that announces them.
    subroutine send_list(bridge, list)
        type(bridge_handle), intent(inout) :: bridge
        type(field_list), intent(in) :: list
        integer :: i
        do i = 1, size(list%numbers)
            if (list%places(i)%offset /= 0) cycle
            call insist(bridge, list%numbers(i))
            call send_entry(bridge, int(abs(list%numbers(i))), narrow=list%numbers(i) < 0)
        end do
    end subroutine send_list

    !> The field was there when the run began; its time level may have been written since.
    subroutine insist(bridge, number)
        type(bridge_handle), intent(inout) :: bridge
        integer(int32), intent(in) :: number
        character(message_length) :: message
        call check_number(bridge, abs(number), message)
        if (message /= "") call give_up(bridge%link, message)
    end subroutine insist

    subroutine send_outcome(bridge, step, status)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: step
        integer(int32), intent(in) :: status
        call send_mark(bridge, step, verb_outcome, status)
    end subroutine send_outcome

    !> A header that tells where the run is.
    subroutine send_mark(bridge, step, verb, status, fields)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: step
        integer(int32), intent(in) :: verb, status
        integer, intent(in), optional :: fields  !! how many follow, where the server cannot know
        type(message_header) :: header
        if (present(fields)) then
            header%count = int(fields, int32)
            header%argument = 1
        end if
        header%verb = verb
        header%status = status
        header%step = step
        call send_header(bridge%link, header)
        bridge%last_sent = seconds_now()
    end subroutine send_mark
end module bridge_run
