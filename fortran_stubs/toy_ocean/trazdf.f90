!> Implicit vertical diffusion of temperature and salinity (NEMO's trazdf). One matrix serves both.
!! Elimination from the top, back substitution. With c(k) = dt K/e3w >= 0 between k-1 and k, the pivot
!! e3t + c(k) + c(k+1) - c(k)^2/pivot(k-1) is written as s + c(k+1), s = e3t + c(k) s(k-1)/pivot(k-1): no
!! subtraction, so that convection (c >> e3t) costs no digits and the content of a column is kept.
module trazdf
    use dom_oce, only: domain
    use par_oce, only: hls, wp
    implicit none
    private
    public :: tra_zdf

contains

    !> Contents after the explicit terms -> tracers of step n+1 on inner points:
    !! e3t(n+1) T - dt d/dz[(avt + akz)/e3w(n+1) dT/dz] = content.
    pure subroutine tra_zdf(dom, dt, r3t_new, avt, akz, tcontent, scontent, t, s)
        type(domain), intent(in) :: dom
        real(wp), intent(in) :: dt                                             !! s
        real(wp), contiguous, intent(in) :: r3t_new(1 - hls:, 1 - hls:)
        real(wp), contiguous, intent(in) :: avt(1 - hls:, 1 - hls:, :)         !! m2 s-1
        real(wp), contiguous, intent(in) :: akz(1 - hls:, 1 - hls:, :)         !! m2 s-1
        real(wp), contiguous, intent(in) :: tcontent(1 - hls:, 1 - hls:, :)    !! degC m
        real(wp), contiguous, intent(in) :: scontent(1 - hls:, 1 - hls:, :)    !! 1e-3 m
        real(wp), contiguous, intent(inout) :: t(1 - hls:, 1 - hls:, :)        !! degC
        real(wp), contiguous, intent(inout) :: s(1 - hls:, 1 - hls:, :)        !! 1e-3
        real(wp), dimension(dom%ni, dom%nz + 1) :: c                !! c(k) couples k - 1 and k
        real(wp), dimension(dom%ni, dom%nz) :: inverse, zt, zs      !! 1/pivots, eliminated right sides
        real(wp) :: s_above(dom%ni), ratio, stretch
        integer :: i, j, k
        c(:, 1) = 0.0_wp
        c(:, dom%nz + 1) = 0.0_wp
        do j = 1, dom%nj
            do k = 2, dom%nz
                do i = 1, dom%ni
                    c(i, k) = dt*(avt(i, j, k) + akz(i, j, k)) &
                        /(dom%e3w_0(k)*(1.0_wp + r3t_new(i, j)))*dom%wmask(i, j, k)
                end do
            end do
            do i = 1, dom%ni
                s_above(i) = dom%e3t_0(1)*(1.0_wp + r3t_new(i, j))
                inverse(i, 1) = 1.0_wp/(s_above(i) + c(i, 2))
                zt(i, 1) = tcontent(i, j, 1)
                zs(i, 1) = scontent(i, j, 1)
            end do
            do k = 2, dom%nz
                do i = 1, dom%ni
                    ratio = c(i, k)*inverse(i, k - 1)
                    stretch = 1.0_wp + r3t_new(i, j)
                    s_above(i) = dom%e3t_0(k)*stretch + ratio*s_above(i)
                    inverse(i, k) = 1.0_wp/(s_above(i) + c(i, k + 1))
                    zt(i, k) = tcontent(i, j, k) + ratio*zt(i, k - 1)
                    zs(i, k) = scontent(i, j, k) + ratio*zs(i, k - 1)
                end do
            end do
            do k = dom%nz, 1, -1
                if (k < dom%nz) then
                    do i = 1, dom%ni
                        zt(i, k) = zt(i, k) + c(i, k + 1)*zt(i, k + 1)
                        zs(i, k) = zs(i, k) + c(i, k + 1)*zs(i, k + 1)
                    end do
                end if
                do i = 1, dom%ni
                    zt(i, k) = zt(i, k)*inverse(i, k)
                    zs(i, k) = zs(i, k)*inverse(i, k)
                    t(i, j, k) = zt(i, k)*dom%tmask(i, j, k)
                    s(i, j, k) = zs(i, k)*dom%tmask(i, j, k)
                end do
            end do
        end do
    end subroutine tra_zdf

end module trazdf
