!> Hydrostatic pressure gradient of the density anomaly on z* levels.
!! The gradient of the ssh itself belongs to the barotropic sub-steps.
module dynhpg
    use par_oce, only: wp, hls, grav
    use dom_oce, only: domain
    implicit none
    private
    public :: dyn_hpg

contains

    !> Trends -grav [d(P) - mean(rhd) d(depth)]/e1u; P is the integral of rhd from the surface.
    subroutine dyn_hpg(dom, rhd, r3t, ssh, hpg_u, hpg_v)
        type(domain), intent(in) :: dom
        real(wp), intent(in), contiguous :: rhd(1 - hls:, 1 - hls:, :)  !! density anomaly over rho0
        real(wp), intent(in), contiguous :: r3t(1 - hls:, 1 - hls:)
        real(wp), intent(in), contiguous :: ssh(1 - hls:, 1 - hls:)     !! m
        real(wp), intent(inout), contiguous :: hpg_u(1 - hls:, 1 - hls:, :)  !! m s-2
        real(wp), intent(inout), contiguous :: hpg_v(1 - hls:, 1 - hls:, :)  !! m s-2
        real(wp) :: pressure(0:dom%ni + 1, 0:dom%nj + 1)  ! over rho0 grav [m]
        real(wp) :: depth(0:dom%ni + 1, 0:dom%nj + 1)     ! of T below z = 0 [m]
        integer :: i, j, k, above

        pressure(:, :) = 0.0_wp
        do k = 1, dom%nz
            do j = 0, dom%nj + 1
                do i = 0, dom%ni + 1
                    depth(i, j) = dom%gdept_0(k)*(1.0_wp + r3t(i, j)) - ssh(i, j)
                end do
            end do
            above = max(k - 1, 1)
            do j = 0, dom%nj + 1
                do i = 0, dom%ni + 1
                    pressure(i, j) = pressure(i, j) + 0.5_wp*(rhd(i, j, k) + rhd(i, j, above)) &
                        *dom%e3w_0(k)*(1.0_wp + r3t(i, j))
                end do
            end do
            do j = 0, dom%nj + 1
                do i = 0, dom%ni
                    hpg_u(i, j, k) = dom%umask(i, j, k)*grav/dom%e1u(i, j) &
                        *(-(pressure(i + 1, j) - pressure(i, j)) &
                        + 0.5_wp*(rhd(i + 1, j, k) + rhd(i, j, k))*(depth(i + 1, j) - depth(i, j)))
                end do
            end do
            do j = 0, dom%nj
                do i = 1, dom%ni
                    hpg_v(i, j, k) = dom%vmask(i, j, k)*grav/dom%e2v(i, j) &
                        *(-(pressure(i, j + 1) - pressure(i, j)) &
                        + 0.5_wp*(rhd(i, j + 1, k) + rhd(i, j, k))*(depth(i, j + 1) - depth(i, j)))
                end do
            end do
        end do
    end subroutine dyn_hpg
end module dynhpg
