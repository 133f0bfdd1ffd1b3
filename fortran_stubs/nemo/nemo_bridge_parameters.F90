#include "nemo_bridge_version.h90"
!> NEMO's tunable parameters by their names in the namelist, with everything that NEMO's
!> initialisation derived from them: setting one here is like having started with it.
!>
!> A parameter is registered when the scheme that reads it is switched on.
module nemo_bridge_parameters
    use, intrinsic :: iso_fortran_env, only: real64
    use bridge_client, only: bridge_handle, bridge_parameter
    use dom_oce, only: gdepw_1d
#if NEMO_BRIDGE_VERSION >= 50
    use dom_oce, only: rDt
#endif
#if NEMO_BRIDGE_VERSION == 40
    use dom_oce, only: is_linear_surface => ln_linssh
#else
    use dom_oce, only: is_linear_surface => lk_linssh
#endif
    use ldfdyn, only: ln_dynldf_OFF, nn_ahm_ijk_t, rn_csmc, rn_Lv, rn_Uv
    use ldfslp, only: l_ldfslp, rn_slpmax
    use ldftra, only: ln_ldfeiv, ln_traldf_OFF, rn_Ld, rn_Le, rn_Ud, rn_Ue
    use nemo_bridge_mixed_layer, only: derive_mixed_layer, each_mixed_layer_parameter
    use nemo_bridge_visitor, only: item, read_item, register_items, visitor, write_item
    use par_kind, only: wp
    use sbc_oce, only: ln_rnf, ln_ssr
    use sbcrnf, only: rn_avt_rnf, rn_rfact
    use sbcssr, only: rn_deds, rn_dqdt, rn_sssr_bnd
    use trabbl, only: ln_trabbl, rn_gambbl
    use traqsr, only: ln_qsr_2bd, ln_traqsr, nksr, rn_abs, rn_si0, rn_si1
#if NEMO_BRIDGE_VERSION >= 50
    use traqsr, only: ln_qsr_bio, nk0, nkB, nkG, nkR, nkV, qsr_ext_lev, r1_LB, r1_LG, r1_LR, &
        r1_si0, r1_si1, ln_qsr_rgb
#else
    use trc_oce, only: trc_oce_ext_lev
    use traqsr, only: xsi0r, xsi1r
#endif
    use zdf_oce, only: avmb, avtb, ln_zdfddm, ln_zdfevd, ln_zdfiwm, ln_zdftke, nn_avb, rn_avm0, &
        rn_avt0, rn_avts, rn_evd, rn_hsbfr
    use zdfdrg, only: l_zdfdrg, ln_non_lin, r_Cdmax_bot, r_Cdmin_bot, r_ke0_bot, r_z0_bot
    use zdftke, only: ln_mxl0, ri_cri, rmxl_min, rn_ebb, rn_ediff, rn_ediss, rn_efr, rn_emin, &
        rn_emin0, rn_lc, rn_mxl0
    implicit none
    private

    public :: note_start, register_parameters

#if NEMO_BRIDGE_VERSION >= 50
    real(wp) :: time_step_at_start = 0.0_wp  !! with which NEMO found the last levels of light
#endif

contains

    !> Before the first step, which may change what NEMO's initialisation had.
    subroutine note_start()
#if NEMO_BRIDGE_VERSION >= 50
        time_step_at_start = rDt
#endif
    end subroutine note_start

    subroutine register_parameters(bridge)
        type(bridge_handle), intent(inout), target :: bridge
        call register_items(each_parameter, bridge, bridge_parameter, get_parameter, put_parameter)
    end subroutine register_parameters

    subroutine each_parameter(v)
        type(visitor), intent(inout) :: v
        if (ln_zdftke) call each_energy_parameter(v)
        call each_background_parameter(v)
        call each_lateral_parameter(v)
        call each_floor_parameter(v)
        if (ln_traqsr) call each_light_parameter(v)
        call each_mixed_layer_parameter(v)
        call each_flux_parameter(v)
    end subroutine each_parameter

    !> Turbulent kinetic energy. With ln_mxl0 and ln_zdfiwm NEMO sets some of them itself.
    subroutine each_energy_parameter(v)
        type(visitor), intent(inout) :: v
        call item(v, "namzdf_tke/rn_ediff", rn_ediff, units="1")
        call item(v, "namzdf_tke/rn_ediss", rn_ediss, units="1")
        call item(v, "namzdf_tke/rn_ebb", rn_ebb, units="1")
        call item(v, "namzdf_tke/rn_emin", rn_emin, units="m2 s-2")
        call item(v, "namzdf_tke/rn_emin0", rn_emin0, units="m2 s-2")
        call item(v, "namzdf_tke/rn_mxl0", rn_mxl0, units="m")
        call item(v, "namzdf_tke/rn_efr", rn_efr, units="1")
        call item(v, "namzdf_tke/rn_lc", rn_lc, units="1")
    end subroutine each_energy_parameter

    subroutine each_background_parameter(v)
        type(visitor), intent(inout) :: v
        call item(v, "namzdf/rn_avt0", rn_avt0, units="m2 s-1")
        call item(v, "namzdf/rn_avm0", rn_avm0, units="m2 s-1")
        if (ln_zdfevd) call item(v, "namzdf/rn_evd", rn_evd, units="m2 s-1")
        if (ln_zdfddm) then
            call item(v, "namzdf/rn_avts", rn_avts, units="m2 s-1")
            call item(v, "namzdf/rn_hsbfr", rn_hsbfr, units="1")
        end if
    end subroutine each_background_parameter

    subroutine each_lateral_parameter(v)
        type(visitor), intent(inout) :: v
        if (.not. ln_traldf_OFF) then
            call item(v, "namtra_ldf/rn_Ud", rn_Ud, units="m s-1")
            call item(v, "namtra_ldf/rn_Ld", rn_Ld, units="m")
        end if
        if (l_ldfslp) call item(v, "namtra_ldf/rn_slpmax", rn_slpmax, units="1")
        if (ln_ldfeiv) then
            call item(v, "namtra_eiv/rn_Ue", rn_Ue, units="m s-1")
            call item(v, "namtra_eiv/rn_Le", rn_Le, units="m")
        end if
        if (.not. ln_dynldf_OFF) then
            call item(v, "namdyn_ldf/rn_Uv", rn_Uv, units="m s-1")
            call item(v, "namdyn_ldf/rn_Lv", rn_Lv, units="m")
            if (nn_ahm_ijk_t == 32) call item(v, "namdyn_ldf/rn_csmc", rn_csmc, units="1")
        end if
    end subroutine each_lateral_parameter

    !> The sea floor: drag by the quadratic law, and by the logarithmic law where it is evaluated at
    !> each step.
    subroutine each_floor_parameter(v)
        type(visitor), intent(inout) :: v
        logical :: logarithmic
        logarithmic = l_zdfdrg .and. .not. ln_non_lin .and. .not. is_linear_surface
        if (l_zdfdrg .and. (ln_non_lin .or. logarithmic)) then
            call item(v, "namdrg_bot/rn_Cd0", r_Cdmin_bot, units="1")
        end if
        if (l_zdfdrg) call item(v, "namdrg_bot/rn_ke0", r_ke0_bot, units="m2 s-2")
        if (logarithmic) then
            call item(v, "namdrg_bot/rn_z0", r_z0_bot, units="m")
            call item(v, "namdrg_bot/rn_Cdmax", r_Cdmax_bot, units="1")
        end if
        if (ln_trabbl) call item(v, "nambbl/rn_gambbl", rn_gambbl, units="s")
    end subroutine each_floor_parameter

    subroutine each_light_parameter(v)
        type(visitor), intent(inout) :: v
        call item(v, "namtra_qsr/rn_abs", rn_abs, units="1")
        call item(v, "namtra_qsr/rn_si0", rn_si0, units="m")
        if (ln_qsr_2bd) call item(v, "namtra_qsr/rn_si1", rn_si1, units="m")
    end subroutine each_light_parameter

    subroutine each_flux_parameter(v)
        type(visitor), intent(inout) :: v
        if (ln_ssr) then
            call item(v, "namsbc_ssr/rn_dqdt", rn_dqdt, units="W m-2 K-1")
            call item(v, "namsbc_ssr/rn_deds", rn_deds, units="mm day-1")
            call item(v, "namsbc_ssr/rn_sssr_bnd", rn_sssr_bnd, units="mm day-1")
        end if
        if (ln_rnf) then
            call item(v, "namsbc_rnf/rn_rfact", rn_rfact, units="1")
            call item(v, "namsbc_rnf/rn_avt_rnf", rn_avt_rnf, units="m2 s-1")
        end if
    end subroutine each_flux_parameter

    subroutine get_parameter(name, level, values)
        character(*), intent(in) :: name
        integer, intent(in) :: level
        real(real64), intent(out) :: values(:)
        call read_item(each_parameter, name, level, values)
    end subroutine get_parameter

    subroutine put_parameter(name, level, values)
        character(*), intent(in) :: name
        integer, intent(in) :: level
        real(real64), intent(in) :: values(:)
        call write_item(each_parameter, name, level, values)
        select case (name(:index(name, "/") - 1))
        case ("namzdf_tke")
            call derive_energy()
        case ("namzdf")
            call derive_background()
        case ("namtra_qsr")
            call derive_light()
        case ("namtra_mle")
            call derive_mixed_layer()
        case default
            continue
        end select
    end subroutine put_parameter

    !> The critical Richardson number and the least mixing length.
    subroutine derive_energy()
        ri_cri = 2.0_wp/(2.0_wp + rn_ediss/rn_ediff)
        if (ln_zdfiwm) then
            rn_emin = 1.0e-10_wp
            rmxl_min = 1.0e-03_wp
        else
            rmxl_min = 1.0e-6_wp/(rn_ediff*sqrt(rn_emin))
        end if
        if (ln_mxl0) rn_mxl0 = rmxl_min
    end subroutine derive_energy

    !> Profiles of background viscosity and diffusivity. Internal-wave mixing has its own.
    subroutine derive_background()
        if (ln_zdfiwm) return
        avmb(:) = rn_avm0
        if (nn_avb == 0) then
            avtb(:) = rn_avt0
        else
            avtb(:) = rn_avt0 + (3.0e-4_wp - 2.0_wp*rn_avt0)*1.0e-4_wp*gdepw_1d(:)
        end if
    end subroutine derive_background

    !> Inverse depths of extinction, and the last level that light reaches.
    subroutine derive_light()
#if NEMO_BRIDGE_VERSION >= 50
        real(wp) :: time_step_now
        r1_si0 = 1.0_wp/rn_si0
        if (ln_qsr_bio) return
        time_step_now = rDt
        rDt = time_step_at_start
        nk0 = qsr_ext_lev(rn_si0, rn_abs)
        if (ln_qsr_2bd) then
            r1_si1 = 1.0_wp/rn_si1
            nkV = qsr_ext_lev(rn_si1, 1.0_wp - rn_abs)
        else if (ln_qsr_rgb) then
            nkR = qsr_ext_lev(1.0_wp/r1_LR, (1.0_wp - rn_abs)/3.0_wp)
            nkG = qsr_ext_lev(1.0_wp/r1_LG, (1.0_wp - rn_abs)/3.0_wp)
            nkB = qsr_ext_lev(1.0_wp/r1_LB, (1.0_wp - rn_abs)/3.0_wp)
            nkV = nkB
        end if
        nksr = nkV
        rDt = time_step_now
#else
        xsi0r = 1.0_wp/rn_si0
        xsi1r = 1.0_wp/rn_si1
        if (ln_qsr_2bd) nksr = trc_oce_ext_lev(rn_si1, 100.0_wp)
#endif
    end subroutine derive_light
end module nemo_bridge_parameters
