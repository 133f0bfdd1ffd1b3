!> Isoneutral slopes (NEMO's ldfslp), tapered where steep (Danabasoglu and McWilliams 1995).
!! Steep means more than rn_slpmax, or than e3w/7 km as in NEMO: in levels of 10 m a slope of 0.01 would come
!! and go with the stratification of each step, and its eddy-induced shear with it (differences of 1e-13 K
!! then double every few hours).
module ldfslp
    use dom_oce, only: domain
    use nam_toy, only: toy_namelist
    use par_oce, only: grav, hls, wp
    implicit none
    private
    public :: ldf_slp

    real(wp), parameter :: rn2_min = 1.0e-10_wp   !! smallest N^2 in a slope, s-2
    real(wp), parameter :: per_level = 7.0e3_wp   !! length over which a slope may cross one level, m

contains

    !> Slopes dz/dx of neutral surfaces: uslp at U (0..ni, 1..nj), vslp at V (1..ni, 0..nj),
    !! wslpi at W (0..ni+1, 1..nj), wslpj at W (1..ni, 0..nj+1). Tracers valid on the full halo.
    subroutine ldf_slp(dom, nam, t, s, alpha, beta, rn2, uslp, vslp, wslpi, wslpj)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        real(wp), contiguous, intent(in) :: t(1 - hls:, 1 - hls:, :)         !! degC
        real(wp), contiguous, intent(in) :: s(1 - hls:, 1 - hls:, :)         !! 1e-3
        real(wp), contiguous, intent(in) :: alpha(1 - hls:, 1 - hls:, :)     !! degC-1
        real(wp), contiguous, intent(in) :: beta(1 - hls:, 1 - hls:, :)      !! 1e3
        real(wp), contiguous, intent(in) :: rn2(1 - hls:, 1 - hls:, :)       !! s-2
        real(wp), contiguous, intent(inout) :: uslp(1 - hls:, 1 - hls:, :)
        real(wp), contiguous, intent(inout) :: vslp(1 - hls:, 1 - hls:, :)
        real(wp), contiguous, intent(inout) :: wslpi(1 - hls:, 1 - hls:, :)
        real(wp), contiguous, intent(inout) :: wslpj(1 - hls:, 1 - hls:, :)
        real(wp), dimension(-1:dom%ni + 1, 1:dom%nj, 0:1) :: gx  !! density gradient over rho0 at U, two levels
        real(wp), dimension(1:dom%ni, -1:dom%nj + 1, 0:1) :: gy
        real(wp) :: per_slpmax, steepest
        integer :: i, j, k, here, above, kdn
        steepest = 1.0_wp + exp(50.0_wp)
        here = 0
        do k = 1, dom%nz
            above = here
            here = 1 - above
            kdn = min(k + 1, dom%nz)
            per_slpmax = 20.0_wp/min(nam%tra_ldf%rn_slpmax, dom%e3w_0(k)/per_level)
            call gradients()
            do j = 1, dom%nj
                do i = 0, dom%ni
                    if (dom%umask(i, j, k) > 0.0_wp) uslp(i, j, k) = tapered(gx(i, j, here), &
                        wet_mean(rn2(i, j, k), rn2(i + 1, j, k), rn2(i, j, kdn), rn2(i + 1, j, kdn), &
                        dom%wmask(i, j, k), dom%wmask(i + 1, j, k), below(i, j), below(i + 1, j)))
                end do
            end do
            do j = 0, dom%nj
                do i = 1, dom%ni
                    if (dom%vmask(i, j, k) > 0.0_wp) vslp(i, j, k) = tapered(gy(i, j, here), &
                        wet_mean(rn2(i, j, k), rn2(i, j + 1, k), rn2(i, j, kdn), rn2(i, j + 1, kdn), &
                        dom%wmask(i, j, k), dom%wmask(i, j + 1, k), below(i, j), below(i, j + 1)))
                end do
            end do
            if (k == 1) cycle
            do j = 1, dom%nj
                do i = 0, dom%ni + 1
                    if (dom%wmask(i, j, k) > 0.0_wp) wslpi(i, j, k) = tapered(wet_mean( &
                        gx(i - 1, j, above), gx(i, j, above), gx(i - 1, j, here), gx(i, j, here), &
                        dom%umask(i - 1, j, k - 1), dom%umask(i, j, k - 1), &
                        dom%umask(i - 1, j, k), dom%umask(i, j, k)), rn2(i, j, k))
                end do
            end do
            do j = 0, dom%nj + 1
                do i = 1, dom%ni
                    if (dom%wmask(i, j, k) > 0.0_wp) wslpj(i, j, k) = tapered(wet_mean( &
                        gy(i, j - 1, above), gy(i, j, above), gy(i, j - 1, here), gy(i, j, here), &
                        dom%vmask(i, j - 1, k - 1), dom%vmask(i, j, k - 1), &
                        dom%vmask(i, j - 1, k), dom%vmask(i, j, k)), rn2(i, j, k))
                end do
            end do
        end do

    contains

        subroutine gradients()
            integer :: i, j
            do j = 1, dom%nj
                do i = -1, dom%ni + 1
                    gx(i, j, here) = 0.5_wp*( &
                        (beta(i, j, k) + beta(i + 1, j, k))*(s(i + 1, j, k) - s(i, j, k)) &
                        - (alpha(i, j, k) + alpha(i + 1, j, k))*(t(i + 1, j, k) - t(i, j, k))) &
                        /dom%e1u(i, j)*dom%umask(i, j, k)
                end do
            end do
            do j = -1, dom%nj + 1
                do i = 1, dom%ni
                    gy(i, j, here) = 0.5_wp*( &
                        (beta(i, j, k) + beta(i, j + 1, k))*(s(i, j + 1, k) - s(i, j, k)) &
                        - (alpha(i, j, k) + alpha(i, j + 1, k))*(t(i, j + 1, k) - t(i, j, k))) &
                        /dom%e2v(i, j)*dom%vmask(i, j, k)
                end do
            end do
        end subroutine gradients

        !> Mask of the lower interface of level k; the one below the last level is dry.
        pure real(wp) function below(i, j)
            integer, intent(in) :: i, j
            below = 0.0_wp
            if (k < dom%nz) below = dom%wmask(i, j, kdn)
        end function below

        !> Slope, faded out by a tanh of width s_max/10 (written with exp) where steeper than s_max.
        pure real(wp) function tapered(gradient, n2)
            real(wp), intent(in) :: gradient, n2  !! m-1, s-2
            real(wp) :: slope, steepness
            slope = grav*gradient/max(n2, rn2_min)
            steepness = abs(slope)*per_slpmax - 20.0_wp
            if (steepness < 50.0_wp) then
                tapered = slope/(1.0_wp + exp(steepness))
            else
                tapered = slope/steepest
            end if
        end function tapered
    end subroutine ldf_slp

    !> Mean over the wet ones of four neighbours; 0 when all are dry.
    pure real(wp) function wet_mean(a, b, c, d, ma, mb, mc, md)
        real(wp), intent(in) :: a, b, c, d      !! values
        real(wp), intent(in) :: ma, mb, mc, md  !! their masks
        real(wp) :: wet
        wet = ma + mb + mc + md
        wet_mean = a*ma + b*mb + c*mc + d*md
        if (wet > 3.5_wp) then
            wet_mean = 0.25_wp*wet_mean       ! nearly everywhere; a division costs ten times as much
        else
            wet_mean = wet_mean/max(1.0_wp, wet)
        end if
    end function wet_mean

end module ldfslp
