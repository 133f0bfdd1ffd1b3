!> z* thicknesses ("qco"): every e3 is e3_0(k) (1 + r3), and r3 follows from the ssh.
module domqco
    use par_oce, only: wp, hls
    use dom_oce, only: domain
    implicit none
    private
    public :: dom_qco_r3

contains

    !> Stretching ratios: r3t on the full halo, r3u up to ni+hls-1, r3v up to nj+hls-1; 0 on land.
    pure subroutine dom_qco_r3(dom, ssh, r3t, r3u, r3v)
        type(domain), intent(in) :: dom
        real(wp), intent(in), contiguous :: ssh(1 - hls:, 1 - hls:)     !! m
        real(wp), intent(inout), contiguous :: r3t(1 - hls:, 1 - hls:)
        real(wp), intent(inout), contiguous :: r3u(1 - hls:, 1 - hls:)
        real(wp), intent(inout), contiguous :: r3v(1 - hls:, 1 - hls:)
        integer :: i, j

        ! 1 - mask keeps the divisors away from zero on land.
        do j = 1 - hls, dom%nj + hls
            do i = 1 - hls, dom%ni + hls
                r3t(i, j) = ssh(i, j)*dom%ssmask(i, j) &
                    /(dom%ht_0(i, j) + 1.0_wp - dom%ssmask(i, j))
            end do
        end do
        do j = 1 - hls, dom%nj + hls
            do i = 1 - hls, dom%ni + hls - 1
                r3u(i, j) = 0.5_wp*(dom%e1e2t(i, j)*ssh(i, j) + dom%e1e2t(i + 1, j)*ssh(i + 1, j)) &
                    *dom%ssumask(i, j) &
                    /(dom%e1e2u(i, j)*(dom%hu_0(i, j) + 1.0_wp - dom%ssumask(i, j)))
            end do
        end do
        do j = 1 - hls, dom%nj + hls - 1
            do i = 1 - hls, dom%ni + hls
                r3v(i, j) = 0.5_wp*(dom%e1e2t(i, j)*ssh(i, j) + dom%e1e2t(i, j + 1)*ssh(i, j + 1)) &
                    *dom%ssvmask(i, j) &
                    /(dom%e1e2v(i, j)*(dom%hv_0(i, j) + 1.0_wp - dom%ssvmask(i, j)))
            end do
        end do
    end subroutine dom_qco_r3
end module domqco
