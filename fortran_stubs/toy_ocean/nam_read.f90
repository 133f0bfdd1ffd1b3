!> Reads the namelist file. A group or entry that the model does not know is an error: a misspelt name
!! must never run with a default.
module nam_read
    use, intrinsic :: iso_fortran_env, only: iostat_end
    use nam_toy, only: toy_namelist
    use par_oce, only: wp
    implicit none
    private
    public :: nam_read_file

    character(len=12), parameter :: groups(*) = [character(len=12) :: &
        'namcfg', &
        'namusr_def', 'namrun', 'namdom', 'nammpp', 'namlbc', 'nameos', 'namsbc', &
        'namsbc_ssr', 'namtra_qsr', 'namtra_adv', 'namtra_ldf', 'namtra_eiv', 'namdyn_adv', &
        'namdyn_ldf', 'namdyn_spg', 'namdrg', 'namdrg_bot', 'namzdf', 'namzdf_tke', 'namtrd']

contains

    !> Read every group of the file; groups that the file does not hold keep their defaults.
    subroutine nam_read_file(path, nam, message)
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(out) :: message   !! empty: read
        integer :: unit, iostat
        character(len=256) :: iomsg
        message = ''
        open (newunit=unit, file=path, status='old', action='read', iostat=iostat, iomsg=iomsg)
        if (iostat /= 0) then
            message = 'namelist file '//trim(path)//' cannot be opened: '//trim(iomsg)
            return
        end if
        call check_groups(unit, path, message)
        call read_cfg(unit, path, nam, message)
        call read_usr_def(unit, path, nam, message)
        call read_run(unit, path, nam, message)
        call read_dom(unit, path, nam, message)
        call read_mpp(unit, path, nam, message)
        call read_lbc(unit, path, nam, message)
        call read_eos(unit, path, nam, message)
        call read_sbc(unit, path, nam, message)
        call read_sbc_ssr(unit, path, nam, message)
        call read_tra_qsr(unit, path, nam, message)
        call read_tra_adv(unit, path, nam, message)
        call read_tra_ldf(unit, path, nam, message)
        call read_tra_eiv(unit, path, nam, message)
        call read_dyn_adv(unit, path, nam, message)
        call read_dyn_ldf(unit, path, nam, message)
        call read_dyn_spg(unit, path, nam, message)
        call read_drg(unit, path, nam, message)
        call read_drg_bot(unit, path, nam, message)
        call read_zdf(unit, path, nam, message)
        call read_zdf_tke(unit, path, nam, message)
        call read_trd(unit, path, nam, message)
        close (unit)
    end subroutine nam_read_file

    !> Every group in the file must be one that the model reads.
    subroutine check_groups(unit, path, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        character(len=:), allocatable, intent(inout) :: message
        character(len=512) :: line
        character(len=:), allocatable :: name
        integer :: iostat, n, number
        number = 0
        do
            read (unit, '(a)', iostat=iostat) line
            if (iostat /= 0) exit
            number = number + 1
            line = adjustl(line)
            if (line(1:1) /= '&') cycle
            name = lower(line(2:))
            n = scan(name, ' !/,'//achar(9)//achar(13))
            if (n > 0) name = name(1:n - 1)
            if (any(groups == name)) cycle
            message = 'namelist file '//trim(path)//': group &'//name//' is not one of '//known_groups()
            return
        end do
    end subroutine check_groups

    function known_groups() result(list)
        character(len=:), allocatable :: list
        integer :: n
        list = trim(groups(1))
        do n = 2, size(groups)
            list = list//' '//trim(groups(n))
        end do
    end function known_groups

    pure function lower(text) result(low)
        character(len=*), intent(in) :: text
        character(len=len_trim(text)) :: low
        integer :: n
        do n = 1, len(low)
            low(n:n) = text(n:n)
            if (text(n:n) >= 'A' .and. text(n:n) <= 'Z') low(n:n) = achar(iachar(text(n:n)) + 32)
        end do
    end function lower

    !> Message for a group that could not be read. An absent group is no error.
    subroutine explain(path, group, iostat, iomsg, message)
        character(len=*), intent(in) :: path, group
        integer, intent(in) :: iostat
        character(len=*), intent(in) :: iomsg
        character(len=:), allocatable, intent(inout) :: message
        character(len=12) :: code
        if (iostat == 0 .or. iostat == iostat_end .or. len(message) > 0) return
        write (code, '(i0)') iostat
        message = 'namelist file '//trim(path)//', group &'//group//': '//trim(iomsg)// &
            ' (iostat '//trim(code)//'); expected an entry of that group and a value of its type'
    end subroutine explain

    subroutine read_cfg(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        character(len=32) :: cn_cfg
        character(len=256) :: cn_input
        namelist /namcfg/ cn_cfg, cn_input
        cn_cfg = nam%cfg%cn_cfg
        cn_input = nam%cfg%cn_input
        rewind (unit)
        read (unit, nml=namcfg, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namcfg', iostat, iomsg, message)
        nam%cfg%cn_cfg = cn_cfg
        nam%cfg%cn_input = cn_input
    end subroutine read_cfg

    subroutine read_usr_def(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        real(wp) :: rn_dx, rn_depth, rn_f0, rn_beta, rn_mount, rn_mount_width, rn_t_surf, &
            rn_n2, rn_salt, rn_ssh_bump, rn_bump_width, rn_t_bump, rn_tau_x, rn_qns
        integer :: nn_nx, nn_ny, nn_nz
        logical :: ln_perio
        character(len=32) :: cn_bathy, cn_bump, cn_wind
        namelist /namusr_def/ nn_nx, nn_ny, nn_nz, rn_dx, rn_depth, ln_perio, rn_f0, rn_beta, &
            cn_bathy, rn_mount, rn_mount_width, rn_t_surf, rn_n2, rn_salt, rn_ssh_bump, &
            rn_bump_width, cn_bump, rn_t_bump, rn_tau_x, cn_wind, rn_qns
        nn_nx = nam%usr_def%nn_nx
        nn_ny = nam%usr_def%nn_ny
        nn_nz = nam%usr_def%nn_nz
        rn_dx = nam%usr_def%rn_dx
        rn_depth = nam%usr_def%rn_depth
        ln_perio = nam%usr_def%ln_perio
        rn_f0 = nam%usr_def%rn_f0
        rn_beta = nam%usr_def%rn_beta
        cn_bathy = nam%usr_def%cn_bathy
        rn_mount = nam%usr_def%rn_mount
        rn_mount_width = nam%usr_def%rn_mount_width
        rn_t_surf = nam%usr_def%rn_t_surf
        rn_n2 = nam%usr_def%rn_n2
        rn_salt = nam%usr_def%rn_salt
        rn_ssh_bump = nam%usr_def%rn_ssh_bump
        rn_bump_width = nam%usr_def%rn_bump_width
        cn_bump = nam%usr_def%cn_bump
        rn_t_bump = nam%usr_def%rn_t_bump
        rn_tau_x = nam%usr_def%rn_tau_x
        cn_wind = nam%usr_def%cn_wind
        rn_qns = nam%usr_def%rn_qns
        rewind (unit)
        read (unit, nml=namusr_def, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namusr_def', iostat, iomsg, message)
        nam%usr_def%nn_nx = nn_nx
        nam%usr_def%nn_ny = nn_ny
        nam%usr_def%nn_nz = nn_nz
        nam%usr_def%rn_dx = rn_dx
        nam%usr_def%rn_depth = rn_depth
        nam%usr_def%ln_perio = ln_perio
        nam%usr_def%rn_f0 = rn_f0
        nam%usr_def%rn_beta = rn_beta
        nam%usr_def%cn_bathy = cn_bathy
        nam%usr_def%rn_mount = rn_mount
        nam%usr_def%rn_mount_width = rn_mount_width
        nam%usr_def%rn_t_surf = rn_t_surf
        nam%usr_def%rn_n2 = rn_n2
        nam%usr_def%rn_salt = rn_salt
        nam%usr_def%rn_ssh_bump = rn_ssh_bump
        nam%usr_def%rn_bump_width = rn_bump_width
        nam%usr_def%cn_bump = cn_bump
        nam%usr_def%rn_t_bump = rn_t_bump
        nam%usr_def%rn_tau_x = rn_tau_x
        nam%usr_def%cn_wind = cn_wind
        nam%usr_def%rn_qns = rn_qns
    end subroutine read_usr_def

    subroutine read_run(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        integer :: nn_it000, nn_itend, nn_stock, nn_write
        logical :: ln_rstart, ln_stat
        character(len=32) :: cn_exp
        character(len=256) :: cn_ocerst_in, cn_ocerst_out, cn_output
        namelist /namrun/ cn_exp, nn_it000, nn_itend, ln_rstart, cn_ocerst_in, cn_ocerst_out, &
            cn_output, nn_stock, nn_write, ln_stat
        cn_exp = nam%run%cn_exp
        nn_it000 = nam%run%nn_it000
        nn_itend = nam%run%nn_itend
        ln_rstart = nam%run%ln_rstart
        cn_ocerst_in = nam%run%cn_ocerst_in
        cn_ocerst_out = nam%run%cn_ocerst_out
        cn_output = nam%run%cn_output
        nn_stock = nam%run%nn_stock
        nn_write = nam%run%nn_write
        ln_stat = nam%run%ln_stat
        rewind (unit)
        read (unit, nml=namrun, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namrun', iostat, iomsg, message)
        nam%run%cn_exp = cn_exp
        nam%run%nn_it000 = nn_it000
        nam%run%nn_itend = nn_itend
        nam%run%ln_rstart = ln_rstart
        nam%run%cn_ocerst_in = cn_ocerst_in
        nam%run%cn_ocerst_out = cn_ocerst_out
        nam%run%cn_output = cn_output
        nam%run%nn_stock = nn_stock
        nam%run%nn_write = nn_write
        nam%run%ln_stat = ln_stat
    end subroutine read_run

    subroutine read_dom(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        real(wp) :: rn_Dt
        logical :: ln_meshmask, ln_rest
        namelist /namdom/ rn_Dt, ln_meshmask, ln_rest
        rn_Dt = nam%dom%rn_Dt
        ln_meshmask = nam%dom%ln_meshmask
        ln_rest = nam%dom%ln_rest
        rewind (unit)
        read (unit, nml=namdom, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namdom', iostat, iomsg, message)
        nam%dom%rn_Dt = rn_Dt
        nam%dom%ln_meshmask = ln_meshmask
        nam%dom%ln_rest = ln_rest
    end subroutine read_dom

    subroutine read_mpp(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        integer :: jpni, jpnj
        namelist /nammpp/ jpni, jpnj
        jpni = nam%mpp%jpni
        jpnj = nam%mpp%jpnj
        rewind (unit)
        read (unit, nml=nammpp, iostat=iostat, iomsg=iomsg)
        call explain(path, 'nammpp', iostat, iomsg, message)
        nam%mpp%jpni = jpni
        nam%mpp%jpnj = jpnj
    end subroutine read_mpp

    subroutine read_lbc(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        real(wp) :: rn_shlat
        namelist /namlbc/ rn_shlat
        rn_shlat = nam%lbc%rn_shlat
        rewind (unit)
        read (unit, nml=namlbc, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namlbc', iostat, iomsg, message)
        nam%lbc%rn_shlat = rn_shlat
    end subroutine read_lbc

    subroutine read_eos(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        real(wp) :: rn_a0, rn_b0, rn_lambda1, rn_lambda2, rn_mu1, rn_mu2, rn_nu
        namelist /nameos/ rn_a0, rn_b0, rn_lambda1, rn_lambda2, rn_mu1, rn_mu2, rn_nu
        rn_a0 = nam%eos%rn_a0
        rn_b0 = nam%eos%rn_b0
        rn_lambda1 = nam%eos%rn_lambda1
        rn_lambda2 = nam%eos%rn_lambda2
        rn_mu1 = nam%eos%rn_mu1
        rn_mu2 = nam%eos%rn_mu2
        rn_nu = nam%eos%rn_nu
        rewind (unit)
        read (unit, nml=nameos, iostat=iostat, iomsg=iomsg)
        call explain(path, 'nameos', iostat, iomsg, message)
        nam%eos%rn_a0 = rn_a0
        nam%eos%rn_b0 = rn_b0
        nam%eos%rn_lambda1 = rn_lambda1
        nam%eos%rn_lambda2 = rn_lambda2
        nam%eos%rn_mu1 = rn_mu1
        nam%eos%rn_mu2 = rn_mu2
        nam%eos%rn_nu = rn_nu
    end subroutine read_eos

    subroutine read_sbc(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        logical :: ln_qsr, ln_ssr
        namelist /namsbc/ ln_qsr, ln_ssr
        ln_qsr = nam%sbc%ln_qsr
        ln_ssr = nam%sbc%ln_ssr
        rewind (unit)
        read (unit, nml=namsbc, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namsbc', iostat, iomsg, message)
        nam%sbc%ln_qsr = ln_qsr
        nam%sbc%ln_ssr = ln_ssr
    end subroutine read_sbc

    subroutine read_sbc_ssr(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        real(wp) :: rn_dqdt, rn_deds
        namelist /namsbc_ssr/ rn_dqdt, rn_deds
        rn_dqdt = nam%sbc_ssr%rn_dqdt
        rn_deds = nam%sbc_ssr%rn_deds
        rewind (unit)
        read (unit, nml=namsbc_ssr, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namsbc_ssr', iostat, iomsg, message)
        nam%sbc_ssr%rn_dqdt = rn_dqdt
        nam%sbc_ssr%rn_deds = rn_deds
    end subroutine read_sbc_ssr

    subroutine read_tra_qsr(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        real(wp) :: rn_abs, rn_si0, rn_si1
        namelist /namtra_qsr/ rn_abs, rn_si0, rn_si1
        rn_abs = nam%tra_qsr%rn_abs
        rn_si0 = nam%tra_qsr%rn_si0
        rn_si1 = nam%tra_qsr%rn_si1
        rewind (unit)
        read (unit, nml=namtra_qsr, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namtra_qsr', iostat, iomsg, message)
        nam%tra_qsr%rn_abs = rn_abs
        nam%tra_qsr%rn_si0 = rn_si0
        nam%tra_qsr%rn_si1 = rn_si1
    end subroutine read_tra_qsr

    subroutine read_tra_adv(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        logical :: ln_traadv_mus, ln_traadv_ups
        namelist /namtra_adv/ ln_traadv_mus, ln_traadv_ups
        ln_traadv_mus = nam%tra_adv%ln_traadv_mus
        ln_traadv_ups = nam%tra_adv%ln_traadv_ups
        rewind (unit)
        read (unit, nml=namtra_adv, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namtra_adv', iostat, iomsg, message)
        nam%tra_adv%ln_traadv_mus = ln_traadv_mus
        nam%tra_adv%ln_traadv_ups = ln_traadv_ups
    end subroutine read_tra_adv

    subroutine read_tra_ldf(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        real(wp) :: rn_Ud, rn_Ld, rn_slpmax
        integer :: nn_aht_ijk_t
        logical :: ln_traldf_hor, ln_traldf_iso
        namelist /namtra_ldf/ ln_traldf_hor, ln_traldf_iso, nn_aht_ijk_t, rn_Ud, rn_Ld, &
            rn_slpmax
        ln_traldf_hor = nam%tra_ldf%ln_traldf_hor
        ln_traldf_iso = nam%tra_ldf%ln_traldf_iso
        nn_aht_ijk_t = nam%tra_ldf%nn_aht_ijk_t
        rn_Ud = nam%tra_ldf%rn_Ud
        rn_Ld = nam%tra_ldf%rn_Ld
        rn_slpmax = nam%tra_ldf%rn_slpmax
        rewind (unit)
        read (unit, nml=namtra_ldf, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namtra_ldf', iostat, iomsg, message)
        nam%tra_ldf%ln_traldf_hor = ln_traldf_hor
        nam%tra_ldf%ln_traldf_iso = ln_traldf_iso
        nam%tra_ldf%nn_aht_ijk_t = nn_aht_ijk_t
        nam%tra_ldf%rn_Ud = rn_Ud
        nam%tra_ldf%rn_Ld = rn_Ld
        nam%tra_ldf%rn_slpmax = rn_slpmax
    end subroutine read_tra_ldf

    subroutine read_tra_eiv(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        real(wp) :: rn_Ue, rn_Le
        integer :: nn_aei_ijk_t
        logical :: ln_ldfeiv
        namelist /namtra_eiv/ ln_ldfeiv, nn_aei_ijk_t, rn_Ue, rn_Le
        ln_ldfeiv = nam%tra_eiv%ln_ldfeiv
        nn_aei_ijk_t = nam%tra_eiv%nn_aei_ijk_t
        rn_Ue = nam%tra_eiv%rn_Ue
        rn_Le = nam%tra_eiv%rn_Le
        rewind (unit)
        read (unit, nml=namtra_eiv, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namtra_eiv', iostat, iomsg, message)
        nam%tra_eiv%ln_ldfeiv = ln_ldfeiv
        nam%tra_eiv%nn_aei_ijk_t = nn_aei_ijk_t
        nam%tra_eiv%rn_Ue = rn_Ue
        nam%tra_eiv%rn_Le = rn_Le
    end subroutine read_tra_eiv

    subroutine read_dyn_adv(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        logical :: ln_dynadv_OFF
        namelist /namdyn_adv/ ln_dynadv_OFF
        ln_dynadv_OFF = nam%dyn_adv%ln_dynadv_OFF
        rewind (unit)
        read (unit, nml=namdyn_adv, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namdyn_adv', iostat, iomsg, message)
        nam%dyn_adv%ln_dynadv_OFF = ln_dynadv_OFF
    end subroutine read_dyn_adv

    subroutine read_dyn_ldf(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        real(wp) :: rn_Uv, rn_Lv
        integer :: nn_ahm_ijk_t
        namelist /namdyn_ldf/ nn_ahm_ijk_t, rn_Uv, rn_Lv
        nn_ahm_ijk_t = nam%dyn_ldf%nn_ahm_ijk_t
        rn_Uv = nam%dyn_ldf%rn_Uv
        rn_Lv = nam%dyn_ldf%rn_Lv
        rewind (unit)
        read (unit, nml=namdyn_ldf, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namdyn_ldf', iostat, iomsg, message)
        nam%dyn_ldf%nn_ahm_ijk_t = nn_ahm_ijk_t
        nam%dyn_ldf%rn_Uv = rn_Uv
        nam%dyn_ldf%rn_Lv = rn_Lv
    end subroutine read_dyn_ldf

    subroutine read_dyn_spg(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        real(wp) :: rn_bt_cmax
        integer :: nn_e
        namelist /namdyn_spg/ nn_e, rn_bt_cmax
        nn_e = nam%dyn_spg%nn_e
        rn_bt_cmax = nam%dyn_spg%rn_bt_cmax
        rewind (unit)
        read (unit, nml=namdyn_spg, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namdyn_spg', iostat, iomsg, message)
        nam%dyn_spg%nn_e = nn_e
        nam%dyn_spg%rn_bt_cmax = rn_bt_cmax
    end subroutine read_dyn_spg

    subroutine read_drg(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        logical :: ln_lin, ln_non_lin
        namelist /namdrg/ ln_lin, ln_non_lin
        ln_lin = nam%drg%ln_lin
        ln_non_lin = nam%drg%ln_non_lin
        rewind (unit)
        read (unit, nml=namdrg, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namdrg', iostat, iomsg, message)
        nam%drg%ln_lin = ln_lin
        nam%drg%ln_non_lin = ln_non_lin
    end subroutine read_drg

    subroutine read_drg_bot(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        real(wp) :: rn_Cd0, rn_Uc0, rn_ke0
        namelist /namdrg_bot/ rn_Cd0, rn_Uc0, rn_ke0
        rn_Cd0 = nam%drg_bot%rn_Cd0
        rn_Uc0 = nam%drg_bot%rn_Uc0
        rn_ke0 = nam%drg_bot%rn_ke0
        rewind (unit)
        read (unit, nml=namdrg_bot, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namdrg_bot', iostat, iomsg, message)
        nam%drg_bot%rn_Cd0 = rn_Cd0
        nam%drg_bot%rn_Uc0 = rn_Uc0
        nam%drg_bot%rn_ke0 = rn_ke0
    end subroutine read_drg_bot

    subroutine read_zdf(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        real(wp) :: rn_avm0, rn_avt0, rn_evd
        logical :: ln_zdftke, ln_zdfevd
        namelist /namzdf/ rn_avm0, rn_avt0, ln_zdftke, ln_zdfevd, rn_evd
        rn_avm0 = nam%zdf%rn_avm0
        rn_avt0 = nam%zdf%rn_avt0
        ln_zdftke = nam%zdf%ln_zdftke
        ln_zdfevd = nam%zdf%ln_zdfevd
        rn_evd = nam%zdf%rn_evd
        rewind (unit)
        read (unit, nml=namzdf, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namzdf', iostat, iomsg, message)
        nam%zdf%rn_avm0 = rn_avm0
        nam%zdf%rn_avt0 = rn_avt0
        nam%zdf%ln_zdftke = ln_zdftke
        nam%zdf%ln_zdfevd = ln_zdfevd
        nam%zdf%rn_evd = rn_evd
    end subroutine read_zdf

    subroutine read_zdf_tke(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        real(wp) :: rn_ediff, rn_ediss, rn_ebb, rn_emin, rn_emin0, rn_mxl0, rn_efr
        integer :: nn_mxl, nn_pdl, nn_etau, nn_htau
        logical :: ln_mxl0
        namelist /namzdf_tke/ rn_ediff, rn_ediss, rn_ebb, rn_emin, rn_emin0, nn_mxl, nn_pdl, &
            ln_mxl0, rn_mxl0, nn_etau, nn_htau, rn_efr
        rn_ediff = nam%zdf_tke%rn_ediff
        rn_ediss = nam%zdf_tke%rn_ediss
        rn_ebb = nam%zdf_tke%rn_ebb
        rn_emin = nam%zdf_tke%rn_emin
        rn_emin0 = nam%zdf_tke%rn_emin0
        nn_mxl = nam%zdf_tke%nn_mxl
        nn_pdl = nam%zdf_tke%nn_pdl
        ln_mxl0 = nam%zdf_tke%ln_mxl0
        rn_mxl0 = nam%zdf_tke%rn_mxl0
        nn_etau = nam%zdf_tke%nn_etau
        nn_htau = nam%zdf_tke%nn_htau
        rn_efr = nam%zdf_tke%rn_efr
        rewind (unit)
        read (unit, nml=namzdf_tke, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namzdf_tke', iostat, iomsg, message)
        nam%zdf_tke%rn_ediff = rn_ediff
        nam%zdf_tke%rn_ediss = rn_ediss
        nam%zdf_tke%rn_ebb = rn_ebb
        nam%zdf_tke%rn_emin = rn_emin
        nam%zdf_tke%rn_emin0 = rn_emin0
        nam%zdf_tke%nn_mxl = nn_mxl
        nam%zdf_tke%nn_pdl = nn_pdl
        nam%zdf_tke%ln_mxl0 = ln_mxl0
        nam%zdf_tke%rn_mxl0 = rn_mxl0
        nam%zdf_tke%nn_etau = nn_etau
        nam%zdf_tke%nn_htau = nn_htau
        nam%zdf_tke%rn_efr = rn_efr
    end subroutine read_zdf_tke

    subroutine read_trd(unit, path, nam, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(inout) :: message
        integer :: iostat
        character(len=256) :: iomsg
        logical :: ln_trd
        namelist /namtrd/ ln_trd
        ln_trd = nam%trd%ln_trd
        rewind (unit)
        read (unit, nml=namtrd, iostat=iostat, iomsg=iomsg)
        call explain(path, 'namtrd', iostat, iomsg, message)
        nam%trd%ln_trd = ln_trd
    end subroutine read_trd

end module nam_read
