!> Horizontal gradient of the kinetic energy (vector-invariant advection of momentum).
module dynkeg
    use par_oce, only: wp, hls
    use dom_oce, only: domain
    implicit none
    private
    public :: dyn_keg

contains

    !> Trends -(K(i+1) - K(i))/e1u with K = (u(i-1)^2 + u(i)^2 + v(j-1)^2 + v(j)^2)/4.
    subroutine dyn_keg(dom, u, v, keg_u, keg_v)
        type(domain), intent(in) :: dom
        real(wp), intent(in), contiguous :: u(1 - hls:, 1 - hls:, :), v(1 - hls:, 1 - hls:, :)
        !! m s-1
        real(wp), intent(inout), contiguous :: keg_u(1 - hls:, 1 - hls:, :)  !! m s-2
        real(wp), intent(inout), contiguous :: keg_v(1 - hls:, 1 - hls:, :)  !! m s-2
        real(wp) :: energy(0:dom%ni + 1, 0:dom%nj + 1)  ! at T [m2 s-2]
        integer :: i, j, k

        do k = 1, dom%nz
            do j = 0, dom%nj + 1
                do i = 0, dom%ni + 1
                    energy(i, j) = 0.25_wp*(u(i - 1, j, k)*u(i - 1, j, k) + u(i, j, k)*u(i, j, k) &
                        + v(i, j - 1, k)*v(i, j - 1, k) + v(i, j, k)*v(i, j, k))
                end do
            end do
            do j = 0, dom%nj + 1
                do i = 0, dom%ni
                    keg_u(i, j, k) = -(energy(i + 1, j) - energy(i, j)) &
                        /dom%e1u(i, j)*dom%umask(i, j, k)
                end do
            end do
            do j = 0, dom%nj
                do i = 1, dom%ni
                    keg_v(i, j, k) = -(energy(i, j + 1) - energy(i, j)) &
                        /dom%e2v(i, j)*dom%vmask(i, j, k)
                end do
            end do
        end do
    end subroutine dyn_keg
end module dynkeg
