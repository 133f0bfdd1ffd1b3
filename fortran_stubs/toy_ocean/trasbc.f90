!> Surface fluxes of heat, water and salt into the top cell (NEMO's trasbc).
module trasbc
    use dom_oce, only: domain
    use oce, only: surface_forcing
    use par_oce, only: hls, rcp, rho0, wp
    implicit none
    private
    public :: tra_sbc

    real(wp), parameter :: freezing = -1.9_wp   !! degC; cooling fades out over 0.2 degC above it

contains

    !> Add to the content trends of level 1. Water leaves with the temperature of the top cell and no salt.
    pure subroutine tra_sbc(dom, sbc, t, ttrd, strd)
        type(domain), intent(in) :: dom
        type(surface_forcing), intent(in) :: sbc
        real(wp), contiguous, intent(in) :: t(1 - hls:, 1 - hls:, :)       !! degC
        real(wp), contiguous, intent(inout) :: ttrd(1 - hls:, 1 - hls:, :) !! degC m s-1
        real(wp), contiguous, intent(inout) :: strd(1 - hls:, 1 - hls:, :) !! 1e-3 m s-1
        real(wp) :: qns
        integer :: i, j
        do j = 1, dom%nj
            do i = 1, dom%ni
                qns = max(sbc%qns(i, j), 0.0_wp) + min(sbc%qns(i, j), 0.0_wp) &
                    *max(0.0_wp, min(1.0_wp, (t(i, j, 1) - freezing)/0.2_wp))
                ttrd(i, j, 1) = ttrd(i, j, 1) + (qns/(rho0*rcp) - sbc%emp(i, j)/rho0*t(i, j, 1)) &
                    *dom%tmask(i, j, 1)
                strd(i, j, 1) = strd(i, j, 1) + sbc%sfx(i, j)/rho0*dom%tmask(i, j, 1)
            end do
        end do
    end subroutine tra_sbc

end module trasbc
