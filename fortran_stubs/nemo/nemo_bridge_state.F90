#include "nemo_bridge_version.h90"
!> Everything that NEMO's next step reads from the steps before: a snapshot of it, brought back,
!> gives the same bits. The lists are those of NEMO's own restart files, and what was found
!> missing there: the calendar, the fluxes that become the step before's, means over nn_fsbc steps.
module nemo_bridge_state
    use, intrinsic :: iso_fortran_env, only: real64
    use bridge_client, only: bridge_handle, bridge_no_snapshots, bridge_state
    use nemo_bridge_calendar, only: each_date
    use nemo_bridge_prognostic, only: each_prognostic, note_written
    use nemo_bridge_visitor, only: item, read_item, register_items, visitor, write_item
    use oce, only: fraqsr_1lev, rhop, sshb_e, sshbb_e, ub_e, ubb_e, vb_e, vbb_e
#if ! defined key_RK3
    use oce, only: ub2_b, un_bf, vb2_b, vn_bf
    use sbc_oce, only: qsr_hc, sbc_tsc
#endif
    use sbc_oce, only: emp, fr_i, frq_m, ln_icebergs, ln_rnf, nn_fsbc, nn_fwb, nn_ice, qns, &
        qsr, rnf, sfx, ssh_m, sss_m, sst_m, ssu_m, ssv_m, taum, utau, vtau, wndm, e3t_m
#if NEMO_BRIDGE_VERSION >= 50
    use sbc_oce, only: utauU, vtauV
    use ldftra, only: l_ldfeke
#endif
#if NEMO_BRIDGE_VERSION >= 42
    use sbc_oce, only: ln_abl
#else
    use lib_mpp, only: c_delaylist, mpp_delay_rcv, nbdelay, todelay
    use nemo_bridge_visitor, only: is_wanted
    use sbc_oce, only: fwfisf, ln_isf
#endif
    use sbcrnf, only: rnf_tsc
    use stopar, only: ln_sto_eos
    use zdf_oce, only: avm_k, avt_k, en, ln_zdfgls, ln_zdfosm, ln_zdftke
    use zdftke, only: dissl
    implicit none
    private

    public :: register_state

contains

    subroutine register_state(bridge)
        type(bridge_handle), intent(inout), target :: bridge
        call register_items(each_state, bridge, bridge_state, get_state, put_state)
        if (missing() /= "") call bridge_no_snapshots(bridge, "snapshots do not hold the state " &
            //"of "//missing()//": switch it off in the namelist or the keys to rewind this model")
    end subroutine register_state

    subroutine each_state(v)
        type(visitor), intent(inout) :: v
        call each_prognostic(v)
        call each_barotropic(v)
        call each_mixing(v)
        call each_flux(v)
        if (nn_fsbc > 1) call each_mean(v)
        call each_date(v)
    end subroutine each_state

    !> The end of the barotropic sub-steps, from which the next ones go on.
    subroutine each_barotropic(v)
        type(visitor), intent(inout) :: v
        call item(v, "sshbb_e", sshbb_e, "T", "m")
        call item(v, "ubb_e", ubb_e, "U", "m s-1")
        call item(v, "vbb_e", vbb_e, "V", "m s-1")
        call item(v, "sshb_e", sshb_e, "T", "m")
        call item(v, "ub_e", ub_e, "U", "m s-1")
        call item(v, "vb_e", vb_e, "V", "m s-1")
#if ! defined key_RK3
        call item(v, "un_bf", un_bf, "U")
        call item(v, "vn_bf", vn_bf, "V")
        call item(v, "ub2_b", ub2_b, "U")
        call item(v, "vb2_b", vb2_b, "V")
#endif
    end subroutine each_barotropic

    subroutine each_mixing(v)
        type(visitor), intent(inout) :: v
        call item(v, "en", en, "W", "m2 s-2")
        call item(v, "avt_k", avt_k, "W", "m2 s-1")
        call item(v, "avm_k", avm_k, "W", "m2 s-1")
        if (ln_zdftke) call item(v, "dissl", dissl, "W", "m")
        call item(v, "fraqsr_1lev", fraqsr_1lev, "T", "1")
#if ! defined key_RK3
        call item(v, "rhop", rhop, "T", "kg m-3")
#endif
    end subroutine each_mixing

    !> Fluxes through the surface: those of the step before under leapfrog, and those that hold
    !> until the surface module is called again.
    subroutine each_flux(v)
        type(visitor), intent(inout) :: v
        call item(v, "utau", utau, "U", "N m-2")
        call item(v, "vtau", vtau, "V", "N m-2")
#if NEMO_BRIDGE_VERSION >= 50
        call item(v, "utauU", utauU, "U", "N m-2")
        call item(v, "vtauV", vtauV, "V", "N m-2")
#endif
        call item(v, "taum", taum, "T", "N m-2")
        call item(v, "wndm", wndm, "T", "m s-1")
        call item(v, "qns", qns, "T", "W m-2")
        call item(v, "qsr", qsr, "T", "W m-2")
        call item(v, "emp", emp, "T", "kg m-2 s-1")
        call item(v, "sfx", sfx, "T", "1e-3 kg m-2 s-1")
        call item(v, "fr_i", fr_i, "T", "1")
        if (ln_rnf) call item(v, "rnf", rnf, "T", "kg m-2 s-1")
        if (ln_rnf) call item(v, "rnf_tsc", rnf_tsc, "T")
#if NEMO_BRIDGE_VERSION == 40
        if (ln_isf) call item(v, "fwfisf", fwfisf, "T", "kg m-2 s-1")
        call each_delayed_sum(v)
#endif
#if ! defined key_RK3
        call item(v, "sbc_tsc", sbc_tsc, "T")
        call item(v, "qsr_hc", qsr_hc, "T", "K m s-1")
#endif
    end subroutine each_flux

#if NEMO_BRIDGE_VERSION == 40
    !> Global sums that 4.0 receives one call late: complete what is under way before touching it.
    subroutine each_delayed_sum(v)
        type(visitor), intent(inout) :: v
        character(len(c_delaylist)) :: name
        integer :: i
        do i = 1, nbdelay
            if (.not. associated(todelay(i)%z1d)) cycle
            name = c_delaylist(i)
            if (.not. is_wanted(v, "todelay_"//name)) cycle
            call mpp_delay_rcv(i)
            call item(v, "todelay_"//trim(name), todelay(i)%z1d)
        end do
    end subroutine each_delayed_sum
#endif

    !> Means of the surface over the steps between two calls of the surface module.
    subroutine each_mean(v)
        type(visitor), intent(inout) :: v
        call item(v, "ssu_m", ssu_m, "U", "m s-1")
        call item(v, "ssv_m", ssv_m, "V", "m s-1")
        call item(v, "sst_m", sst_m, "T", "degC")
        call item(v, "sss_m", sss_m, "T", "1e-3")
        call item(v, "ssh_m", ssh_m, "T", "m")
        call item(v, "e3t_m", e3t_m, "T", "m")
        call item(v, "frq_m", frq_m, "T", "1")
    end subroutine each_mean

    subroutine get_state(name, level, values)
        character(*), intent(in) :: name
        integer, intent(in) :: level
        real(real64), intent(out) :: values(:)
        call read_item(each_state, name, level, values)
    end subroutine get_state

    subroutine put_state(name, level, values)
        character(*), intent(in) :: name
        integer, intent(in) :: level
        real(real64), intent(in) :: values(:)
        call write_item(each_state, name, level, values)
        call note_written(name)
    end subroutine put_state

    !> What this configuration has switched on whose state is not in the lists; blank if nothing.
    function missing() result(names)
        character(:), allocatable :: names
        names = ""
#if defined key_top
        call add("passive tracers (key_top)")
#endif
#if defined key_agrif
        call add("AGRIF's other grids (key_agrif)")
#endif
        if (nn_ice > 1) call add("the sea-ice model (nn_ice)")
        if (ln_icebergs) call add("icebergs (ln_icebergs)")
        if (nn_fwb == 2) call add("the freshwater budget of the year before (nn_fwb = 2)")
        if (ln_sto_eos) call add("stochastic parameters (ln_sto_eos)")
        if (ln_zdfgls .or. ln_zdfosm) call add("the mixing schemes GLS and OSMOSIS")
#if NEMO_BRIDGE_VERSION >= 42
        if (ln_abl) call add("the atmospheric boundary layer (ln_abl)")
#endif
#if NEMO_BRIDGE_VERSION >= 50
        if (l_ldfeke) call add("the eddy energy of GEOMETRIC (ln_eke_equ)")
#endif

    contains

        subroutine add(name)
            character(*), intent(in) :: name
            if (names /= "") names = names//", "
            names = names//name
        end subroutine add
    end function missing
end module nemo_bridge_state
