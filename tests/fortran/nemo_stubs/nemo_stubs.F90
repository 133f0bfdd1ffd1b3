#include "nemo_bridge_version.h90"
! Stand-ins for NEMO's modules: names and types that the bridge uses, nothing else. Written for the tests, so that
! our sources can be compiled for each version without NEMO.
module par_kind
    implicit none
    integer, parameter :: sp = selected_real_kind(6, 37), dp = selected_real_kind(12, 307), wp = dp
end module par_kind

module par_oce
    use par_kind
    implicit none
    integer, parameter :: jp_tem = 1, jp_sal = 2
    integer :: jpi, jpj, jpk, jpkm1, jpiglo, jpjglo
#if NEMO_BRIDGE_VERSION == 40
    integer, parameter :: nn_hls = 1
#else
    integer :: nn_hls, Nis0, Nie0, Njs0, Nje0, Ni0glo, Nj0glo
#endif
end module par_oce

module dom_oce
    use par_oce
    implicit none
    real(wp), allocatable, dimension(:, :, :) :: tmask, umask, vmask, wmask, fmask
    real(wp), allocatable, dimension(:, :) :: ssmask, glamt, gphit, glamu, gphiu, glamv, gphiv, &
        e1t, e2t, e1u, e2u, e1v, e2v, ff_f, ff_t
    real(wp), allocatable, dimension(:) :: gdept_1d, gdepw_1d, e3t_1d
    integer :: nimpp, njmpp, nyear, nmonth, nday, nhour, nminute, ndastp, nday_year, nsec_year, &
        nsec_month, nsec_day, nsec1jan000, nyear_len(0:2)
    real(wp) :: adatrj, fjulday, fjulstartyear
    logical :: l_Iperio, l_Jperio
#if NEMO_BRIDGE_VERSION == 40
    integer :: nmonth_len(0:13), nmonth_half(0:13), nmonth_end(0:13), nsec_week
    integer :: nldi, nlei, nldj, nlej, jperio, neuler
    integer, allocatable :: mig(:), mjg(:)
    real(wp) :: rdt, r2dt
    logical :: ln_linssh
    real(wp), allocatable, dimension(:, :, :) :: e3t_0, gdept_0, e3t_b, e3t_n, e3u_b, e3u_n, &
        e3v_b, e3v_n, e3f_n, e3w_b, e3w_n, e3uw_b, e3uw_n, e3vw_b, e3vw_n, gdept_b, gdept_n, &
        gdepw_b, gdepw_n, gde3w_n
    real(wp), allocatable, dimension(:, :) :: ht_n, hu_b, hu_n, hv_b, hv_n, r1_hu_b, r1_hu_n, &
        r1_hv_b, r1_hv_n
#else
    integer :: nmonth_len(-11:25), nmonth_beg(-11:25), nsec_monday
    real(wp) :: rn_Dt, rDt, r1_Dt
    logical :: l_1st_euler, l_NFold, lk_linssh
    character(1) :: c_NFtype
    real(wp), allocatable, dimension(:, :, :) :: r3t, r3u, r3v
    real(wp), allocatable, dimension(:, :) :: r3f, r3t_f, r3u_f, r3v_f
    real(wp), allocatable, dimension(:, :, :) :: e3t_0, gdept_0
#if ! defined key_qco && ! defined key_linssh
    real(wp), allocatable, dimension(:, :, :, :) :: e3t, e3u, e3v, e3w, e3uw, e3vw, gdept, gdepw
    real(wp), allocatable, dimension(:, :, :) :: e3f, gde3w, hu, hv, r1_hu, r1_hv
    real(wp), allocatable, dimension(:, :) :: ht
#else
    real(wp), allocatable, dimension(:, :, :) :: e3u_0, e3v_0
    real(wp), allocatable, dimension(:, :) :: r1_hu_0, r1_hv_0
#endif
#endif
end module dom_oce

module oce
    use par_kind
    implicit none
    real(wp), allocatable, dimension(:, :) :: fraqsr_1lev, sshbb_e, ubb_e, vbb_e, sshb_e, ub_e, &
        vb_e, un_bf, vn_bf, ub2_b, vb2_b
    real(wp), allocatable, dimension(:, :, :) :: rhop, rn2
#if NEMO_BRIDGE_VERSION == 40
    real(wp), allocatable, dimension(:, :, :, :) :: tsb, tsn
    real(wp), allocatable, dimension(:, :, :) :: ub, un, vb, vn, wn
    real(wp), allocatable, dimension(:, :) :: sshb, sshn, ub_b, un_b, vb_b, vn_b
#else
    real(wp), allocatable :: ts(:, :, :, :, :)
    real(wp), allocatable, dimension(:, :, :, :) :: uu, vv
    real(wp), allocatable, dimension(:, :, :) :: ww, ssh, uu_b, vv_b
#endif
end module oce

module in_out_manager
    implicit none
    type :: control
        logical :: l_runstat
        integer :: ptimincr
    end type control
    type(control) :: sn_cfctl
    integer :: nit000, nitend, nn_write, nn_stock, nstop, numout
    logical :: ln_rst_list, lwp
end module in_out_manager

module lib_mpp
    use par_kind
    implicit none
    type :: delayed
        real(wp), pointer :: z1d(:)
    end type delayed
    integer, parameter :: nbdelay = 2
    type(delayed) :: todelay(nbdelay)
    character(32) :: c_delaylist(nbdelay)
    logical :: ln_mppdelay
contains
    subroutine mpp_delay_rcv(kid)
        integer, intent(in) :: kid
        c_delaylist(kid) = ""
    end subroutine mpp_delay_rcv
end module lib_mpp

module lbclnk
    use par_kind
    implicit none
    interface lbc_lnk
        module procedure :: lnk_2d, lnk_3d, lnk_4d
    end interface lbc_lnk
    interface lbc_lnk_multi
        module procedure :: lnk_3d
    end interface lbc_lnk_multi
contains
    subroutine lnk_2d(name, a, point_a, sign_a, b, point_b, sign_b, c, point_c, sign_c, pfillval)
        character(*), intent(in) :: name
        real(wp), intent(inout) :: a(:, :)
        real(wp), intent(inout), optional :: b(:, :), c(:, :)
        character(1), intent(in) :: point_a
        character(1), intent(in), optional :: point_b, point_c
        real(wp), intent(in) :: sign_a
        real(wp), intent(in), optional :: sign_b, sign_c, pfillval
    end subroutine lnk_2d
    subroutine lnk_3d(name, a, point_a, sign_a, b, point_b, sign_b)
        character(*), intent(in) :: name
        real(wp), intent(inout) :: a(:, :, :)
        real(wp), intent(inout), optional :: b(:, :, :)
        character(1), intent(in) :: point_a
        character(1), intent(in), optional :: point_b
        real(wp), intent(in) :: sign_a
        real(wp), intent(in), optional :: sign_b
    end subroutine lnk_3d
    subroutine lnk_4d(name, a, point_a, sign_a)
        character(*), intent(in) :: name, point_a
        real(wp), intent(inout) :: a(:, :, :, :)
        real(wp), intent(in) :: sign_a
    end subroutine lnk_4d
end module lbclnk

module domqco
    use par_kind
    implicit none
contains
    subroutine dom_qco_r3c(height, t, u, v, f)
        real(wp), intent(in) :: height(:, :)
        real(wp), intent(out), dimension(:, :) :: t, u, v, f
        t = height
        u = height
        v = height
        f = height
    end subroutine dom_qco_r3c
end module domqco

module sbc_oce
    use par_kind
    implicit none
    real(wp), allocatable, dimension(:, :) :: utau, vtau, utauU, vtauV, taum, wndm, qns, qsr, emp, &
        sfx, fr_i, rnf, ssu_m, ssv_m, sst_m, sss_m, ssh_m, e3t_m, frq_m, fwfisf
    real(wp), allocatable, dimension(:, :, :) :: sbc_tsc, qsr_hc
    logical :: ln_icebergs, ln_rnf, ln_ssr, ln_usr, ln_isf, ln_abl
    integer :: nn_fsbc, nn_fwb, nn_ice
end module sbc_oce

module sbcrnf
    use par_kind
    implicit none
    real(wp), allocatable :: rnf_tsc(:, :, :)
    real(wp) :: rn_rfact, rn_avt_rnf
end module sbcrnf

module sbcssr
    use par_kind
    implicit none
    real(wp) :: rn_dqdt, rn_deds, rn_sssr_bnd
end module sbcssr

module stopar
    implicit none
    logical :: ln_sto_eos
end module stopar

module zdf_oce
    use par_kind
    implicit none
    real(wp), allocatable, dimension(:, :, :) :: avm, avt, avm_k, avt_k, en
    real(wp), allocatable :: avmb(:), avtb(:), avtb_2d(:, :)
    logical :: ln_zdfgls, ln_zdfosm, ln_zdftke, ln_zdfddm, ln_zdfevd, ln_zdfiwm
    integer :: nn_avb
    real(wp) :: rn_avm0, rn_avt0, rn_avts, rn_evd, rn_hsbfr
end module zdf_oce

module zdftke
    use par_kind
    implicit none
    real(wp), allocatable :: dissl(:, :, :)
    logical :: ln_mxl0
    real(wp) :: ri_cri, rmxl_min, rn_ebb, rn_ediff, rn_ediss, rn_efr, rn_emin, rn_emin0, rn_lc, rn_mxl0
end module zdftke

module zdfmxl
    use par_kind
    implicit none
    real(wp), allocatable :: hmlp(:, :)
end module zdfmxl

module zdfdrg
    use par_kind
    implicit none
    real(wp), allocatable :: rCd0_bot(:, :)
    logical :: l_zdfdrg, ln_non_lin
    real(wp) :: r_Cdmax_bot, r_Cdmin_bot, r_ke0_bot, r_z0_bot
end module zdfdrg

module ldftra
    use par_kind
    implicit none
    real(wp), allocatable, dimension(:, :, :) :: ahtu, ahtv, aeiu, aeiv
    logical :: l_ldfeiv_time, l_ldftra_time, ln_ldfeiv, ln_traldf_blp, ln_traldf_OFF, l_ldfeke
    integer :: nn_aei_ijk_t, nn_aht_ijk_t
    real(wp) :: aei0, aht0, rn_Ld, rn_Le, rn_Ud, rn_Ue
end module ldftra

module ldfdyn
    use par_kind
    implicit none
    real(wp), allocatable, dimension(:, :, :) :: ahmt, ahmf
    logical :: l_ldfdyn_time, ln_dynldf_blp, ln_dynldf_OFF
    integer :: nn_ahm_ijk_t
    real(wp) :: rn_Lv, rn_Uv, rn_csmc
end module ldfdyn

module ldfslp
    use par_kind
    implicit none
    logical :: l_ldfslp
    real(wp) :: rn_slpmax
end module ldfslp

module ldfc1d_c2d
    use par_oce
    implicit none
contains
    subroutine ldf_c1d(name, surface_1, surface_2, field_1, field_2)
        character(3), intent(in) :: name
        real(wp), intent(in), dimension(jpi, jpj) :: surface_1, surface_2
        real(wp), intent(inout), dimension(jpi, jpj, jpk) :: field_1, field_2
    end subroutine ldf_c1d
    subroutine ldf_c2d(name, factor, exponent, field_1, field_2)
        character(3), intent(in) :: name
        real(wp), intent(in) :: factor
        integer, intent(in) :: exponent
        real(wp), intent(inout), dimension(:, :, :) :: field_1, field_2
    end subroutine ldf_c2d
end module ldfc1d_c2d

module phycst
    use par_kind
    implicit none
    real(wp) :: grav, omega, rad, rho0, rau0
end module phycst

module tramle
    use par_kind
    implicit none
    logical :: ln_mle
    integer :: nn_mle
    real(wp) :: rb_c, rc_f, rn_ce, rn_lat, rn_lf, rn_rho_c_mle, rn_time
    real(wp), allocatable, dimension(:, :) :: r1_ft, rfu, rfv
end module tramle

module trabbl
    use par_kind
    implicit none
    logical :: ln_trabbl
    real(wp) :: rn_gambbl
end module trabbl

module trc_oce
    use par_kind
    implicit none
contains
    function trc_oce_ext_lev(depth, share) result(level)
        real(wp), intent(in) :: depth, share
        integer :: level
        level = int(depth*share)
    end function trc_oce_ext_lev
end module trc_oce

module traqsr
    use par_kind
    implicit none
    logical :: ln_qsr_2bd, ln_qsr_bio, ln_qsr_rgb, ln_traqsr
    integer :: nksr, nk0, nkB, nkG, nkR, nkV
    real(wp) :: rn_abs, rn_si0, rn_si1, r1_LB, r1_LG, r1_LR, r1_si0, r1_si1, xsi0r, xsi1r
contains
    function qsr_ext_lev(depth, share) result(level)
        real(wp), intent(in) :: depth, share
        integer :: level
        level = int(depth*share)
    end function qsr_ext_lev
end module traqsr
