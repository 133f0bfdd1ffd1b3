!> Vertical volume transport through the moving z* levels, from continuity, bottom up.
module wzv
    use par_oce, only: wp, hls, rho0
    use dom_oce, only: domain
    implicit none
    private
    public :: wzv_transport

contains

    !> Upward transport W(k) = W(k+1) - [D(k) + e1e2t e3t_0(k)/ht_0 d(ssh)/dt], on one ring of
    !! the halo, with d(ssh)/dt = -(sum of D)/e1e2t - emp/rho0.
    subroutine wzv_transport(dom, r3u, r3v, u, v, emp, ww)
        type(domain), intent(in) :: dom
        real(wp), intent(in), contiguous :: r3u(1 - hls:, 1 - hls:), r3v(1 - hls:, 1 - hls:)
        real(wp), intent(in), contiguous :: u(1 - hls:, 1 - hls:, :), v(1 - hls:, 1 - hls:, :)
        !! m s-1
        real(wp), intent(in), contiguous :: emp(1 - hls:, 1 - hls:)         !! kg m-2 s-1
        real(wp), intent(inout), contiguous :: ww(1 - hls:, 1 - hls:, :)    !! m3 s-1
        real(wp) :: area_u(-1:dom%ni + 1, 0:dom%nj + 1)   ! e2u (1 + r3u)
        real(wp) :: area_v(0:dom%ni + 1, -1:dom%nj + 1)   ! e1v (1 + r3v)
        real(wp) :: column(0:dom%ni + 1, 0:dom%nj + 1)    ! sum of D, then e1e2t/ht_0 d(ssh)/dt
        integer :: i, j, k

        do j = 0, dom%nj + 1
            do i = -1, dom%ni + 1
                area_u(i, j) = dom%e2u(i, j)*(1.0_wp + r3u(i, j))
            end do
        end do
        do j = -1, dom%nj + 1
            do i = 0, dom%ni + 1
                area_v(i, j) = dom%e1v(i, j)*(1.0_wp + r3v(i, j))
            end do
        end do
        column(:, :) = 0.0_wp
        do k = 1, dom%nz
            do j = 0, dom%nj + 1
                do i = 0, dom%ni + 1
                    ww(i, j, k) = dom%e3t_0(k)*(area_u(i, j)*u(i, j, k) &
                        - area_u(i - 1, j)*u(i - 1, j, k) &
                        + area_v(i, j)*v(i, j, k) - area_v(i, j - 1)*v(i, j - 1, k))
                    column(i, j) = column(i, j) + ww(i, j, k)
                end do
            end do
        end do
        do j = 0, dom%nj + 1
            do i = 0, dom%ni + 1
                column(i, j) = -(column(i, j) + dom%e1e2t(i, j)*emp(i, j)/rho0)*dom%ssmask(i, j) &
                    /(dom%ht_0(i, j) + 1.0_wp - dom%ssmask(i, j))
            end do
        end do
        do k = dom%nz, 1, -1
            do j = 0, dom%nj + 1
                do i = 0, dom%ni + 1
                    ww(i, j, k) = -(ww(i, j, k) + dom%e3t_0(k)*column(i, j)*dom%tmask(i, j, k))
                end do
            end do
            if (k == dom%nz) cycle
            do j = 0, dom%nj + 1
                do i = 0, dom%ni + 1
                    ww(i, j, k) = ww(i, j, k + 1) + ww(i, j, k)
                end do
            end do
        end do
    end subroutine wzv_transport
end module wzv
