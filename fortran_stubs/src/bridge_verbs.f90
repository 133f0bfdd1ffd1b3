!> What the model does for each request of the server.
!>
!> A request that cannot be met is answered with an error; it never ends the model.
module bridge_verbs
    use bridge_description, only: description_of
    use bridge_exchange, only: check_values, discard_values, receive_values, send_values
    use bridge_handles, only: bridge_handle
    use bridge_kinds, only: int32, int64, message_length, real64
    use bridge_link, only: finish, give_up, receive_header, receive_text, seconds_now, &
        send_header, send_text, start_receive
    use bridge_protocol, only: bridge_diagnostic, bridge_parameter, bridge_static, longest_path, &
        message_header, most_recorded, status_blew_up, status_error, status_ok, verb_drop, verb_get, &
        verb_heartbeat, verb_hello, verb_load, verb_outcome, verb_record, verb_reply, &
        verb_restore, verb_run, verb_save, verb_set, verb_snapshot, verb_stop
    use bridge_snapshots, only: drop_snapshot, load_snapshot, restore_snapshot, save_snapshot, &
        take_snapshot
    implicit none
    private

    public :: obey, report_step

    real(real64), parameter :: heartbeat_interval = 1.0_real64  !! s

contains

    !> Wait for one request and fulfil it; `step` changes when it restores a snapshot.
    subroutine obey(bridge, step)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(inout) :: step
        type(message_header) :: request
        character(message_length) :: message

        call receive_header(bridge%link, request)
        message = ""
        select case (request%verb)
        case (verb_hello)
            call introduce(bridge, request, step)
        case (verb_set)
            call set_values(bridge, request, step)
        case (verb_get)
            call get_values(bridge, request, step)
        case (verb_run)
            call start_run(bridge, request, step)
        case (verb_snapshot)
            message = bridge%no_snapshots
            if (message == "") call take_snapshot(bridge%slots, int(request%argument), &
                bridge%names, int(step, int64), message)
            call answer(bridge, request, message, step, with_hash=.true.)
        case (verb_restore)
            call restore(bridge, request, step)
        case (verb_save, verb_load)
            call save_or_load(bridge, request, step)
        case (verb_drop)
            call drop_snapshot(bridge%slots, int(request%argument), message)
            call answer(bridge, request, message, step)
        case (verb_stop)
            bridge%stopped = .true.
            call answer(bridge, request, "", step)
        case default
            write (message, "(a, i0)") "the model knows no verb of number ", request%verb
            call answer(bridge, request, message, step)
        end select
    end subroutine obey

    !> Answer with the description, or with the error that the model left in the handle: then stop.
    subroutine introduce(bridge, request, step)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: request
        integer, intent(in) :: step
        if (bridge%error == "") then
            call answer_with_text(bridge, request, description_of(bridge), status_ok, step)
        else
            call answer(bridge, request, bridge%error, step)
            bridge%stopped = .true.
        end if
    end subroutine introduce

    !> Fine, or an error when `message` is not blank.
    subroutine answer(bridge, request, message, step, with_hash)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: request
        character(*), intent(in) :: message
        integer, intent(in) :: step
        logical, intent(in), optional :: with_hash  !! hash and bytes of the snapshot in the extents
        type(message_header) :: header

        if (message /= "") then
            call answer_with_text(bridge, request, trim(message), status_error, step)
            return
        end if
        header%verb = verb_reply
        header%argument = request%verb
        header%step = step
        if (present(with_hash)) then
            associate (slot => bridge%slots(request%argument))
                header%step = slot%step
                header%extents(:2) = transfer(slot%hash, header%extents(:2))
                header%extents(3:4) = transfer(4*size(slot%words, kind=int64), header%extents(3:4))
            end associate
        end if
        call send_header(bridge%link, header)
    end subroutine answer

    !> An answer whose payload is a text.
    subroutine answer_with_text(bridge, request, text, status, step)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: request
        character(*), intent(in) :: text
        integer(int32), intent(in) :: status
        integer, intent(in) :: step
        type(message_header) :: header
        header%verb = verb_reply
        header%argument = request%verb
        header%status = status
        header%count = len(text)
        header%step = step
        call send_header(bridge%link, header)
        call send_text(bridge%link, text)
    end subroutine answer_with_text

    !> Is there an entry of this number, and does its time level (which can be set) exist?
    subroutine check_number(bridge, number, message)
        type(bridge_handle), intent(in) :: bridge
        integer(int32), intent(in) :: number
        character(message_length), intent(out) :: message
        message = ""
        if (number < 1 .or. number > bridge%names%count) then
            write (message, "(a, i0, a, i0)") "there is no field of number ", number, &
                ": the model registered ", bridge%names%count
            return
        end if
        associate (entry => bridge%names%entries(number))
            if (.not. associated(entry%level)) return
            if (entry%level < 1 .or. entry%level > entry%extents(entry%ndims)) &
                write (message, "(3a, 2(i0, a))") "'", trim(entry%name), "' has no time level ", &
                entry%level, ", only ", entry%extents(entry%ndims), " of them"
        end associate
    end subroutine check_number

    subroutine set_values(bridge, request, step)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: request
        integer, intent(in) :: step
        character(message_length) :: message

        call check_number(bridge, request%field, message)
        if (message == "") call check_values(bridge, request, message)
        if (message == "") then
            associate (entry => bridge%names%entries(request%field))
                if (entry%role == bridge_diagnostic .or. entry%role == bridge_static) then
                    message = "'"//trim(entry%name)//"' can be read only"
                end if
            end associate
        end if
        if (message == "") then
            call receive_values(bridge, int(request%field))
            if (bridge%names%entries(request%field)%role == bridge_parameter) then
                bridge%new_parameters = .true.
            end if
            if (request%ndims > 0) bridge%new_fields = .true.
        else
            call discard_values(bridge, request)
        end if
        call answer(bridge, request, message, step)
    end subroutine set_values

    !> The values are the answer: no header goes before them.
    subroutine get_values(bridge, request, step)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: request
        integer, intent(in) :: step
        character(message_length) :: message

        call check_number(bridge, request%field, message)
        if (message /= "") then
            call answer(bridge, request, message, step)
            return
        end if
        call send_entry(bridge, int(request%field))
    end subroutine get_values

    !> Values that all ranks share are sent by the first one only.
    subroutine send_entry(bridge, number)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: number
        if (bridge%names%entries(number)%tiled .or. bridge%link%rank == 0) then
            call send_values(bridge, number)
        end if
    end subroutine send_entry

    !> Begin a run; it is answered step by step and by its outcome.
    subroutine start_run(bridge, request, step)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: request
        integer, intent(in) :: step
        character(message_length) :: message
        integer :: i, transfer_request

        if (request%extents(1) < 0 .or. request%extents(1) > most_recorded) then
            call give_up(bridge%link, "the server asked for a run with an absurd number of fields")
        end if
        if (allocated(bridge%recorded)) deallocate (bridge%recorded)
        allocate (bridge%recorded(request%extents(1)))
        if (size(bridge%recorded) > 0) then
            call start_receive(bridge%link, bridge%recorded, transfer_request)
            call finish(bridge%link, transfer_request)
        end if
        message = ""
        do i = 1, size(bridge%recorded)
            if (message == "") call check_number(bridge, bridge%recorded(i), message)
        end do
        if (message == "" .and. (request%count < 0 .or. request%argument < 1 .or. &
            request%count > huge(step) - max(step, 0))) then
            message = "a run needs steps >= 0 that can be counted, and a recording interval >= 1"
        else if (message == "" .and. bridge%blown_up) then
            message = "the model blew up: restore a snapshot before the next run"
        end if
        if (message /= "") then
            call answer(bridge, request, message, step)
            return
        end if
        bridge%first_step = step
        bridge%steps_left = request%count
        bridge%every = request%argument
        bridge%last_sent = seconds_now()
        if (bridge%steps_left == 0) call send_outcome(bridge, step, status_ok)
    end subroutine start_run

    subroutine restore(bridge, request, step)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: request
        integer, intent(inout) :: step
        integer(int64) :: restored_step
        character(message_length) :: message

        call restore_snapshot(bridge%slots, int(request%argument), bridge%names, restored_step, &
            message)
        if (message == "") then
            step = int(restored_step)
            bridge%blown_up = .false.
            if (associated(bridge%after_restore)) call bridge%after_restore()
        end if
        call answer(bridge, request, message, step)
    end subroutine restore

    !> Slot to file or file to slot; the path is the payload.
    subroutine save_or_load(bridge, request, step)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: request
        integer, intent(in) :: step
        character(:), allocatable :: path
        character(message_length) :: message

        if (request%count < 0 .or. request%count > longest_path) then
            call give_up(bridge%link, "the server announced a path of absurd length")
        end if
        allocate (character(request%count) :: path)
        call receive_text(bridge%link, path)
        message = ""
        if (path == "" .or. index(path, achar(0)) > 0) then
            message = "the server gave a path that is blank or holds a NUL"
        else if (request%verb == verb_save) then
            call save_snapshot(bridge%slots, int(request%argument), path, bridge%link%rank, &
                bridge%link%size, message)
        else
            call load_snapshot(bridge%slots, int(request%argument), path, bridge%link%rank, &
                bridge%link%size, bridge%names, message)
        end if
        call answer(bridge, request, message, step, with_hash=.true.)
    end subroutine save_or_load

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
        character(message_length) :: message
        integer :: i
        if (size(bridge%recorded) == 0) return
        call send_mark(bridge, step, verb_record, status_ok)
        do i = 1, size(bridge%recorded)
            call check_number(bridge, bridge%recorded(i), message)
            if (message /= "") call give_up(bridge%link, message)
            call send_entry(bridge, int(bridge%recorded(i)))
        end do
    end subroutine send_record

    subroutine send_outcome(bridge, step, status)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: step
        integer(int32), intent(in) :: status
        call send_mark(bridge, step, verb_outcome, status)
    end subroutine send_outcome

    !> A header without payload that tells where the run is.
    subroutine send_mark(bridge, step, verb, status)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: step
        integer(int32), intent(in) :: verb, status
        type(message_header) :: header
        header%verb = verb
        header%status = status
        header%step = step
        call send_header(bridge%link, header)
        bridge%last_sent = seconds_now()
    end subroutine send_mark
end module bridge_verbs
