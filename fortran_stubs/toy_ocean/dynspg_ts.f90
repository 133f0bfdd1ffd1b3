!> Split-explicit free surface: forward-backward barotropic sub-steps averaged over a window centred
!! on the new time level (Shchepetkin & McWilliams 2005; boxcar weights).
module dynspg_ts
    use par_oce, only: wp, hls, grav, rho0
    use dom_oce, only: domain
    use lbclnk, only: lbc_lnk
    use nam_toy, only: toy_namelist
    implicit none
    private
    public :: barotropic, barotropic_init, corbt_u, corbt_v, dyn_spg_ts, spg_ts_substeps

    !> Depth-mean flow, the constant forcing of its sub-steps, and its Coriolis weights: the depth
    !! mean of `cor_u`, `cor_v` on depth-uniform flow, for U from V at (i,j) (i+1,j) (i,j-1)
    !! (i+1,j-1), for V from U at (i,j) (i,j+1) (i-1,j) (i-1,j+1). They conserve energy.
    type :: barotropic
        real(wp), allocatable, dimension(:, :) :: ub, vb                  !! m s-1
        real(wp), allocatable, dimension(:, :) :: force_u, force_v        !! m s-2
        real(wp), allocatable, dimension(:, :, :) :: weight_u, weight_v   !! [4, i, j] s-1
    end type barotropic

contains

    !> Number N (even) of sub-steps per time step: nn_e, or the least that keeps rn_bt_cmax.
    pure integer function spg_ts_substeps(dom, nam) result(n)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        n = nam%dyn_spg%nn_e
        if (n <= 0) n = ceiling(nam%dom%rn_Dt*dom%cbt_max/nam%dyn_spg%rn_bt_cmax)
        n = max(2, n + modulo(n, 2))
    end function spg_ts_substeps

    !> Allocate, and set the weights of the Coriolis term.
    pure subroutine barotropic_init(dom, bt)
        type(domain), intent(in) :: dom
        type(barotropic), intent(out) :: bt
        real(wp) :: factor
        integer :: i, j, ie, je

        ie = dom%ni + hls
        je = dom%nj + hls
        allocate (bt%ub(1 - hls:ie, 1 - hls:je), bt%vb(1 - hls:ie, 1 - hls:je), source=0.0_wp)
        allocate (bt%force_u(1 - hls:ie, 1 - hls:je), bt%force_v(1 - hls:ie, 1 - hls:je), &
            source=0.0_wp)
        allocate (bt%weight_u(4, 1 - hls:ie, 1 - hls:je), bt%weight_v(4, 1 - hls:ie, 1 - hls:je), &
            source=0.0_wp)
        do j = 0, dom%nj + 1
            do i = 0, dom%ni
                factor = 0.25_wp*dom%ssumask(i, j) &
                    /(dom%e1u(i, j)*(dom%hu_0(i, j) + 1.0_wp - dom%ssumask(i, j)))
                bt%weight_u(1, i, j) = factor*dom%ff_f(i, j)*from_v(i, j)
                bt%weight_u(2, i, j) = factor*dom%ff_f(i, j)*from_v(i + 1, j)
                bt%weight_u(3, i, j) = factor*dom%ff_f(i, j - 1)*from_v(i, j - 1)
                bt%weight_u(4, i, j) = factor*dom%ff_f(i, j - 1)*from_v(i + 1, j - 1)
            end do
        end do
        do j = 0, dom%nj
            do i = 1, dom%ni
                factor = -0.25_wp*dom%ssvmask(i, j) &
                    /(dom%e2v(i, j)*(dom%hv_0(i, j) + 1.0_wp - dom%ssvmask(i, j)))
                bt%weight_v(1, i, j) = factor*dom%ff_f(i, j)*from_u(i, j)
                bt%weight_v(2, i, j) = factor*dom%ff_f(i, j)*from_u(i, j + 1)
                bt%weight_v(3, i, j) = factor*dom%ff_f(i - 1, j)*from_u(i - 1, j)
                bt%weight_v(4, i, j) = factor*dom%ff_f(i - 1, j)*from_u(i - 1, j + 1)
            end do
        end do

    contains

        pure real(wp) function from_v(iv, jv)
            integer, intent(in) :: iv, jv
            from_v = dom%e1v(iv, jv)*min(dom%hu_0(i, j), dom%hv_0(iv, jv))
        end function from_v

        pure real(wp) function from_u(iu, ju)
            integer, intent(in) :: iu, ju
            from_u = dom%e2u(iu, ju)*min(dom%hv_0(i, j), dom%hu_0(iu, ju))
        end function from_u

    end subroutine barotropic_init

    !> Coriolis trend of the depth-mean u at (i, j) [m s-2].
    pure real(wp) function corbt_u(bt, i, j)
        type(barotropic), intent(in) :: bt
        integer, intent(in) :: i, j
        corbt_u = bt%weight_u(1, i, j)*bt%vb(i, j) + bt%weight_u(2, i, j)*bt%vb(i + 1, j) &
            + bt%weight_u(3, i, j)*bt%vb(i, j - 1) + bt%weight_u(4, i, j)*bt%vb(i + 1, j - 1)
    end function corbt_u

    !> Coriolis trend of the depth-mean v at (i, j) [m s-2].
    pure real(wp) function corbt_v(bt, i, j)
        type(barotropic), intent(in) :: bt
        integer, intent(in) :: i, j
        corbt_v = bt%weight_v(1, i, j)*bt%ub(i, j) + bt%weight_v(2, i, j)*bt%ub(i, j + 1) &
            + bt%weight_v(3, i, j)*bt%ub(i - 1, j) + bt%weight_v(4, i, j)*bt%ub(i - 1, j + 1)
    end function corbt_v

    !> Take ssh, ub, vb from n to n+1 under constant forcing.
    !! One halo exchange of the three per sub-step: with two rows of halo valid, the transports are
    !! right on (-1:ni+1), hence the ssh on (0:ni+1), ub on (0:ni, 0:nj+1), vb on (1:ni, 0:nj).
    subroutine dyn_spg_ts(dom, substeps, dt, emp, bt, ssh, un_adv, vn_adv)
        type(domain), intent(in) :: dom
        integer, intent(in) :: substeps                                     !! N
        real(wp), intent(in) :: dt                                          !! long time step, s
        real(wp), intent(in), contiguous :: emp(1 - hls:, 1 - hls:)         !! kg m-2 s-1
        type(barotropic), intent(inout) :: bt                               !! ub, vb: n -> n+1
        real(wp), intent(inout), contiguous :: ssh(1 - hls:, 1 - hls:)      !! m, n -> n+1
        real(wp), intent(inout), contiguous :: un_adv(1 - hls:, 1 - hls:)  !! mean transport, m3 s-1
        real(wp), intent(inout), contiguous :: vn_adv(1 - hls:, 1 - hls:)
        real(wp), dimension(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls) :: eta, uflux, vflux, &
            ub_mean, vb_mean
        real(wp) :: dtau, average, transport_weight
        integer :: i, j, m, ni, nj

        ni = dom%ni
        nj = dom%nj
        dtau = dt/substeps
        eta(:, :) = ssh
        ub_mean(:, :) = 0.0_wp
        vb_mean(:, :) = 0.0_wp
        un_adv(:, :) = 0.0_wp
        vn_adv(:, :) = 0.0_wp

        do m = 0, 3*substeps/2 - 1
            call window(substeps, m, average, transport_weight)
            do j = 0, nj + 1
                do i = -1, ni + 1
                    uflux(i, j) = dom%e2u(i, j)*(dom%hu_0(i, j) + 0.5_wp/dom%e1e2u(i, j) &
                        *(dom%e1e2t(i, j)*eta(i, j) + dom%e1e2t(i + 1, j)*eta(i + 1, j))) &
                        *bt%ub(i, j)
                    un_adv(i, j) = un_adv(i, j) + transport_weight*uflux(i, j)
                end do
            end do
            do j = -1, nj + 1
                do i = 0, ni + 1
                    vflux(i, j) = dom%e1v(i, j)*(dom%hv_0(i, j) + 0.5_wp/dom%e1e2v(i, j) &
                        *(dom%e1e2t(i, j)*eta(i, j) + dom%e1e2t(i, j + 1)*eta(i, j + 1))) &
                        *bt%vb(i, j)
                    vn_adv(i, j) = vn_adv(i, j) + transport_weight*vflux(i, j)
                end do
            end do
            do j = 0, nj + 1
                do i = 0, ni + 1
                    eta(i, j) = eta(i, j) - dtau*dom%ssmask(i, j) &
                        *((uflux(i, j) - uflux(i - 1, j) + vflux(i, j) - vflux(i, j - 1)) &
                        /dom%e1e2t(i, j) + emp(i, j)/rho0)
                end do
            end do
            do j = 0, nj + 1
                do i = 0, ni
                    bt%ub(i, j) = (bt%ub(i, j) + dtau*(bt%force_u(i, j) + corbt_u(bt, i, j) &
                        - grav/dom%e1u(i, j)*(eta(i + 1, j) - eta(i, j))))*dom%ssumask(i, j)
                    ub_mean(i, j) = ub_mean(i, j) + average*bt%ub(i, j)
                end do
            end do
            do j = 0, nj
                do i = 1, ni
                    bt%vb(i, j) = (bt%vb(i, j) + dtau*(bt%force_v(i, j) + corbt_v(bt, i, j) &
                        - grav/dom%e2v(i, j)*(eta(i, j + 1) - eta(i, j))))*dom%ssvmask(i, j)
                    vb_mean(i, j) = vb_mean(i, j) + average*bt%vb(i, j)
                end do
            end do
            call lbc_lnk(dom%halo, eta, bt%ub, bt%vb)
        end do

        do j = 1, nj
            do i = 1, ni
                ssh(i, j) = ssh(i, j) - dt*dom%ssmask(i, j) &
                    *((un_adv(i, j) - un_adv(i - 1, j) + vn_adv(i, j) - vn_adv(i, j - 1)) &
                    /dom%e1e2t(i, j) + emp(i, j)/rho0)
            end do
        end do
        call lbc_lnk(dom%halo, ssh)
        bt%ub(:, :) = ub_mean
        bt%vb(:, :) = vb_mean
    end subroutine dyn_spg_ts

    !> Boxcar over the sub-steps N/2 .. 3N/2: weight of the velocities reached by sub-step m = 0, 1,
    !! ..., and of the transport used in it, (1/N) times the sum of all later averaging weights.
    pure subroutine window(n, m, average, transport_weight)
        integer, intent(in) :: n, m
        real(wp), intent(out) :: average, transport_weight
        average = merge(1.0_wp/(n + 1), 0.0_wp, m + 1 >= n/2)
        transport_weight = real(min(n + 1, 3*n/2 - m), wp)/(real(n, wp)*(n + 1))
    end subroutine window
end module dynspg_ts
