!> Penetrating short wave radiation in two bands (NEMO's traqsr; Paulson and Simpson 1977).
module traqsr
    use dom_oce, only: domain
    use nam_toy, only: toy_namelist
    use par_oce, only: hls, rcp, rho0, wp
    implicit none
    private
    public :: tra_qsr

contains

    !> Add the absorbed radiation to the heat content trend; what reaches the bottom stays in the lowest
    !! wet cell. Without ln_qsr all of it stays in the top cell.
    pure subroutine tra_qsr(dom, nam, qsr, ttrd)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        real(wp), contiguous, intent(in) :: qsr(1 - hls:, 1 - hls:)        !! W m-2
        real(wp), contiguous, intent(inout) :: ttrd(1 - hls:, 1 - hls:, :) !! degC m s-1
        real(wp) :: remaining(dom%nz + 1), below
        integer :: i, j, k
        remaining = 0.0_wp
        remaining(1) = 1.0_wp
        if (nam%sbc%ln_qsr) then
            do k = 2, dom%nz
                remaining(k) = nam%tra_qsr%rn_abs*exp(-dom%gdepw_0(k)/nam%tra_qsr%rn_si0) &
                    + (1.0_wp - nam%tra_qsr%rn_abs)*exp(-dom%gdepw_0(k)/nam%tra_qsr%rn_si1)
            end do
        end if
        do k = 1, dom%nz
            do j = 1, dom%nj
                do i = 1, dom%ni
                    below = 0.0_wp
                    if (k < dom%nz) below = remaining(k + 1)*dom%wmask(i, j, min(k + 1, dom%nz))
                    ttrd(i, j, k) = ttrd(i, j, k) + qsr(i, j)/(rho0*rcp)*(remaining(k) - below) &
                        *dom%tmask(i, j, k)
                end do
            end do
        end do
    end subroutine tra_qsr

end module traqsr
