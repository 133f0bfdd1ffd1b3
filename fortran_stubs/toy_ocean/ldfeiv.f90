!> Eddy-induced transport (NEMO's ldfeiv; Gent and McWilliams 1990): flattens neutral surfaces, moves no net volume.
module ldfeiv
    use dom_oce, only: domain
    use ldftra, only: ldf_eiv_coef
    use nam_toy, only: toy_namelist
    use par_oce, only: hls, wp
    implicit none
    private
    public :: ldf_eiv

contains

    !> Subtract the vertical difference of the stream function psi = e2u aei (slope at UW) from U; V alike.
    pure subroutine ldf_eiv(dom, nam, wslpi, wslpj, uu, vv)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        real(wp), contiguous, intent(in) :: wslpi(1 - hls:, 1 - hls:, :)   !! at W, 0..ni+1, 1..nj
        real(wp), contiguous, intent(in) :: wslpj(1 - hls:, 1 - hls:, :)   !! at W, 1..ni, 0..nj+1
        real(wp), contiguous, intent(inout) :: uu(1 - hls:, 1 - hls:, :)   !! m3 s-1, 0..ni, 1..nj
        real(wp), contiguous, intent(inout) :: vv(1 - hls:, 1 - hls:, :)   !! m3 s-1, 1..ni, 0..nj
        real(wp), dimension(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls) :: aeiu, aeiv
        real(wp) :: psi
        integer :: i, j, k
        call ldf_eiv_coef(dom, nam, aeiu, aeiv)
        do k = 2, dom%nz
            do j = 1, dom%nj
                do i = 0, dom%ni
                    psi = dom%e2u(i, j)*aeiu(i, j)*0.5_wp*(wslpi(i, j, k) + wslpi(i + 1, j, k)) &
                        *dom%wumask(i, j, k)
                    uu(i, j, k) = uu(i, j, k) - psi
                    uu(i, j, k - 1) = uu(i, j, k - 1) + psi
                end do
            end do
            do j = 0, dom%nj
                do i = 1, dom%ni
                    psi = dom%e1v(i, j)*aeiv(i, j)*0.5_wp*(wslpj(i, j, k) + wslpj(i, j + 1, k)) &
                        *dom%wvmask(i, j, k)
                    vv(i, j, k) = vv(i, j, k) - psi
                    vv(i, j, k - 1) = vv(i, j, k - 1) + psi
                end do
            end do
        end do
    end subroutine ldf_eiv

end module ldfeiv
