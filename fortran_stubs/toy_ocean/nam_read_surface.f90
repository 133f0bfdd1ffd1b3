!> Groups of the equation of state and of what comes through the surface, each read into its part of the namelist.
module nam_read_surface
    use nam_read_group, only: explain
    use nam_toy, only: toy_namelist
    use par_oce, only: wp
    implicit none
    private
    public :: read_eos, read_sbc, read_sbc_ssr, read_tra_qsr

contains

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

end module nam_read_surface
