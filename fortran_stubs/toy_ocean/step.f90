!> One time step, n to n+1 (NEMO's step). docs/toy_ocean.md numbers the same seven parts.
module step
    use dom_oce, only: domain
    use domqco, only: dom_qco_r3
    use dommsk, only: dom_shlat
    use dynstp, only: dyn_stp
    use eosbn2, only: bn2, eos_insitu, eos_rab
    use lbclnk, only: lbc_lnk
    use nam_toy, only: toy_namelist
    use oce, only: forcing_from_python, ocean_state, surface_forcing, work
    use sbc, only: sbc_step
    use sbc_global, only: climatology
    use trastp, only: tra_stp
    use trd, only: trd_next, trd_put
    use zdfphy, only: zdf_phy
    implicit none
    private
    public :: stp

contains

    !> Advance the state by one step, the kt-th. The state comes and goes with a valid halo.
    subroutine stp(kt, dom, nam, clim, state, surface, forcing, w)
        integer, intent(in) :: kt
        type(domain), intent(inout) :: dom               !! fmask follows rn_shlat
        type(toy_namelist), intent(in) :: nam
        type(climatology), intent(in) :: clim
        type(ocean_state), intent(inout) :: state
        type(surface_forcing), intent(inout) :: surface
        type(forcing_from_python), intent(in) :: forcing
        type(work), intent(inout) :: w

        call trd_next(dom)
        if (abs(nam%lbc%rn_shlat - dom%rn_shlat) > 0.0) call dom_shlat(dom, nam%lbc%rn_shlat)
        call sbc_step(dom, nam, clim, kt, state, surface)
        call dom_qco_r3(dom, state%ssh, w%r3t, w%r3u, w%r3v)
        call eos_insitu(dom, nam%eos, state%t, state%s, w%rhd)
        call eos_rab(dom, nam%eos, state%t, state%s, w%alpha, w%beta)
        call bn2(dom, state%t, state%s, w%alpha, w%beta, w%r3t, w%rn2)
        call put_inputs()
        call zdf_phy(dom, nam, state, surface, w)
        call dyn_stp(dom, nam, state, surface, forcing, w)
        call tra_stp(dom, nam, state, surface, forcing, w)
        ! dyn_stp leaves ssh valid on the halo.
        call lbc_lnk(dom%halo, state%t, state%s, state%u, state%v, state%en)
        state%kt = kt
        call diagnose()

    contains

        !> What the step starts from, for the comparison with the twin.
        subroutine put_inputs()
            call trd_put(dom, 'rhd', w%rhd)
            call trd_put(dom, 'rn2', w%rn2)
            call trd_put(dom, 'r3t', w%r3t)
            call trd_put(dom, 'utau', surface%utau)
            call trd_put(dom, 'vtau', surface%vtau)
            call trd_put(dom, 'taum', surface%taum)
            call trd_put(dom, 'qns', surface%qns)
            call trd_put(dom, 'qsr', surface%qsr)
            call trd_put(dom, 'emp', surface%emp)
            call trd_put(dom, 'sfx', surface%sfx)
        end subroutine put_inputs

        subroutine diagnose()
            integer :: j, k
            do k = 1, dom%nz
                do j = 1, dom%nj
                    w%wo(1:dom%ni, j, k) = w%ww_tr(1:dom%ni, j, k)/dom%e1e2t(1:dom%ni, j)
                end do
            end do
            w%tos = state%t(:, :, 1)
            w%sos = state%s(:, :, 1)
            call trd_put(dom, 'thetao', state%t)
            call trd_put(dom, 'so', state%s)
            call trd_put(dom, 'uo', state%u)
            call trd_put(dom, 'vo', state%v)
            call trd_put(dom, 'zos', state%ssh)
            call trd_put(dom, 'en', state%en)
        end subroutine diagnose

    end subroutine stp

end module step
