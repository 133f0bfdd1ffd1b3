!> Advection of a tracer (NEMO's traadv_mus): MUSCL with van Leer's harmonic limiter, centred in time,
!! or its first order (upwind). Transports of the continuity equation, so a constant stays constant.
module traadv
    use dom_oce, only: domain
    use nam_toy, only: toy_namelist
    use par_oce, only: hls, wp
    implicit none
    private
    public :: tra_adv

contains

    !> Add the convergence of the advective fluxes to the content trend (thickness times tracer) of
    !! inner points. Nothing crosses the surface here: water through W(1) is trasbc's.
    subroutine tra_adv(dom, nam, q, r3t, uu, vv, ww, qtrd)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        real(wp), contiguous, intent(in) :: q(1 - hls:, 1 - hls:, :)       !! tracer, full halo
        real(wp), contiguous, intent(in) :: r3t(1 - hls:, 1 - hls:)
        real(wp), contiguous, intent(in) :: uu(1 - hls:, 1 - hls:, :)      !! m3 s-1, 0..ni, 1..nj
        real(wp), contiguous, intent(in) :: vv(1 - hls:, 1 - hls:, :)      !! m3 s-1, 1..ni, 0..nj
        real(wp), contiguous, intent(in) :: ww(1 - hls:, 1 - hls:, :)      !! m3 s-1, inner points
        real(wp), contiguous, intent(inout) :: qtrd(1 - hls:, 1 - hls:, :) !! [tracer] m s-1
        real(wp), dimension(0:dom%ni + 1, 0:dom%nj + 1) :: per_area, dt_per_area  !! m-2; s m-2, over stretching
        real(wp) :: slope(0:dom%ni + 1), flux(0:dom%ni)
        real(wp) :: slope_here(dom%ni), slope_above(dom%ni)
        real(wp) :: slope_j(dom%ni, 0:1), flux_j(dom%ni, 0:1)
        real(wp) :: half, per_e3t_0
        integer :: i, j, k, south, north
        if (.not. (nam%tra_adv%ln_traadv_mus .or. nam%tra_adv%ln_traadv_ups)) return
        half = 0.5_wp
        if (nam%tra_adv%ln_traadv_ups) half = 0.0_wp
        per_area = 1.0_wp/dom%e1e2t(0:dom%ni + 1, 0:dom%nj + 1)
        dt_per_area = nam%dom%rn_dt*per_area/(1.0_wp + r3t(0:dom%ni + 1, 0:dom%nj + 1))
        do k = 1, dom%nz
            per_e3t_0 = 1.0_wp/dom%e3t_0(k)
            do j = 1, dom%nj
                call flux_through_u()
                do i = 1, dom%ni
                    qtrd(i, j, k) = qtrd(i, j, k) - (flux(i) - flux(i - 1))*per_area(i, j)
                end do
            end do
            call slopes_along_j(0, slope_j(:, 0))
            north = 0
            do j = 0, dom%nj
                south = north
                north = 1 - south
                call slopes_along_j(j + 1, slope_j(:, north))
                call flux_through_v(flux_j(:, north))
                if (j == 0) cycle
                do i = 1, dom%ni
                    qtrd(i, j, k) = qtrd(i, j, k) - (flux_j(i, north) - flux_j(i, south)) &
                        *per_area(i, j)
                end do
            end do
        end do
        do j = 1, dom%nj
            slope_above = 0.0_wp
            call slopes_along_k(1, slope_above)
            do k = 2, dom%nz
                call slopes_along_k(k, slope_here)
                call flux_through_w()
                slope_above = slope_here
            end do
        end do

    contains

        subroutine flux_through_u()
            real(wp) :: west, east
            integer :: i
            do i = 0, dom%ni + 1
                west = (q(i, j, k) - q(i - 1, j, k))*dom%umask(i - 1, j, k)
                east = (q(i + 1, j, k) - q(i, j, k))*dom%umask(i, j, k)
                slope(i) = limited(west, east)
            end do
            do i = 0, dom%ni
                if (uu(i, j, k) >= 0.0_wp) then
                    flux(i) = uu(i, j, k)*(q(i, j, k) &
                        + half*(1.0_wp - uu(i, j, k)*(dt_per_area(i, j)*per_e3t_0))*slope(i))
                else
                    flux(i) = uu(i, j, k)*(q(i + 1, j, k) &
                        - half*(1.0_wp + uu(i, j, k)*(dt_per_area(i + 1, j)*per_e3t_0)) &
                        *slope(i + 1))
                end if
            end do
        end subroutine flux_through_u

        subroutine slopes_along_j(row, slopes)
            integer, intent(in) :: row
            real(wp), intent(inout) :: slopes(:)   !! [ni]
            integer :: i
            do i = 1, dom%ni
                slopes(i) = limited((q(i, row, k) - q(i, row - 1, k))*dom%vmask(i, row - 1, k), &
                    (q(i, row + 1, k) - q(i, row, k))*dom%vmask(i, row, k))
            end do
        end subroutine slopes_along_j

        subroutine flux_through_v(fluxes)
            real(wp), intent(inout) :: fluxes(:)   !! [ni]
            integer :: i
            do i = 1, dom%ni
                if (vv(i, j, k) >= 0.0_wp) then
                    fluxes(i) = vv(i, j, k)*(q(i, j, k) &
                        + half*(1.0_wp - vv(i, j, k)*(dt_per_area(i, j)*per_e3t_0)) &
                        *slope_j(i, south))
                else
                    fluxes(i) = vv(i, j, k)*(q(i, j + 1, k) &
                        - half*(1.0_wp + vv(i, j, k)*(dt_per_area(i, j + 1)*per_e3t_0)) &
                        *slope_j(i, north))
                end if
            end do
        end subroutine flux_through_v

        !> Upward slope of level `level` in row j.
        subroutine slopes_along_k(level, slopes)
            integer, intent(in) :: level
            real(wp), intent(inout) :: slopes(:)   !! [ni]
            integer :: i
            if (level == 1 .or. level == dom%nz) then   ! no neighbour above or below
                slopes = 0.0_wp
                return
            end if
            do i = 1, dom%ni
                slopes(i) = limited((q(i, j, level - 1) - q(i, j, level))*dom%wmask(i, j, level), &
                    (q(i, j, level) - q(i, j, level + 1))*dom%wmask(i, j, level + 1))
            end do
        end subroutine slopes_along_k

        !> Flux through the interface above level k, taken from k and given to k - 1.
        subroutine flux_through_w()
            real(wp) :: per_e3t_above, upward
            integer :: i
            per_e3t_0 = 1.0_wp/dom%e3t_0(k)
            per_e3t_above = 1.0_wp/dom%e3t_0(k - 1)
            do i = 1, dom%ni
                if (ww(i, j, k) >= 0.0_wp) then
                    upward = q(i, j, k) &
                        + half*(1.0_wp - ww(i, j, k)*(dt_per_area(i, j)*per_e3t_0))*slope_here(i)
                else
                    upward = q(i, j, k - 1) &
                        - half*(1.0_wp + ww(i, j, k)*(dt_per_area(i, j)*per_e3t_above))*slope_above(i)
                end if
                upward = upward*ww(i, j, k)*per_area(i, j)*dom%wmask(i, j, k)
                qtrd(i, j, k) = qtrd(i, j, k) - upward
                qtrd(i, j, k - 1) = qtrd(i, j, k - 1) + upward
            end do
        end subroutine flux_through_w
    end subroutine tra_adv

    !> Van Leer's harmonic mean of two differences of one sign; 0 at an extremum.
    pure real(wp) function limited(a, b)
        real(wp), intent(in) :: a, b
        limited = 0.0_wp
        if (a*b > 0.0_wp) limited = 2.0_wp*a*b/(a + b)
    end function limited

end module traadv
