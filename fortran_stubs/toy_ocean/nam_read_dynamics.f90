!> Groups of advection and of the free surface, each read into its part of the namelist.
module nam_read_dynamics
    use nam_read_group, only: explain
    use nam_toy, only: toy_namelist
    use par_oce, only: wp
    implicit none
    private
    public :: read_tra_adv, read_dyn_adv, read_dyn_spg

contains

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

end module nam_read_dynamics
