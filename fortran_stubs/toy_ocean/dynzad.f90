!> Vertical advection of momentum, in the form that conserves energy.
module dynzad
    use par_oce, only: wp, hls
    use dom_oce, only: domain
    implicit none
    private
    public :: dyn_zad

contains

    !> Trends -(q(k) + q(k+1))/(2 e1e2u e3u), with q(k) = mean of W over the cell's two T points
    !! times the jump u(k-1) - u(k).
    subroutine dyn_zad(dom, r3u, r3v, ww, u, v, zad_u, zad_v)
        type(domain), intent(in) :: dom
        real(wp), intent(in), contiguous :: r3u(1 - hls:, 1 - hls:), r3v(1 - hls:, 1 - hls:)
        real(wp), intent(in), contiguous :: ww(1 - hls:, 1 - hls:, :)  !! m3 s-1, one ring of halo
        real(wp), intent(in), contiguous :: u(1 - hls:, 1 - hls:, :), v(1 - hls:, 1 - hls:, :)
        !! m s-1
        real(wp), intent(inout), contiguous :: zad_u(1 - hls:, 1 - hls:, :)  !! m s-2
        real(wp), intent(inout), contiguous :: zad_v(1 - hls:, 1 - hls:, :)  !! m s-2
        real(wp) :: q_u(0:dom%ni, 0:dom%nj + 1, dom%nz + 1)
        real(wp) :: q_v(1:dom%ni, 0:dom%nj, dom%nz + 1)
        integer :: i, j, k

        q_u(:, :, 1) = 0.0_wp
        q_v(:, :, 1) = 0.0_wp
        do k = 2, dom%nz
            do j = 0, dom%nj + 1
                do i = 0, dom%ni
                    q_u(i, j, k) = 0.5_wp*(ww(i, j, k) + ww(i + 1, j, k)) &
                        *(u(i, j, k - 1) - u(i, j, k))*dom%wumask(i, j, k)
                end do
            end do
            do j = 0, dom%nj
                do i = 1, dom%ni
                    q_v(i, j, k) = 0.5_wp*(ww(i, j, k) + ww(i, j + 1, k)) &
                        *(v(i, j, k - 1) - v(i, j, k))*dom%wvmask(i, j, k)
                end do
            end do
        end do
        q_u(:, :, dom%nz + 1) = 0.0_wp
        q_v(:, :, dom%nz + 1) = 0.0_wp
        do k = 1, dom%nz
            do j = 0, dom%nj + 1
                do i = 0, dom%ni
                    zad_u(i, j, k) = -0.5_wp*(q_u(i, j, k) + q_u(i, j, k + 1)) &
                        /(dom%e1e2u(i, j)*dom%e3t_0(k)*(1.0_wp + r3u(i, j)))
                end do
            end do
            do j = 0, dom%nj
                do i = 1, dom%ni
                    zad_v(i, j, k) = -0.5_wp*(q_v(i, j, k) + q_v(i, j, k + 1)) &
                        /(dom%e1e2v(i, j)*dom%e3t_0(k)*(1.0_wp + r3v(i, j)))
                end do
            end do
        end do
    end subroutine dyn_zad
end module dynzad
