!> Turbulent kinetic energy closure (Gaspar et al. 1990; Blanke and Delecluse 1993; NEMO's zdftke).
!! Three parts in the order of a step: mixing lengths and viscosity, diffusivity, energy n -> n+1.
module zdftke
    use dom_oce, only: domain
    use nam_toy, only: toy_namelist
    use par_oce, only: grav, hls, rad, rho0, vkarmn, wp
    use tridiagonal_solver, only: tridiagonal
    implicit none
    private
    public :: tke_avm, tke_avt, tke_tke

    real(wp), parameter :: rn2_min = 1.0e-16_wp  !! smallest N^2 in the mixing length, s-2
    real(wp), parameter :: shear_min = 1.0e-20_wp !! keeps the Richardson number finite, m2 s-3
    real(wp), parameter :: pdl_min = 0.1_wp      !! smallest inverse Prandtl number

contains

    !> Mixing lengths from the energy, then viscosity and dissipation rate, on 0..ni+1, 0..nj+1.
    pure subroutine tke_avm(dom, nam, en, rn2, taum, r3t, zav, avm, dissl)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        real(wp), contiguous, intent(in) :: en(1 - hls:, 1 - hls:, :)       !! m2 s-2
        real(wp), contiguous, intent(in) :: rn2(1 - hls:, 1 - hls:, :)      !! s-2
        real(wp), contiguous, intent(in) :: taum(1 - hls:, 1 - hls:)        !! N m-2
        real(wp), contiguous, intent(in) :: r3t(1 - hls:, 1 - hls:)
        real(wp), contiguous, intent(inout) :: zav(1 - hls:, 1 - hls:, :)   !! before the background, m2 s-1
        real(wp), contiguous, intent(inout) :: avm(1 - hls:, 1 - hls:, :)   !! m2 s-1
        real(wp), contiguous, intent(inout) :: dissl(1 - hls:, 1 - hls:, :) !! sqrt(en)/length, s-1
        real(wp), dimension(0:dom%ni + 1, dom%nz) :: length, lup, ldn
        real(wp) :: rmxl_min, lm, ld, speed
        integer :: i, j, k
        rmxl_min = 1.0e-6_wp/(nam%zdf_tke%rn_ediff*sqrt(nam%zdf_tke%rn_emin))
        do j = 0, dom%nj + 1
            do i = 0, dom%ni + 1
                length(i, 1) = nam%zdf_tke%rn_mxl0
            end do
            if (nam%zdf_tke%ln_mxl0) then
                do i = 0, dom%ni + 1
                    length(i, 1) = max(nam%zdf_tke%rn_mxl0, vkarmn*2.0e5_wp*taum(i, j)/(rho0*grav))
                end do
            end if
            do k = 2, dom%nz
                do i = 0, dom%ni + 1
                    length(i, k) = max(rmxl_min, sqrt(2.0_wp*en(i, j, k)/max(rn2(i, j, k), rn2_min) &
                        *dom%wmask(i, j, k)))
                end do
            end do
            lup(:, 1) = length(:, 1)
            do k = 2, dom%nz
                do i = 0, dom%ni + 1
                    lup(i, k) = min(lup(i, k - 1) + dom%e3t_0(k - 1)*(1.0_wp + r3t(i, j)), length(i, k))
                end do
            end do
            if (nam%zdf_tke%nn_mxl == 2) length = lup
            ldn(:, dom%nz) = min(rmxl_min + dom%e3t_0(dom%nz)*(1.0_wp + r3t(0:dom%ni + 1, j)), &
                length(:, dom%nz))
            do k = dom%nz - 1, 2, -1
                do i = 0, dom%ni + 1
                    ldn(i, k) = min(ldn(i, k + 1) + dom%e3t_0(k)*(1.0_wp + r3t(i, j)), length(i, k))
                end do
            end do
            if (nam%zdf_tke%nn_mxl == 2) lup(:, 2:) = ldn(:, 2:)
            do k = 2, dom%nz
                do i = 0, dom%ni + 1
                    lm = min(lup(i, k), ldn(i, k))
                    ld = sqrt(lup(i, k)*ldn(i, k))
                    speed = sqrt(en(i, j, k))
                    zav(i, j, k) = nam%zdf_tke%rn_ediff*lm*speed
                    avm(i, j, k) = max(zav(i, j, k), nam%zdf%rn_avm0)*dom%wmask(i, j, k)
                    dissl(i, j, k) = speed/ld
                end do
            end do
        end do
    end subroutine tke_avm

    !> Diffusivity of tracers: viscosity over the Prandtl number of the Richardson number, inner points.
    !! avt comes in as zav: 0.1 rn_avm0 = rn_avt0 by default, and avm instead of zav would sit on that kink.
    pure subroutine tke_avt(dom, nam, avm, sh2, rn2, avtb_2d, avt)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        real(wp), contiguous, intent(in) :: avm(1 - hls:, 1 - hls:, :)    !! m2 s-1
        real(wp), contiguous, intent(in) :: sh2(1 - hls:, 1 - hls:, :)    !! m2 s-3
        real(wp), contiguous, intent(in) :: rn2(1 - hls:, 1 - hls:, :)    !! s-2
        real(wp), contiguous, intent(in) :: avtb_2d(1 - hls:, 1 - hls:)   !! factor on rn_avt0
        real(wp), contiguous, intent(inout) :: avt(1 - hls:, 1 - hls:, :) !! m2 s-1
        real(wp) :: ri_cri, richardson, pdl, floor
        integer :: i, j, k
        ri_cri = 2.0_wp/(2.0_wp + nam%zdf_tke%rn_ediss/nam%zdf_tke%rn_ediff)
        do k = 2, dom%nz
            do j = 1, dom%nj
                do i = 1, dom%ni
                    pdl = 1.0_wp
                    if (nam%zdf_tke%nn_pdl == 1) then
                        richardson = max(rn2(i, j, k), 0.0_wp)*avm(i, j, k)/(sh2(i, j, k) + shear_min)
                        pdl = max(pdl_min, ri_cri/max(ri_cri, richardson))
                    end if
                    floor = nam%zdf%rn_avt0*avtb_2d(i, j)
                    avt(i, j, k) = max(pdl*max(avt(i, j, k), floor), floor)*dom%wmask(i, j, k)
                end do
            end do
        end do
    end subroutine tke_avt

    !> Energy n -> n+1 on inner points: implicit diffusion and dissipation, wind at the surface.
    subroutine tke_tke(dom, nam, taum, r3t, rn2, avm, avt, sh2, dissl, en)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        real(wp), contiguous, intent(in) :: taum(1 - hls:, 1 - hls:)        !! N m-2
        real(wp), contiguous, intent(in) :: r3t(1 - hls:, 1 - hls:)
        real(wp), contiguous, intent(in) :: rn2(1 - hls:, 1 - hls:, :)      !! s-2
        real(wp), contiguous, intent(in) :: avm(1 - hls:, 1 - hls:, :)      !! m2 s-1
        real(wp), contiguous, intent(in) :: avt(1 - hls:, 1 - hls:, :)      !! m2 s-1
        real(wp), contiguous, intent(in) :: sh2(1 - hls:, 1 - hls:, :)      !! m2 s-3
        real(wp), contiguous, intent(in) :: dissl(1 - hls:, 1 - hls:, :)    !! s-1
        real(wp), contiguous, intent(inout) :: en(1 - hls:, 1 - hls:, :)    !! m2 s-2
        real(wp), dimension(dom%ni, dom%nz) :: a_up, diag, a_dn, rhs
        real(wp) :: dt, ediss, stretch
        integer :: i, j, k, kup, kdn
        dt = nam%dom%rn_dt
        ediss = nam%zdf_tke%rn_ediss
        a_up(:, 1) = 0.0_wp
        diag(:, 1) = 1.0_wp
        a_dn(:, 1) = 0.0_wp
        do j = 1, dom%nj
            do i = 1, dom%ni
                rhs(i, 1) = max(nam%zdf_tke%rn_emin0, nam%zdf_tke%rn_ebb*taum(i, j)/rho0) &
                    *dom%ssmask(i, j)
            end do
            do k = 2, dom%nz
                kup = max(k - 1, 2)           ! avm(1) is taken equal to avm(2)
                kdn = min(k + 1, dom%nz)
                do i = 1, dom%ni
                    stretch = (1.0_wp + r3t(i, j))**2
                    a_up(i, k) = -0.5_wp*dt*(avm(i, j, k) + avm(i, j, kup)) &
                        /(dom%e3t_0(k - 1)*dom%e3w_0(k)*stretch)*dom%wmask(i, j, k)
                    a_dn(i, k) = -0.5_wp*dt*(avm(i, j, k) + avm(i, j, kdn)) &
                        /(dom%e3t_0(k)*dom%e3w_0(k)*stretch)*dom%wmask(i, j, kdn)
                    if (k == dom%nz) a_dn(i, k) = 0.0_wp
                    diag(i, k) = 1.0_wp - a_up(i, k) - a_dn(i, k) + 1.5_wp*dt*ediss*dissl(i, j, k)
                    rhs(i, k) = en(i, j, k) + dt*(sh2(i, j, k) - avt(i, j, k)*rn2(i, j, k) &
                        + 0.5_wp*ediss*dissl(i, j, k)*en(i, j, k))
                end do
            end do
            call tridiagonal(a_up, diag, a_dn, rhs)
            en(1:dom%ni, j, 1) = rhs(:, 1)
            do k = 2, dom%nz
                do i = 1, dom%ni
                    en(i, j, k) = max(rhs(i, k), nam%zdf_tke%rn_emin)*dom%wmask(i, j, k)
                end do
            end do
            if (nam%zdf_tke%nn_etau == 1) call penetrate(j)
        end do

    contains

        !> Energy of breaking inertial waves below the mixed layer (nn_etau = 1).
        subroutine penetrate(j)
            integer, intent(in) :: j
            real(wp) :: depth(dom%ni)  !! htau, m
            integer :: i, k
            depth = 10.0_wp
            if (nam%zdf_tke%nn_htau == 1) &
                depth = max(0.5_wp, min(30.0_wp, 45.0_wp*abs(sin(rad*dom%gphit(1:dom%ni, j)))))
            do k = 2, dom%nz
                do i = 1, dom%ni
                    if (dom%wmask(i, j, k) > 0.0_wp) en(i, j, k) = en(i, j, k) &
                        + nam%zdf_tke%rn_efr*en(i, j, 1)*exp(-dom%gdepw_0(k)/depth(i))
                end do
            end do
        end subroutine penetrate
    end subroutine tke_tke

end module zdftke
