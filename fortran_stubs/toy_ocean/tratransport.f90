!> Volume transports that advect tracers: velocity of step n+1, eddy-induced part, continuity.
module tratransport
    use dom_oce, only: domain
    use ldfeiv, only: ldf_eiv
    use nam_toy, only: toy_namelist
    use oce, only: work
    use par_oce, only: wp
    implicit none
    private
    public :: tra_transport

contains

    !> w%uu_tr on 0..ni, 1..nj; w%vv_tr on 1..ni, 0..nj; w%ww_tr on inner points. Reads w%u_bc,
    !! w%v_bc, w%un_adv, w%vn_adv at the same faces, w%r3*, w%r3t_new, w%wslpi, w%wslpj.
    pure subroutine tra_transport(dom, nam, w)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        type(work), intent(inout) :: w
        real(wp) :: depth
        integer :: i, j, k
        do k = 1, dom%nz
            do j = 1, dom%nj
                do i = 0, dom%ni
                    depth = dom%hu_0(i, j) + 1.0_wp - dom%ssumask(i, j)   ! not 0 on land
                    w%uu_tr(i, j, k) = dom%e3t_0(k)*(dom%e2u(i, j)*(1.0_wp + w%r3u(i, j)) &
                        *w%u_bc(i, j, k) + w%un_adv(i, j)/depth)*dom%umask(i, j, k)
                end do
            end do
            do j = 0, dom%nj
                do i = 1, dom%ni
                    depth = dom%hv_0(i, j) + 1.0_wp - dom%ssvmask(i, j)
                    w%vv_tr(i, j, k) = dom%e3t_0(k)*(dom%e1v(i, j)*(1.0_wp + w%r3v(i, j)) &
                        *w%v_bc(i, j, k) + w%vn_adv(i, j)/depth)*dom%vmask(i, j, k)
                end do
            end do
        end do
        if (nam%tra_eiv%ln_ldfeiv) call ldf_eiv(dom, nam, w%wslpi, w%wslpj, w%uu_tr, w%vv_tr)
        call vertical_transport(dom, nam%dom%rn_dt, w)
    end subroutine tra_transport

    !> Upward transport from continuity, from the bottom; what is left at the surface is emp/rho0.
    pure subroutine vertical_transport(dom, dt, w)
        type(domain), intent(in) :: dom
        real(wp), intent(in) :: dt   !! s
        type(work), intent(inout) :: w
        real(wp) :: below, divergence
        integer :: i, j, k
        do k = dom%nz, 1, -1
            do j = 1, dom%nj
                do i = 1, dom%ni
                    below = 0.0_wp
                    if (k < dom%nz) below = w%ww_tr(i, j, min(k + 1, dom%nz))
                    divergence = w%uu_tr(i, j, k) - w%uu_tr(i - 1, j, k) &
                        + w%vv_tr(i, j, k) - w%vv_tr(i, j - 1, k)
                    w%ww_tr(i, j, k) = (below - (divergence + dom%e1e2t(i, j)*dom%e3t_0(k) &
                        *(w%r3t_new(i, j) - w%r3t(i, j))/dt))*dom%tmask(i, j, k)
                end do
            end do
        end do
    end subroutine vertical_transport

end module tratransport
