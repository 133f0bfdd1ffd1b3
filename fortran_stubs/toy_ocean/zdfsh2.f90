!> Shear production of turbulent kinetic energy (NEMO's zdfsh2).
module zdfsh2
    use dom_oce, only: domain
    use par_oce, only: hls, wp
    implicit none
    private
    public :: zdf_sh2

contains

    !> sh2 = avm (du/dz)^2 + avm (dv/dz)^2 at W of the inner points [m2 s-3]. The products are made at
    !! UW and VW, where the shear lives, then averaged over the wet ones of the two neighbours.
    pure subroutine zdf_sh2(dom, u, v, avm, r3u, r3v, sh2)
        type(domain), intent(in) :: dom
        real(wp), contiguous, intent(in) :: u(1 - hls:, 1 - hls:, :)      !! m s-1
        real(wp), contiguous, intent(in) :: v(1 - hls:, 1 - hls:, :)      !! m s-1
        real(wp), contiguous, intent(in) :: avm(1 - hls:, 1 - hls:, :)    !! m2 s-1, on 0..ni+1, 0..nj+1
        real(wp), contiguous, intent(in) :: r3u(1 - hls:, 1 - hls:)
        real(wp), contiguous, intent(in) :: r3v(1 - hls:, 1 - hls:)
        real(wp), contiguous, intent(inout) :: sh2(1 - hls:, 1 - hls:, :) !! inner points
        real(wp) :: zu(0:dom%ni), zv(dom%ni, 0:1), e3uw
        integer :: i, j, k, south, north
        do k = 2, dom%nz
            north = 0
            call production_at_v(0, zv(:, north))
            do j = 1, dom%nj
                south = north
                north = 1 - south
                call production_at_v(j, zv(:, north))
                do i = 0, dom%ni
                    e3uw = dom%e3w_0(k)*(1.0_wp + r3u(i, j))
                    zu(i) = (avm(i, j, k) + avm(i + 1, j, k))*(u(i, j, k - 1) - u(i, j, k))**2 &
                        /(e3uw*e3uw)*dom%wumask(i, j, k)
                end do
                do i = 1, dom%ni
                    sh2(i, j, k) = 0.25_wp*( &
                        (zu(i - 1) + zu(i))*(2.0_wp - dom%umask(i - 1, j, k)*dom%umask(i, j, k)) &
                        + (zv(i, south) + zv(i, north)) &
                        *(2.0_wp - dom%vmask(i, j - 1, k)*dom%vmask(i, j, k)))
                end do
            end do
        end do

    contains

        pure subroutine production_at_v(j, production)
            integer, intent(in) :: j
            real(wp), intent(inout) :: production(:)   !! [ni]
            real(wp) :: e3vw
            integer :: i
            do i = 1, dom%ni
                e3vw = dom%e3w_0(k)*(1.0_wp + r3v(i, j))
                production(i) = (avm(i, j, k) + avm(i, j + 1, k))*(v(i, j, k - 1) - v(i, j, k))**2 &
                    /(e3vw*e3vw)*dom%wvmask(i, j, k)
            end do
        end subroutine production_at_v
    end subroutine zdf_sh2

end module zdfsh2
