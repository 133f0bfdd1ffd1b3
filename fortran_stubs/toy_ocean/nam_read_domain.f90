!> Groups of the run, the domain and its tiles, each read into its part of the namelist.
module nam_read_domain
    use nam_read_group, only: explain
    use nam_toy, only: toy_namelist
    use par_oce, only: wp
    implicit none
    private
    public :: read_cfg, read_usr_def, read_run, read_dom, read_mpp, read_lbc, read_trd

contains

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

end module nam_read_domain
