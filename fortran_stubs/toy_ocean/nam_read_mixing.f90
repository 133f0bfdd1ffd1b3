!> Groups of vertical mixing, bottom drag and lateral mixing, each read into its part of the namelist.
module nam_read_mixing
    use nam_read_group, only: explain
    use nam_toy, only: toy_namelist
    use par_oce, only: wp
    implicit none
    private
    public :: read_tra_ldf, read_tra_eiv, read_dyn_ldf, read_drg, read_drg_bot, read_zdf, &
        read_zdf_tke

contains

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

end module nam_read_mixing
