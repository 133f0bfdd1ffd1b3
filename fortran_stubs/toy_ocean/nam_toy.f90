!> The namelist: one derived type per group, with NEMO's names and the defaults of this model.
!! Every rn_ entry is read by the physics at each step, so a new value acts from the next step on.
module nam_toy
    use par_oce, only: wp
    implicit none
    private
    public :: toy_namelist
    public :: namcfg_type, namusr_def_type, namrun_type, namdom_type, nammpp_type, &
        namlbc_type, nameos_type, namsbc_type, namsbc_ssr_type, namtra_qsr_type, &
        namtra_adv_type, namtra_ldf_type, namtra_eiv_type, namdyn_adv_type, namdyn_ldf_type, &
        namdyn_spg_type, namdrg_type, namdrg_bot_type, namzdf_type, namzdf_tke_type, &
        namtrd_type

    !> configuration
    type :: namcfg_type
        character(len=32) :: cn_cfg = 'gyre'   !! gyre, global or idealised
        character(len=256) :: cn_input = 'global_4deg.nc'   !! bathymetry, climatology and forcing of global
    end type namcfg_type

    !> idealised boxes (cn_cfg = 'idealised')
    type :: namusr_def_type
        integer :: nn_nx = 64   !! size, ring of land included
        integer :: nn_ny = 64
        integer :: nn_nz = 2
        real(wp) :: rn_dx = 20000.0_wp   !! m
        real(wp) :: rn_depth = 1000.0_wp   !! m
        logical :: ln_perio = .false.   !! periodic east-west
        real(wp) :: rn_f0 = 1.0e-4_wp   !! s-1
        real(wp) :: rn_beta = 0.0_wp   !! m-1 s-1
        character(len=32) :: cn_bathy = 'flat'   !! flat or seamount
        real(wp) :: rn_mount = 0.9_wp   !! height of the seamount over rn_depth
        real(wp) :: rn_mount_width = 2.0e5_wp   !! m
        real(wp) :: rn_t_surf = 20.0_wp   !! degC
        real(wp) :: rn_n2 = 0.0_wp   !! s-2
        real(wp) :: rn_salt = 35.0_wp   !! 1e-3
        real(wp) :: rn_ssh_bump = 0.0_wp   !! m
        real(wp) :: rn_bump_width = 1.0e5_wp   !! m
        character(len=32) :: cn_bump = 'x'   !! x, xy or kelvin
        real(wp) :: rn_t_bump = 0.0_wp   !! degC
        real(wp) :: rn_tau_x = 0.0_wp   !! N m-2
        character(len=32) :: cn_wind = 'none'   !! none, uniform or gyre
        real(wp) :: rn_qns = 0.0_wp   !! W m-2
    end type namusr_def_type

    !> the run
    type :: namrun_type
        character(len=32) :: cn_exp = 'TOY'   !! name of the experiment
        integer :: nn_it000 = 1   !! first step
        integer :: nn_itend = 100   !! last step
        logical :: ln_rstart = .false.   !! start from cn_ocerst_in
        character(len=256) :: cn_ocerst_in = 'restart.nc'
        character(len=256) :: cn_ocerst_out = 'restart_out.nc'
        character(len=256) :: cn_output = 'output.nc'   !! fields every nn_write steps
        integer :: nn_stock = 0   !! restart every nn_stock steps; 0: at the end only; -1: never
        integer :: nn_write = 0   !! 0: no output
        logical :: ln_stat = .true.   !! budgets in run.stat every nn_write steps
    end type namrun_type

    !> time step and mesh file
    type :: namdom_type
        real(wp) :: rn_Dt = 7200.0_wp   !! s
        logical :: ln_meshmask = .false.   !! write mesh_mask.nc
        logical :: ln_rest = .false.   !! global: horizontally uniform T, S, no surface fluxes
    end type namdom_type

    !> tiles; 0: automatic
    type :: nammpp_type
        integer :: jpni = 0
        integer :: jpnj = 0
    end type nammpp_type

    !> lateral boundaries
    type :: namlbc_type
        real(wp) :: rn_shlat = 0.0_wp   !! 0 free slip, 2 no slip
    end type namlbc_type

    !> simplified equation of state (Roquet et al. 2015)
    type :: nameos_type
        real(wp) :: rn_a0 = 1.6550e-1_wp
        real(wp) :: rn_b0 = 7.6554e-1_wp
        real(wp) :: rn_lambda1 = 5.9520e-2_wp
        real(wp) :: rn_lambda2 = 7.4914e-4_wp
        real(wp) :: rn_mu1 = 1.4970e-4_wp
        real(wp) :: rn_mu2 = 1.1090e-5_wp
        real(wp) :: rn_nu = 2.4341e-3_wp
    end type nameos_type

    !> surface forcing
    type :: namsbc_type
        logical :: ln_qsr = .true.   !! short wave penetrates (false: heats the top cell)
        logical :: ln_ssr = .true.   !! restoring to climatology
    end type namsbc_type

    !> restoring
    type :: namsbc_ssr_type
        real(wp) :: rn_dqdt = -40.0_wp   !! W m-2 K-1
        real(wp) :: rn_deds = -166.67_wp   !! kg m-2 day-1
    end type namsbc_ssr_type

    !> penetration of short wave
    type :: namtra_qsr_type
        real(wp) :: rn_abs = 0.58_wp
        real(wp) :: rn_si0 = 0.35_wp   !! m
        real(wp) :: rn_si1 = 23.0_wp   !! m
    end type namtra_qsr_type

    !> tracer advection; both false: none
    type :: namtra_adv_type
        logical :: ln_traadv_mus = .true.   !! MUSCL
        logical :: ln_traadv_ups = .false.   !! first order upwind
    end type namtra_adv_type

    !> lateral mixing of tracers
    type :: namtra_ldf_type
        logical :: ln_traldf_hor = .false.   !! along levels
        logical :: ln_traldf_iso = .true.   !! along isoneutrals
        integer :: nn_aht_ijk_t = 0   !! 0: constant; 20: rn_Ud times the cell
        real(wp) :: rn_Ud = 0.02_wp   !! m s-1
        real(wp) :: rn_Ld = 100.0e3_wp   !! m
        real(wp) :: rn_slpmax = 0.01_wp   !! largest slope
    end type namtra_ldf_type

    !> eddy-induced transport
    type :: namtra_eiv_type
        logical :: ln_ldfeiv = .true.
        integer :: nn_aei_ijk_t = 0
        real(wp) :: rn_Ue = 0.02_wp   !! m s-1
        real(wp) :: rn_Le = 100.0e3_wp   !! m
    end type namtra_eiv_type

    !> momentum advection
    type :: namdyn_adv_type
        logical :: ln_dynadv_OFF = .false.   !! linear momentum equations
    end type namdyn_adv_type

    !> lateral viscosity
    type :: namdyn_ldf_type
        integer :: nn_ahm_ijk_t = 0
        real(wp) :: rn_Uv = 2.0_wp   !! m s-1
        real(wp) :: rn_Lv = 100.0e3_wp   !! m
    end type namdyn_ldf_type

    !> split-explicit surface pressure gradient
    type :: namdyn_spg_type
        integer :: nn_e = 0   !! sub-steps per step; 0: automatic
        real(wp) :: rn_bt_cmax = 0.8_wp   !! largest Courant number
    end type namdyn_spg_type

    !> form of the bottom drag
    type :: namdrg_type
        logical :: ln_lin = .false.   !! linear: rn_Cd0 * rn_Uc0
        logical :: ln_non_lin = .true.   !! quadratic
    end type namdrg_type

    !> bottom drag
    type :: namdrg_bot_type
        real(wp) :: rn_Cd0 = 1.0e-3_wp
        real(wp) :: rn_Uc0 = 0.4_wp   !! m s-1, linear drag only
        real(wp) :: rn_ke0 = 2.5e-3_wp   !! m2 s-2
    end type namdrg_bot_type

    !> vertical mixing
    type :: namzdf_type
        real(wp) :: rn_avm0 = 1.2e-4_wp   !! m2 s-1
        real(wp) :: rn_avt0 = 1.2e-5_wp   !! m2 s-1
        logical :: ln_zdftke = .true.   !! false: constant coefficients rn_avm0, rn_avt0
        logical :: ln_zdfevd = .true.   !! enhanced diffusion where unstable
        real(wp) :: rn_evd = 100.0_wp   !! m2 s-1
    end type namzdf_type

    !> turbulent kinetic energy closure
    type :: namzdf_tke_type
        real(wp) :: rn_ediff = 0.1_wp
        real(wp) :: rn_ediss = 0.7_wp
        real(wp) :: rn_ebb = 67.83_wp
        real(wp) :: rn_emin = 1.0e-6_wp   !! m2 s-2
        real(wp) :: rn_emin0 = 1.0e-4_wp   !! m2 s-2
        integer :: nn_mxl = 3
        integer :: nn_pdl = 1
        logical :: ln_mxl0 = .true.
        real(wp) :: rn_mxl0 = 0.04_wp   !! m
        integer :: nn_etau = 1
        integer :: nn_htau = 1
        real(wp) :: rn_efr = 0.05_wp
    end type namzdf_tke_type

    !> trends for the twin tests
    type :: namtrd_type
        logical :: ln_trd = .false.   !! write trends.nc
    end type namtrd_type

    type :: toy_namelist
        type(namcfg_type) :: cfg
        type(namusr_def_type) :: usr_def
        type(namrun_type) :: run
        type(namdom_type) :: dom
        type(nammpp_type) :: mpp
        type(namlbc_type) :: lbc
        type(nameos_type) :: eos
        type(namsbc_type) :: sbc
        type(namsbc_ssr_type) :: sbc_ssr
        type(namtra_qsr_type) :: tra_qsr
        type(namtra_adv_type) :: tra_adv
        type(namtra_ldf_type) :: tra_ldf
        type(namtra_eiv_type) :: tra_eiv
        type(namdyn_adv_type) :: dyn_adv
        type(namdyn_ldf_type) :: dyn_ldf
        type(namdyn_spg_type) :: dyn_spg
        type(namdrg_type) :: drg
        type(namdrg_bot_type) :: drg_bot
        type(namzdf_type) :: zdf
        type(namzdf_tke_type) :: zdf_tke
        type(namtrd_type) :: trd
    end type toy_namelist

end module nam_toy
