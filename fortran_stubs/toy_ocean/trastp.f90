!> Tracers of one step: temperature and salinity n -> n+1.
module trastp
    use dom_oce, only: domain
    use ldfslp, only: ldf_slp
    use ldftra, only: ldf_tra
    use nam_toy, only: toy_namelist
    use oce, only: forcing_from_python, ocean_state, surface_forcing, work
    use par_oce, only: hls, wp
    use traadv, only: tra_adv
    use traldf, only: tra_ldf, tra_ldf_akz
    use traqsr, only: tra_qsr
    use trasbc, only: tra_sbc
    use tratransport, only: tra_transport
    use trazdf, only: tra_zdf
    use trd, only: trd_put
    implicit none
    private
    public :: tra_stp

contains

    !> Reads state%t, s (n, full halo), w%rn2, alpha, beta, avt, r3*, and what dyn_stp left for the transports.
    !! Writes state%t, s (n+1) on inner points, w%uslp … akz, w%uu_tr, vv_tr, ww_tr. No halo exchange.
    subroutine tra_stp(dom, nam, state, sbc, forcing, w)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        type(ocean_state), intent(inout) :: state
        type(surface_forcing), intent(in) :: sbc
        type(forcing_from_python), intent(in) :: forcing
        type(work), intent(inout) :: w
        real(wp), dimension(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls) :: ahtu, ahtv, ahtw
        real(wp), allocatable, dimension(:, :, :) :: ttrd, strd   ! content trends, then contents
        allocate (ttrd, strd, mold=state%t)
        if (needs_slopes(nam)) call ldf_slp(dom, nam, state%t, state%s, w%alpha, w%beta, w%rn2, &
            w%uslp, w%vslp, w%wslpi, w%wslpj)
        call tra_transport(dom, nam, w)
        call ldf_tra(dom, nam, ahtu, ahtv, ahtw)
        w%akz = 0.0_wp
        if (isoneutral(nam)) call tra_ldf_akz(dom, ahtw, w%wslpi, w%wslpj, w%akz)

        call trends_of(state%t, ttrd, 't')
        call trends_of(state%s, strd, 's')
        call tra_sbc(dom, sbc, state%t, ttrd, strd)
        call tra_qsr(dom, nam, sbc%qsr, ttrd)
        call trd_put(dom, 'trd_t', ttrd)
        call trd_put(dom, 'trd_s', strd)
        call contents(dom, nam%dom%rn_dt, w%r3t, state%t, forcing%thetao_tendency, ttrd)
        call contents(dom, nam%dom%rn_dt, w%r3t, state%s, forcing%so_tendency, strd)
        call tra_zdf(dom, nam%dom%rn_dt, w%r3t_new, w%avt, w%akz, ttrd, strd, state%t, state%s)
        call trd_put(dom, 'u_bc', w%u_bc)
        call trd_put(dom, 'v_bc', w%v_bc)
        call trd_put(dom, 'r3t_new', w%r3t_new)
        call trd_put(dom, 'uslp', w%uslp)
        call trd_put(dom, 'vslp', w%vslp)
        call trd_put(dom, 'wslpi', w%wslpi)
        call trd_put(dom, 'wslpj', w%wslpj)
        call trd_put(dom, 'akz', w%akz)
        call trd_put(dom, 'uu_tr', w%uu_tr)
        call trd_put(dom, 'vv_tr', w%vv_tr)
        call trd_put(dom, 'ww_tr', w%ww_tr)

    contains

        !> Advection and lateral diffusion of one tracer.
        subroutine trends_of(q, qtrd, name)
            real(wp), contiguous, intent(in) :: q(1 - hls:, 1 - hls:, :)
            real(wp), contiguous, intent(inout) :: qtrd(1 - hls:, 1 - hls:, :) !! [tracer] m s-1
            character(len=*), intent(in) :: name
            qtrd = 0.0_wp
            call tra_adv(dom, nam, q, w%r3t, w%uu_tr, w%vv_tr, w%ww_tr, qtrd)
            call trd_put(dom, 'adv_'//name, qtrd)
            call tra_ldf(dom, nam, q, w%r3t, w%r3u, w%r3v, ahtu, ahtv, ahtw, &
                w%uslp, w%vslp, w%wslpi, w%wslpj, qtrd)
            call trd_put(dom, 'advldf_'//name, qtrd)
        end subroutine trends_of
    end subroutine tra_stp

    !> content = e3t(n) q + dt (trend + e3t(n) tendency from outside), in place of the trend.
    pure subroutine contents(dom, dt, r3t, q, tendency, qtrd)
        type(domain), intent(in) :: dom
        real(wp), intent(in) :: dt                                         !! s
        real(wp), contiguous, intent(in) :: r3t(1 - hls:, 1 - hls:)
        real(wp), contiguous, intent(in) :: q(1 - hls:, 1 - hls:, :)
        real(wp), contiguous, intent(in) :: tendency(1 - hls:, 1 - hls:, :) !! s-1
        real(wp), contiguous, intent(inout) :: qtrd(1 - hls:, 1 - hls:, :)
        integer :: i, j, k
        do k = 1, dom%nz
            do j = 1, dom%nj
                do i = 1, dom%ni
                    qtrd(i, j, k) = dom%e3t_0(k)*(1.0_wp + r3t(i, j)) &
                        *(q(i, j, k) + dt*tendency(i, j, k)*dom%tmask(i, j, k)) + dt*qtrd(i, j, k)
                end do
            end do
        end do
    end subroutine contents

    pure logical function isoneutral(nam)
        type(toy_namelist), intent(in) :: nam
        isoneutral = nam%tra_ldf%ln_traldf_iso .and. .not. nam%tra_ldf%ln_traldf_hor
    end function isoneutral

    pure logical function needs_slopes(nam)
        type(toy_namelist), intent(in) :: nam
        needs_slopes = isoneutral(nam) .or. nam%tra_eiv%ln_ldfeiv
    end function needs_slopes

end module trastp
