!> Lateral diffusion of a tracer (NEMO's traldf): along levels, or along neutral surfaces (Redi 1982;
!! Cox 1987) with slopes of ldfslp; the slope^2 part of the vertical flux is left to the implicit solve.
module traldf
    use dom_oce, only: domain
    use nam_toy, only: toy_namelist
    use par_oce, only: hls, wp
    implicit none
    private
    public :: tra_ldf, tra_ldf_akz

contains

    !> Vertical diffusivity of the isoneutral operator, aht (wslpi^2 + wslpj^2), inner points.
    pure subroutine tra_ldf_akz(dom, ahtw, wslpi, wslpj, akz)
        type(domain), intent(in) :: dom
        real(wp), contiguous, intent(in) :: ahtw(1 - hls:, 1 - hls:)       !! m2 s-1
        real(wp), contiguous, intent(in) :: wslpi(1 - hls:, 1 - hls:, :)
        real(wp), contiguous, intent(in) :: wslpj(1 - hls:, 1 - hls:, :)
        real(wp), contiguous, intent(inout) :: akz(1 - hls:, 1 - hls:, :)  !! m2 s-1
        integer :: i, j, k
        do k = 2, dom%nz
            do j = 1, dom%nj
                do i = 1, dom%ni
                    akz(i, j, k) = ahtw(i, j)*(wslpi(i, j, k)**2 + wslpj(i, j, k)**2)
                end do
            end do
        end do
    end subroutine tra_ldf_akz

    !> Add the convergence of the explicit lateral fluxes to the content trend of inner points.
    subroutine tra_ldf(dom, nam, q, r3t, r3u, r3v, ahtu, ahtv, ahtw, uslp, vslp, wslpi, wslpj, qtrd)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        real(wp), contiguous, intent(in) :: q(1 - hls:, 1 - hls:, :)       !! tracer
        real(wp), contiguous, intent(in) :: r3t(1 - hls:, 1 - hls:)
        real(wp), contiguous, intent(in) :: r3u(1 - hls:, 1 - hls:)
        real(wp), contiguous, intent(in) :: r3v(1 - hls:, 1 - hls:)
        real(wp), contiguous, intent(in) :: ahtu(1 - hls:, 1 - hls:)       !! m2 s-1
        real(wp), contiguous, intent(in) :: ahtv(1 - hls:, 1 - hls:)
        real(wp), contiguous, intent(in) :: ahtw(1 - hls:, 1 - hls:)
        real(wp), contiguous, intent(in) :: uslp(1 - hls:, 1 - hls:, :)
        real(wp), contiguous, intent(in) :: vslp(1 - hls:, 1 - hls:, :)
        real(wp), contiguous, intent(in) :: wslpi(1 - hls:, 1 - hls:, :)
        real(wp), contiguous, intent(in) :: wslpj(1 - hls:, 1 - hls:, :)
        real(wp), contiguous, intent(inout) :: qtrd(1 - hls:, 1 - hls:, :) !! [tracer] m s-1
        real(wp), dimension(0:dom%ni + 1, 0:dom%nj + 1, 0:1) :: dz  !! upward derivative, upper and lower W
        real(wp), dimension(0:dom%ni, 0:dom%nj, 0:1) :: dx, dy      !! gradients at U and V, two levels
        real(wp) :: fx(0:dom%ni, dom%nj), fy(dom%ni, 0:dom%nj)      !! fluxes [tracer] m3 s-1
        real(wp), dimension(0:dom%ni, 0:dom%nj) :: per_e1u, per_e2v !! m-1
        real(wp) :: per_stretch(0:dom%ni + 1, 0:dom%nj + 1), per_area(dom%ni, dom%nj)
        logical :: isoneutral
        integer :: j, k, here, there
        isoneutral = nam%tra_ldf%ln_traldf_iso .and. .not. nam%tra_ldf%ln_traldf_hor
        if (.not. (isoneutral .or. nam%tra_ldf%ln_traldf_hor)) return
        per_e1u = 1.0_wp/dom%e1u(0:dom%ni, 0:dom%nj)
        per_e2v = 1.0_wp/dom%e2v(0:dom%ni, 0:dom%nj)
        per_stretch = 1.0_wp/(1.0_wp + r3t(0:dom%ni + 1, 0:dom%nj + 1))
        per_area = 1.0_wp/dom%e1e2t(1:dom%ni, 1:dom%nj)
        here = 0
        if (isoneutral) dz(:, :, 1) = 0.0_wp
        do k = 1, dom%nz
            there = here
            here = 1 - there
            call horizontal_gradients()
            if (isoneutral) then
                call vertical_derivative()
                call isoneutral_fluxes()
            else
                do j = 1, dom%nj
                    fx(:, j) = dx(:, j, here)
                end do
                fy = dy(1:dom%ni, :, here)
            end if
            call converge()
            if (isoneutral .and. k > 1) call vertical_fluxes()
        end do

    contains

        subroutine horizontal_gradients()
            integer :: i, j
            do j = 0, dom%nj
                do i = 0, dom%ni
                    dx(i, j, here) = (q(i + 1, j, k) - q(i, j, k))*per_e1u(i, j)*dom%umask(i, j, k)
                    dy(i, j, here) = (q(i, j + 1, k) - q(i, j, k))*per_e2v(i, j)*dom%vmask(i, j, k)
                end do
            end do
        end subroutine horizontal_gradients

        !> dz(here) becomes the derivative at W(k), dz(there) that at W(k + 1): the two swap roles with k.
        subroutine vertical_derivative()
            real(wp) :: per_e3w_0
            integer :: i, j
            if (k == dom%nz) then
                dz(:, :, there) = 0.0_wp
                return
            end if
            per_e3w_0 = 1.0_wp/dom%e3w_0(k + 1)
            do j = 0, dom%nj + 1
                do i = 0, dom%ni + 1
                    dz(i, j, there) = (q(i, j, k) - q(i, j, k + 1))*(per_stretch(i, j) &
                        *per_e3w_0)*dom%wmask(i, j, k + 1)
                end do
            end do
        end subroutine vertical_derivative

        subroutine isoneutral_fluxes()
            integer :: i, j, kdn
            real(wp) :: wet_below, wet
            kdn = min(k + 1, dom%nz)
            wet_below = merge(1.0_wp, 0.0_wp, k < dom%nz)
            do j = 1, dom%nj
                do i = 0, dom%ni
                    wet = dom%wmask(i, j, k) + dom%wmask(i + 1, j, k) &
                        + wet_below*(dom%wmask(i, j, kdn) + dom%wmask(i + 1, j, kdn))
                    fx(i, j) = dx(i, j, here) + uslp(i, j, k)*over(dz(i, j, here) &
                        + dz(i + 1, j, here) + dz(i, j, there) + dz(i + 1, j, there), wet)
                end do
            end do
            do j = 0, dom%nj
                do i = 1, dom%ni
                    wet = dom%wmask(i, j, k) + dom%wmask(i, j + 1, k) &
                        + wet_below*(dom%wmask(i, j, kdn) + dom%wmask(i, j + 1, kdn))
                    fy(i, j) = dy(i, j, here) + vslp(i, j, k)*over(dz(i, j, here) &
                        + dz(i, j + 1, here) + dz(i, j, there) + dz(i, j + 1, there), wet)
                end do
            end do
        end subroutine isoneutral_fluxes

        !> Gradients become fluxes, and their convergence a trend.
        subroutine converge()
            integer :: i, j
            do j = 1, dom%nj
                do i = 0, dom%ni
                    fx(i, j) = ahtu(i, j)*dom%e2u(i, j)*dom%e3t_0(k)*(1.0_wp + r3u(i, j)) &
                        *fx(i, j)*dom%umask(i, j, k)
                end do
            end do
            do j = 0, dom%nj
                do i = 1, dom%ni
                    fy(i, j) = ahtv(i, j)*dom%e1v(i, j)*dom%e3t_0(k)*(1.0_wp + r3v(i, j)) &
                        *fy(i, j)*dom%vmask(i, j, k)
                end do
            end do
            do j = 1, dom%nj
                do i = 1, dom%ni
                    qtrd(i, j, k) = qtrd(i, j, k) &
                        + (fx(i, j) - fx(i - 1, j) + fy(i, j) - fy(i, j - 1))*per_area(i, j)
                end do
            end do
        end subroutine converge

        !> Explicit flux through W(k), from the horizontal gradients around it.
        subroutine vertical_fluxes()
            integer :: i, j
            real(wp) :: wet_u, wet_v, upward
            do j = 1, dom%nj
                do i = 1, dom%ni
                    wet_u = dom%umask(i - 1, j, k - 1) + dom%umask(i, j, k - 1) &
                        + dom%umask(i - 1, j, k) + dom%umask(i, j, k)
                    wet_v = dom%vmask(i, j - 1, k - 1) + dom%vmask(i, j, k - 1) &
                        + dom%vmask(i, j - 1, k) + dom%vmask(i, j, k)
                    upward = ahtw(i, j)*dom%wmask(i, j, k)*( &
                        wslpi(i, j, k)*over(dx(i - 1, j, there) + dx(i, j, there) &
                        + dx(i - 1, j, here) + dx(i, j, here), wet_u) &
                        + wslpj(i, j, k)*over(dy(i, j - 1, there) + dy(i, j, there) &
                        + dy(i, j - 1, here) + dy(i, j, here), wet_v))
                    qtrd(i, j, k) = qtrd(i, j, k) + upward
                    qtrd(i, j, k - 1) = qtrd(i, j, k - 1) - upward
                end do
            end do
        end subroutine vertical_fluxes
    end subroutine tra_ldf

    !> Mean of `wet` neighbours from their sum: a division only near walls.
    pure real(wp) function over(total, wet)
        real(wp), intent(in) :: total, wet
        if (wet > 3.5_wp) then
            over = 0.25_wp*total
        else
            over = total/max(1.0_wp, wet)
        end if
    end function over

end module traldf
