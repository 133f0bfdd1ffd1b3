#include "nemo_bridge_version.h90"
!> NEMO's side of the bridge: what the lines that `nemo-bridge nemo install` puts into NEMO call.
!>
!> Without a server in the MPI job each of them returns at once, and NEMO computes the bits that it
!> would compute without them. With one, the server drives: NEMO computes its first step by
!> itself, since that is where it opens and initialises what it does once, and then obeys. Its own
!> output and restart files are off, because steps are repeated; blow-ups do not end it.
module nemo_bridge
    use, intrinsic :: iso_fortran_env, only: real32
    use bridge_client, only: bridge_close, bridge_coupled, bridge_handle, bridge_hooks, &
        bridge_next_step, bridge_open, bridge_step_done, bridge_stopped
    use in_out_manager, only: ln_rst_list, lwp, nit000, nitend, nn_stock, nn_write, nstop, &
        numout, sn_cfctl
#if NEMO_BRIDGE_VERSION >= 50
    use lib_mpp, only: ln_mppdelay
#endif
    use mpi, only: MPI_COMM_WORLD
    use nemo_bridge_diagnostics, only: register_diagnostics
    use nemo_bridge_eddies, only: complete_eddy_maps, eddies_of_this_step, refresh_eddies, &
        register_eddy_maps
    use nemo_bridge_grid, only: describe_grid, register_mesh
    use nemo_bridge_parameters, only: note_start, register_parameters
    use nemo_bridge_prognostic, only: complete_written, note_restored
#if NEMO_BRIDGE_VERSION >= 42
    use nemo_bridge_prognostic, only: levels_from_nemo, levels_to_nemo
#endif
    use nemo_bridge_rewind, only: nemo_bridge_attached, nemo_bridge_blow_up, nemo_bridge_rewound
    use nemo_bridge_state, only: register_state
    use nemo_bridge_surfaces, only: complete_surface_maps, refresh_surfaces, &
        register_surface_maps, stress_of_this_step
#if NEMO_BRIDGE_VERSION >= 42
    use dom_oce, only: rn_Dt
#else
    use dom_oce, only: rn_Dt => rdt
#endif
    use par_kind, only: wp
    use sbc_oce, only: nn_fsbc
    implicit none
    private

    public :: nemo_bridge_open, nemo_bridge_start, nemo_bridge_begin, nemo_bridge_end
    public :: nemo_bridge_fluxes, nemo_bridge_eddy_coefficients, nemo_bridge_close

    type(bridge_handle), target :: bridge
    logical :: opened = .false.
    logical :: first_step_done = .false., registered = .false.

contains

    !> In place of a bare mpp_start: the communicator that NEMO is to use.
    subroutine nemo_bridge_open(comm_nemo)
        integer, intent(out) :: comm_nemo
        logical :: initialised
        integer :: ierr
        call MPI_Initialized(initialised, ierr)
        if (.not. initialised) call MPI_Init(ierr)
        call bridge_open(bridge, MPI_COMM_WORLD, comm_nemo, "nemo", version())
        opened = .true.
        nemo_bridge_attached = bridge_coupled(bridge)
    end subroutine nemo_bridge_open

    !> The version, then in brackets how it was compiled.
    function version() result(text)
        character(:), allocatable :: text
#if NEMO_BRIDGE_VERSION == 40
        text = "4.0 (MLF"
#elif NEMO_BRIDGE_VERSION == 42
        text = "4.2 (MLF"
#elif defined key_RK3
        text = "5.0 (RK3"
#else
        text = "5.0 (MLF"
#endif
#if defined key_linssh
        text = text//", key_linssh"
#endif
#if defined key_qco
        text = text//", key_qco"
#endif
        text = text//merge(", real32)", ", real64)", wp == real32)
    end function version

    !> NEMO is initialised.
    subroutine nemo_bridge_start()
        if (.not. nemo_bridge_attached) return
        call let_server_drive()
        call note_start()
    end subroutine nemo_bridge_start

    !> Tell the bridge what there is: after the first step, when all of it is there.
    subroutine register_all()
        call describe_grid(bridge)
        call register_parameters(bridge)
        call register_eddy_maps(bridge)
        call register_surface_maps(bridge)
        call register_state(bridge)
        call register_diagnostics(bridge)
        call register_mesh(bridge)
        call bridge_hooks(bridge, parameters_changed=refresh, after_restore=note_rewind, &
            fields_written=complete)
        registered = .true.
    end subroutine register_all

    !> Switches of NEMO that repeating steps and surviving blow-ups need.
    subroutine let_server_drive()
        integer, parameter :: longest_run = 1000000000  !! s; NEMO counts them in default integers
        nitend = nit000 + int(longest_run/rn_Dt)
        nn_write = -1
        nn_stock = -1
        ln_rst_list = .false.
        sn_cfctl%l_runstat = .true.
        sn_cfctl%ptimincr = 1
#if NEMO_BRIDGE_VERSION >= 50
        ln_mppdelay = .false.
#endif
        if (lwp) write (numout, "(/, a, /, a)") &
            " nemo_bridge : a server drives this run: nn_itend, nn_write = -1, nn_stock = -1,", &
            " ~~~~~~~~~~~   sn_cfctl%l_runstat = T (5.0: ln_mppdelay = F) are set by the bridge"
    end subroutine let_server_drive

#if NEMO_BRIDGE_VERSION >= 42
    !> Is there a step to compute? `kt` and the time levels change when the server rewinds.
    function nemo_bridge_begin(kt, kbb, kmm, kaa, krhs) result(more)
        integer, intent(inout) :: kt, kbb, kmm, kaa, krhs
        logical :: more
        more = .true.
        if (.not. nemo_bridge_attached) return
        call levels_from_nemo(kbb, kmm, kaa, krhs)
        more = next_step(kt)
        call levels_to_nemo(kbb, kmm, kaa, krhs)
    end function nemo_bridge_begin

    !> Step `kt` is complete: the server gets what it asked for, and hears of a blow-up.
    subroutine nemo_bridge_end(kt, kbb, kmm, kaa, krhs)
        integer, intent(in) :: kt, kbb, kmm, kaa, krhs
        if (.not. nemo_bridge_attached) return
        call levels_from_nemo(kbb, kmm, kaa, krhs)
        call step_done(kt)
    end subroutine nemo_bridge_end
#else
    !> Is there a step to compute? `kt` changes when the server rewinds.
    function nemo_bridge_begin(kt) result(more)
        integer, intent(inout) :: kt
        logical :: more
        more = .true.
        if (nemo_bridge_attached) more = next_step(kt)
    end function nemo_bridge_begin

    !> Step `kt` is complete: the server gets what it asked for, and hears of a blow-up.
    subroutine nemo_bridge_end(kt)
        integer, intent(in) :: kt
        if (nemo_bridge_attached) call step_done(kt)
    end subroutine nemo_bridge_end
#endif

    function next_step(kt) result(more)
        integer, intent(inout) :: kt
        logical :: more
        integer :: step
        more = .true.
        if (.not. first_step_done) return
        if (.not. registered) call register_all()
        step = kt - 1
        more = bridge_next_step(bridge, step, nitend)
        kt = step
    end function next_step

    subroutine step_done(kt)
        integer, intent(in) :: kt
        integer :: status
        if (.not. first_step_done) then
            ! A blow-up here is left to NEMO, which then ends; see nemo_bridge_close.
            first_step_done = .true.
            return
        end if
        status = merge(1, 0, nstop > 0 .or. nemo_bridge_blow_up)
        nstop = 0
        nemo_bridge_blow_up = .false.
        call bridge_step_done(bridge, kt, status)
        if (mod(kt - 1, nn_fsbc) == 0) nemo_bridge_rewound = .false.
    end subroutine step_done

    !> Right after the call of sbc in step `kt`.
    subroutine nemo_bridge_fluxes(kt)
        integer, intent(in) :: kt
        if (nemo_bridge_attached) call stress_of_this_step(kt)
    end subroutine nemo_bridge_fluxes

    !> Right after the call of ldf_tra.
    subroutine nemo_bridge_eddy_coefficients()
        if (nemo_bridge_attached) call eddies_of_this_step()
    end subroutine nemo_bridge_eddy_coefficients

    !> Before NEMO ends MPI.
    subroutine nemo_bridge_close()
        if (.not. opened) return
        if (nemo_bridge_attached .and. .not. bridge_stopped(bridge)) then
            if (bridge%error == "") bridge%error = "NEMO ended by itself: see ocean.output"
        end if
        call bridge_close(bridge)
    end subroutine nemo_bridge_close

    ! --- what the bridge calls ---

    !> Parameters changed: fields that are computed from them.
    subroutine refresh()
        call refresh_eddies()
        call refresh_surfaces()
    end subroutine refresh

    !> Arrays were written: their halos, and what goes with them.
    subroutine complete()
        call complete_eddy_maps()
        call complete_surface_maps()
        call complete_written()
    end subroutine complete

    !> State, step and date were rewound: forcing files are where they were, so read them anew.
    subroutine note_rewind()
        nemo_bridge_rewound = .true.
        call note_restored()
    end subroutine note_rewind
end module nemo_bridge
