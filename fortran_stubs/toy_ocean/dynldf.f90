!> Lateral viscosity: Laplacian as gradient of divergence minus curl of vorticity.
module dynldf
    use par_oce, only: wp, hls
    use dom_oce, only: domain
    implicit none
    private
    public :: dyn_ldf

contains

    !> Trends of the Laplacian with viscosity ahmt at T and ahmf at F; fmask sets the slip
    !! at coasts.
    subroutine dyn_ldf(dom, ahmt, ahmf, u, v, ldf_u, ldf_v)
        type(domain), intent(in) :: dom
        real(wp), intent(in), contiguous :: ahmt(1 - hls:, 1 - hls:), ahmf(1 - hls:, 1 - hls:)
        !! m2 s-1
        real(wp), intent(in), contiguous :: u(1 - hls:, 1 - hls:, :), v(1 - hls:, 1 - hls:, :)
        !! m s-1
        real(wp), intent(inout), contiguous :: ldf_u(1 - hls:, 1 - hls:, :)  !! m s-2
        real(wp), intent(inout), contiguous :: ldf_v(1 - hls:, 1 - hls:, :)  !! m s-2
        real(wp) :: divergence(0:dom%ni + 1, 0:dom%nj + 1)  ! ahmt hdiv [m2 s-2]
        real(wp) :: rotation(0:dom%ni, -1:dom%nj + 1)       ! ahmf rot [m2 s-2]
        integer :: i, j, k

        do k = 1, dom%nz
            do j = 0, dom%nj + 1
                do i = 0, dom%ni + 1
                    divergence(i, j) = ahmt(i, j)*dom%tmask(i, j, k)/dom%e1e2t(i, j) &
                        *(dom%e2u(i, j)*u(i, j, k) - dom%e2u(i - 1, j)*u(i - 1, j, k) &
                        + dom%e1v(i, j)*v(i, j, k) - dom%e1v(i, j - 1)*v(i, j - 1, k))
                end do
            end do
            do j = -1, dom%nj + 1
                do i = 0, dom%ni
                    rotation(i, j) = ahmf(i, j)*dom%fmask(i, j, k)/dom%e1e2f(i, j) &
                        *(dom%e2v(i + 1, j)*v(i + 1, j, k) - dom%e2v(i, j)*v(i, j, k) &
                        - dom%e1u(i, j + 1)*u(i, j + 1, k) + dom%e1u(i, j)*u(i, j, k))
                end do
            end do
            do j = 0, dom%nj + 1
                do i = 0, dom%ni
                    ldf_u(i, j, k) = dom%umask(i, j, k) &
                        *((divergence(i + 1, j) - divergence(i, j))/dom%e1u(i, j) &
                        - (rotation(i, j) - rotation(i, j - 1))/dom%e2u(i, j))
                end do
            end do
            do j = 0, dom%nj
                do i = 1, dom%ni
                    ldf_v(i, j, k) = dom%vmask(i, j, k) &
                        *((divergence(i, j + 1) - divergence(i, j))/dom%e2v(i, j) &
                        + (rotation(i, j) - rotation(i - 1, j))/dom%e1v(i, j))
                end do
            end do
        end do
    end subroutine dyn_ldf
end module dynldf
