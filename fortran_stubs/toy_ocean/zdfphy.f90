!> Vertical physics of one step (NEMO's zdfphy): bottom drag, viscosity and diffusivity, TKE n -> n+1.
module zdfphy
    use dom_oce, only: domain
    use nam_toy, only: toy_namelist
    use oce, only: ocean_state, surface_forcing, work
    use par_oce, only: hls, wp
    use trd, only: trd_put
    use zdfdrg, only: zdf_drg
    use zdfevd, only: zdf_evd
    use zdfsh2, only: zdf_sh2
    use zdftke, only: tke_avm, tke_avt, tke_tke
    implicit none
    private
    public :: zdf_phy

contains

    !> Reads the state with valid halo, sbc%taum, w%rn2 and w%r3*. Writes w%rcdu and w%avm on
    !! 0..ni+1 x 0..nj+1, w%sh2, w%avt and state%en (n+1) on inner points. No halo exchange.
    subroutine zdf_phy(dom, nam, state, sbc, w)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        type(ocean_state), intent(inout) :: state
        type(surface_forcing), intent(in) :: sbc
        type(work), intent(inout) :: w
        call zdf_drg(dom, nam, state%u, state%v, w%rcdu)
        if (nam%zdf%ln_zdftke) then
            call turbulent_mixing(dom, nam, state, sbc, w)
        else
            call constant_mixing(dom, nam, w)
        end if
        if (nam%zdf%ln_zdfevd) call zdf_evd(dom, nam, w%rn2, w%avt)
        call trd_put(dom, 'rcdu', w%rcdu)
        call trd_put(dom, 'avm', w%avm)
        call trd_put(dom, 'avt', w%avt)
        call trd_put(dom, 'sh2', w%sh2)
    end subroutine zdf_phy

    subroutine turbulent_mixing(dom, nam, state, sbc, w)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        type(ocean_state), intent(inout) :: state
        type(surface_forcing), intent(in) :: sbc
        type(work), intent(inout) :: w
        real(wp) :: dissl(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls, dom%nz)
        call tke_avm(dom, nam, state%en, w%rn2, sbc%taum, w%r3t, w%avt, w%avm, dissl)
        call zdf_sh2(dom, state%u, state%v, w%avm, w%r3u, w%r3v, w%sh2)
        call tke_avt(dom, nam, w%avm, w%sh2, w%rn2, w%avtb_2d, w%avt)
        call tke_tke(dom, nam, sbc%taum, w%r3t, w%rn2, w%avm, w%avt, w%sh2, dissl, state%en)
    end subroutine turbulent_mixing

    !> ln_zdftke = .false.: the background coefficients everywhere; the energy is left alone.
    subroutine constant_mixing(dom, nam, w)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        type(work), intent(inout) :: w
        integer :: k
        do k = 2, dom%nz
            w%avm(:, :, k) = nam%zdf%rn_avm0*dom%wmask(:, :, k)
            w%avt(:, :, k) = nam%zdf%rn_avt0*w%avtb_2d*dom%wmask(:, :, k)
        end do
    end subroutine constant_mixing

end module zdfphy
