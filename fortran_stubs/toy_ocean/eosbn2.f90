!> Simplified equation of state (Roquet et al. 2015; NEMO ln_seos) and buoyancy frequency.
module eosbn2
    use par_oce, only: wp, hls, grav, rho0
    use dom_oce, only: domain
    use nam_toy, only: nameos_type
    implicit none
    private
    public :: eos_insitu, eos_rab, bn2

    real(wp), parameter :: temperature_origin = 10.0_wp  !! degC
    real(wp), parameter :: salinity_origin = 35.0_wp     !! 1e-3

contains

    !> In situ density anomaly over rho0, on the full halo.
    pure subroutine eos_insitu(dom, p, t, s, rhd)
        type(domain), intent(in) :: dom
        type(nameos_type), intent(in) :: p
        real(wp), intent(in), contiguous :: t(1 - hls:, 1 - hls:, :)       !! degC
        real(wp), intent(in), contiguous :: s(1 - hls:, 1 - hls:, :)       !! 1e-3
        real(wp), intent(inout), contiguous :: rhd(1 - hls:, 1 - hls:, :)  !! (rho - rho0)/rho0
        real(wp) :: zt, zs, zh, density
        integer :: i, j, k

        do k = 1, dom%nz
            zh = dom%gdept_0(k)
            do j = 1 - hls, dom%nj + hls
                do i = 1 - hls, dom%ni + hls
                    zt = t(i, j, k) - temperature_origin
                    zs = s(i, j, k) - salinity_origin
                    density = -p%rn_a0*(1.0_wp + 0.5_wp*p%rn_lambda1*zt + p%rn_mu1*zh)*zt &
                        + p%rn_b0*(1.0_wp - 0.5_wp*p%rn_lambda2*zs - p%rn_mu2*zh)*zs &
                        - p%rn_nu*zt*zs
                    rhd(i, j, k) = density/rho0*dom%tmask(i, j, k)
                end do
            end do
        end do
    end subroutine eos_insitu

    !> Thermal expansion alpha [degC-1] and haline contraction beta [1e3], on the full halo.
    pure subroutine eos_rab(dom, p, t, s, alpha, beta)
        type(domain), intent(in) :: dom
        type(nameos_type), intent(in) :: p
        real(wp), intent(in), contiguous :: t(1 - hls:, 1 - hls:, :)         !! degC
        real(wp), intent(in), contiguous :: s(1 - hls:, 1 - hls:, :)         !! 1e-3
        real(wp), intent(inout), contiguous :: alpha(1 - hls:, 1 - hls:, :)
        real(wp), intent(inout), contiguous :: beta(1 - hls:, 1 - hls:, :)
        real(wp) :: zt, zs, zh
        integer :: i, j, k

        do k = 1, dom%nz
            zh = dom%gdept_0(k)
            do j = 1 - hls, dom%nj + hls
                do i = 1 - hls, dom%ni + hls
                    zt = t(i, j, k) - temperature_origin
                    zs = s(i, j, k) - salinity_origin
                    alpha(i, j, k) = (p%rn_a0*(1.0_wp + p%rn_lambda1*zt + p%rn_mu1*zh) &
                        + p%rn_nu*zs)/rho0
                    beta(i, j, k) = (p%rn_b0*(1.0_wp - p%rn_lambda2*zs - p%rn_mu2*zh) &
                        - p%rn_nu*zt)/rho0
                end do
            end do
        end do
    end subroutine eos_rab

    !> Squared buoyancy frequency at W [s-2], zero at the surface, on the full halo.
    pure subroutine bn2(dom, t, s, alpha, beta, r3t, rn2)
        type(domain), intent(in) :: dom
        real(wp), intent(in), contiguous :: t(1 - hls:, 1 - hls:, :)       !! degC
        real(wp), intent(in), contiguous :: s(1 - hls:, 1 - hls:, :)       !! 1e-3
        real(wp), intent(in), contiguous :: alpha(1 - hls:, 1 - hls:, :)   !! degC-1
        real(wp), intent(in), contiguous :: beta(1 - hls:, 1 - hls:, :)    !! 1e3
        real(wp), intent(in), contiguous :: r3t(1 - hls:, 1 - hls:)        !! ssh/ht_0
        real(wp), intent(inout), contiguous :: rn2(1 - hls:, 1 - hls:, :)  !! s-2
        real(wp) :: zrw, alpha_w, beta_w
        integer :: i, j, k

        rn2(:, :, 1) = 0.0_wp
        do k = 2, dom%nz
            zrw = (dom%gdepw_0(k) - dom%gdept_0(k))/(dom%gdept_0(k - 1) - dom%gdept_0(k))
            do j = 1 - hls, dom%nj + hls
                do i = 1 - hls, dom%ni + hls
                    alpha_w = alpha(i, j, k)*(1.0_wp - zrw) + alpha(i, j, k - 1)*zrw
                    beta_w = beta(i, j, k)*(1.0_wp - zrw) + beta(i, j, k - 1)*zrw
                    rn2(i, j, k) = grav*(alpha_w*(t(i, j, k - 1) - t(i, j, k)) &
                        - beta_w*(s(i, j, k - 1) - s(i, j, k))) &
                        /(dom%e3w_0(k)*(1.0_wp + r3t(i, j)))*dom%wmask(i, j, k)
                end do
            end do
        end do
    end subroutine bn2
end module eosbn2
