!> What the model does for each request of the server.
!>
!> A request that cannot be met is answered with an error; it never ends the model.
module bridge_verbs
    use bridge_description, only: description_of
    use bridge_exchange, only: can_be_narrow, check_number, check_values, discard_values, &
        receive_entry, send_entry, share_entry
    use bridge_handles, only: bridge_handle, complete_fields
    use bridge_kinds, only: int32, int64, message_length
    use bridge_link, only: finish, give_up, receive_header, receive_text, send_header, send_text, &
        share_memory, start_receive
    use bridge_protocol, only: bridge_diagnostic, bridge_static, dtype_real32, longest_path, &
        message_header, most_exchanged, status_error, status_ok, verb_drop, verb_get, verb_hello, &
        verb_load, verb_reply, verb_restore, verb_run, verb_save, verb_set, verb_share, &
        verb_snapshot, verb_stop
    use bridge_run, only: plan_run, send_outcome
    use bridge_shared_memory, only: place_words, shared_place
    use bridge_snapshots, only: drop_snapshot, load_snapshot, restore_snapshot, save_snapshot, &
        take_snapshot
    implicit none
    private

    public :: obey

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
            if (message == "") then
                call complete_fields(bridge)
                call take_snapshot(bridge%slots, int(request%argument), bridge%names, &
                    int(step, int64), message)
            end if
            call answer(bridge, request, message, step, with_hash=.true.)
        case (verb_restore)
            call restore(bridge, request, step)
        case (verb_save, verb_load)
            call save_or_load(bridge, request, step)
        case (verb_drop)
            call drop_snapshot(bridge%slots, int(request%argument), message)
            call answer(bridge, request, message, step)
        case (verb_share)
            call accept_memory(bridge, request, step)
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
    subroutine answer(bridge, request, message, step, with_hash, whole)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: request
        character(*), intent(in) :: message
        integer, intent(in) :: step
        logical, intent(in), optional :: with_hash  !! hash and bytes of the snapshot in the extents
        integer(int32), intent(in), optional :: whole  !! what its file says of all ranks, as field
        type(message_header) :: header

        if (message /= "") then
            call answer_with_text(bridge, request, trim(message), status_error, step)
            return
        end if
        header%verb = verb_reply
        header%argument = request%verb
        header%step = step
        if (present(whole)) header%field = whole
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
            call receive_entry(bridge, int(request%field), narrow(bridge, request), &
                place_of(request))
        else if (request%step == 0) then
            call discard_values(bridge, request)
        end if
        call answer(bridge, request, message, step)
    end subroutine set_values

    !> Where the values lie or belong that a request is about: nowhere, if they travel as a message.
    pure function place_of(request) result(place)
        type(message_header), intent(in) :: request
        type(shared_place) :: place
        place%offset = request%step
        place%row_stride = request%count
        place%level_stride = request%argument
    end function place_of

    !> The values are the answer, and no header goes before them; or the header tells that they are in
    !> their place.
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
        if (request%step == 0) then
            call send_entry(bridge, int(request%field), narrow(bridge, request))
        else
            call share_entry(bridge, int(request%field), narrow(bridge, request), &
                place_of(request), record=0)
            call answer(bridge, request, "", step)
        end if
    end subroutine get_values

    !> Is a field of real64 to travel as real32?
    pure function narrow(bridge, request) result(so)
        type(bridge_handle), intent(in) :: bridge
        type(message_header), intent(in) :: request
        logical :: so
        so = request%dtype == dtype_real32 .and. can_be_narrow(bridge, int(request%field))
    end function narrow

    !> Begin a run; it is answered step by step and by its outcome.
    subroutine start_run(bridge, request, step)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: request
        integer, intent(in) :: step
        character(message_length) :: message
        integer(int32), allocatable, target, asynchronous :: numbers(:), places(:)

        if (any(request%extents(:3) < 0 .or. request%extents(:3) > most_exchanged)) then
            call give_up(bridge%link, "the server asked for a run with an absurd number of fields")
        end if
        allocate (numbers(sum(request%extents(:3))))
        allocate (places(merge(place_words*sum(request%extents(:2)), 0, request%field /= 0)))
        call receive_list(bridge, numbers)
        call receive_list(bridge, places)
        call plan_run(bridge, request, numbers, places, step, message)
        if (message /= "") then
            call answer(bridge, request, message, step)
        else if (bridge%steps_left == 0) then
            call send_outcome(bridge, step, status_ok)
        end if
    end subroutine start_run

    !> Receive words whose number is known, if there are any.
    subroutine receive_list(bridge, words)
        type(bridge_handle), intent(inout) :: bridge
        integer(int32), intent(inout), contiguous, target, asynchronous :: words(:)
        integer :: request
        if (size(words) == 0) return
        call start_receive(bridge%link, words, request)
        call finish(bridge%link, request)
    end subroutine receive_list

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
            bridge%restored = .true.
            if (associated(bridge%after_restore)) call bridge%after_restore()
        end if
        call answer(bridge, request, message, step)
    end subroutine restore

    !> Slot to file or file to slot; the path is the payload, the snapshot of all ranks the field.
    subroutine save_or_load(bridge, request, step)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: request
        integer, intent(in) :: step
        character(:), allocatable :: path
        character(message_length) :: message
        integer(int32) :: whole

        if (request%count < 0 .or. request%count > longest_path) then
            call give_up(bridge%link, "the server announced a path of absurd length")
        end if
        allocate (character(request%count) :: path)
        call receive_text(bridge%link, path)
        message = ""
        whole = request%field
        if (path == "" .or. index(path, achar(0)) > 0) then
            message = "the server gave a path that is blank or holds a NUL"
        else if (request%verb == verb_save) then
            call save_snapshot(bridge%slots, int(request%argument), path, bridge%link%rank, &
                bridge%link%size, whole, message)
        else
            call load_snapshot(bridge%slots, int(request%argument), path, bridge%link%rank, &
                bridge%link%size, bridge%names, whole, message)
        end if
        call answer(bridge, request, message, step, with_hash=.true., whole=whole)
    end subroutine save_or_load

    !> The server offers shared memory: its place in the text, process and number of the file in
    !> the extents, a nonce as step. The answer is "shared", or why not.
    subroutine accept_memory(bridge, request, step)
        type(bridge_handle), intent(inout) :: bridge
        type(message_header), intent(in) :: request
        integer, intent(in) :: step
        character(:), allocatable :: place
        character(message_length) :: objection

        if (request%count < 0 .or. request%count > longest_path) then
            call give_up(bridge%link, "the server announced a place of absurd length")
        end if
        allocate (character(request%count) :: place)
        call receive_text(bridge%link, place)
        call share_memory(bridge%link, place, int(request%extents(1)), int(request%extents(2)), &
            request%step, objection)
        if (objection == "") objection = "shared"
        call answer_with_text(bridge, request, trim(objection), status_ok, step)
    end subroutine accept_memory
end module bridge_verbs
