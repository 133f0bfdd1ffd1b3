!> Enhanced vertical diffusion where the stratification is unstable (NEMO's zdfevd, nn_evdm = 0).
module zdfevd
    use dom_oce, only: domain
    use nam_toy, only: toy_namelist
    use par_oce, only: hls, wp
    implicit none
    private
    public :: zdf_evd

    real(wp), parameter :: unstable = -1.0e-12_wp   !! N^2 at and below which a column convects, s-2

contains

    !> avt = rn_evd where N^2 <= -1e-12: the only discontinuous switch of the model.
    pure subroutine zdf_evd(dom, nam, rn2, avt)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        real(wp), contiguous, intent(in) :: rn2(1 - hls:, 1 - hls:, :)     !! s-2
        real(wp), contiguous, intent(inout) :: avt(1 - hls:, 1 - hls:, :)  !! m2 s-1, inner points
        integer :: i, j, k
        do k = 2, dom%nz
            do j = 1, dom%nj
                do i = 1, dom%ni
                    if (rn2(i, j, k) <= unstable) avt(i, j, k) = nam%zdf%rn_evd
                end do
            end do
        end do
    end subroutine zdf_evd

end module zdfevd
