!> One step of momentum and ssh: explicit trends, implicit vertical mixing, barotropic sub-steps.
!! With the state valid on two rows of halo, every 3-D field is computed on the ring it is needed on
!! (u on 0:ni, 0:nj+1; v on 1:ni, 0:nj), so that only the barotropic sub-steps exchange halos.
module dynstp
    use par_oce, only: wp, hls
    use dom_oce, only: domain
    use dynhpg, only: dyn_hpg
    use dynkeg, only: dyn_keg
    use dynldf, only: dyn_ldf
    use dynspg_ts, only: barotropic, barotropic_init, corbt_u, corbt_v, dyn_spg_ts, spg_ts_substeps
    use dynvor, only: cor_u, cor_v, dyn_vor
    use dynzad, only: dyn_zad
    use dynzdf, only: dyn_zdf_u, dyn_zdf_v
    use domqco, only: dom_qco_r3
    use ldfdyn, only: ldf_dyn
    use nam_toy, only: toy_namelist
    use oce, only: forcing_from_python, ocean_state, surface_forcing, work
    use trd, only: trd_put
    use wzv, only: wzv_transport
    implicit none
    private
    public :: dyn_stp

contains

    !> State u, v (inner points) and ssh (full halo) from n to n+1. Also w%u_bc, v_bc (deviations of
    !! u3*, v3* from their depth means), un_adv, vn_adv (mean barotropic transports) and r3t_new.
    subroutine dyn_stp(dom, nam, state, sbc, forcing, w)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        type(ocean_state), intent(inout) :: state
        type(surface_forcing), intent(in) :: sbc
        type(forcing_from_python), intent(in) :: forcing
        type(work), intent(inout) :: w
        type(barotropic) :: bt
        real(wp), dimension(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls) :: r3u_new, r3v_new

        call explicit_trends(dom, nam, state, sbc, w)
        call barotropic_init(dom, bt)
        call depth_mean(dom, dom%umask, dom%hu_0, dom%ssumask, state%u, bt%ub)
        call depth_mean(dom, dom%vmask, dom%hv_0, dom%ssvmask, state%v, bt%vb)
        call advance_u(dom, nam%dom%rn_Dt, state, sbc, forcing, bt, w)
        call advance_v(dom, nam%dom%rn_Dt, state, sbc, forcing, bt, w)
        call dyn_spg_ts(dom, spg_ts_substeps(dom, nam), nam%dom%rn_Dt, sbc%emp, bt, state%ssh, &
            w%un_adv, w%vn_adv)
        call recombine(dom, w, bt, state)
        call dom_qco_r3(dom, state%ssh, w%r3t_new, r3u_new, r3v_new)
        call trd_put(dom, "un_adv", w%un_adv)
        call trd_put(dom, "vn_adv", w%vn_adv)
    end subroutine dyn_stp

    !> w%utrd, w%vtrd: all explicit trends but Coriolis.
    subroutine explicit_trends(dom, nam, state, sbc, w)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        type(ocean_state), intent(in) :: state
        type(surface_forcing), intent(in) :: sbc
        type(work), intent(inout) :: w
        real(wp), dimension(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls) :: ahmt, ahmf
        real(wp), dimension(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls, dom%nz) :: &
            trend_u, trend_v, ww

        w%utrd(:, :, :) = 0.0_wp
        w%vtrd(:, :, :) = 0.0_wp
        call dyn_hpg(dom, w%rhd, w%r3t, state%ssh, trend_u, trend_v)
        call add_trends("hpg")
        if (.not. nam%dyn_adv%ln_dynadv_OFF) then
            call dyn_keg(dom, state%u, state%v, trend_u, trend_v)
            call add_trends("keg")
            call dyn_vor(dom, state%u, state%v, trend_u, trend_v)
            call add_trends("vor")
            call wzv_transport(dom, w%r3u, w%r3v, state%u, state%v, sbc%emp, ww)
            call trd_put(dom, "ww", ww)
            call dyn_zad(dom, w%r3u, w%r3v, ww, state%u, state%v, trend_u, trend_v)
            call add_trends("zad")
        end if
        call ldf_dyn(dom, nam%dyn_ldf, ahmt, ahmf)
        call dyn_ldf(dom, ahmt, ahmf, state%u, state%v, trend_u, trend_v)
        call add_trends("ldf")

    contains

        subroutine add_trends(name)
            character(len=*), intent(in) :: name
            integer :: i, j, k
            do k = 1, dom%nz
                do j = 0, dom%nj + 1
                    do i = 0, dom%ni
                        w%utrd(i, j, k) = w%utrd(i, j, k) + trend_u(i, j, k)
                    end do
                end do
                do j = 0, dom%nj
                    do i = 1, dom%ni
                        w%vtrd(i, j, k) = w%vtrd(i, j, k) + trend_v(i, j, k)
                    end do
                end do
            end do
            call trd_put(dom, name//"_u", trend_u)
            call trd_put(dom, name//"_v", trend_v)
        end subroutine add_trends

    end subroutine explicit_trends

    !> u3*, its deviation from the depth mean (w%u_bc) and the slow forcing of the depth mean.
    subroutine advance_u(dom, dt, state, sbc, forcing, bt, w)
        type(domain), intent(in) :: dom
        real(wp), intent(in) :: dt                                            !! s
        type(ocean_state), intent(in) :: state
        type(surface_forcing), intent(in) :: sbc
        type(forcing_from_python), intent(in) :: forcing
        type(barotropic), intent(inout) :: bt                                 !! force_u is set
        type(work), intent(inout) :: w
        real(wp) :: coriolis(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls, dom%nz)
        real(wp) :: mean(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls)
        integer :: i, j, k

        call cor_u(dom, state%v, coriolis)
        do k = 1, dom%nz
            do j = 0, dom%nj + 1
                do i = 0, dom%ni
                    w%u_bc(i, j, k) = (state%u(i, j, k) + dt*(w%utrd(i, j, k) + coriolis(i, j, k) &
                        + forcing%uo_tendency(i, j, k)))*dom%umask(i, j, k)
                end do
            end do
        end do
        call dyn_zdf_u(dom, dt, w%avm, w%rcdu, w%r3u, sbc%utau, w%u_bc)
        call trd_put(dom, "cor_u", coriolis)
        call trd_put(dom, "u_star", w%u_bc)
        call depth_mean(dom, dom%umask, dom%hu_0, dom%ssumask, w%u_bc, mean)
        do j = 0, dom%nj + 1
            do i = 0, dom%ni
                bt%force_u(i, j) = (mean(i, j) - bt%ub(i, j))/dt - corbt_u(bt, i, j)
            end do
        end do
        do k = 1, dom%nz
            do j = 0, dom%nj + 1
                do i = 0, dom%ni
                    w%u_bc(i, j, k) = (w%u_bc(i, j, k) - mean(i, j))*dom%umask(i, j, k)
                end do
            end do
        end do
    end subroutine advance_u

    !> The same for v, with the Coriolis term of the new shear and the old depth mean of u.
    subroutine advance_v(dom, dt, state, sbc, forcing, bt, w)
        type(domain), intent(in) :: dom
        real(wp), intent(in) :: dt
        type(ocean_state), intent(in) :: state
        type(surface_forcing), intent(in) :: sbc
        type(forcing_from_python), intent(in) :: forcing
        type(barotropic), intent(inout) :: bt
        type(work), intent(inout) :: w
        real(wp), dimension(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls, dom%nz) :: coriolis, u_mid
        real(wp), dimension(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls) :: mean
        integer :: i, j, k

        do k = 1, dom%nz
            do j = 0, dom%nj + 1
                do i = 0, dom%ni
                    u_mid(i, j, k) = (w%u_bc(i, j, k) + bt%ub(i, j))*dom%umask(i, j, k)
                end do
            end do
        end do
        call cor_v(dom, u_mid, coriolis)
        do k = 1, dom%nz
            do j = 0, dom%nj
                do i = 1, dom%ni
                    w%v_bc(i, j, k) = (state%v(i, j, k) + dt*(w%vtrd(i, j, k) + coriolis(i, j, k) &
                        + forcing%vo_tendency(i, j, k)))*dom%vmask(i, j, k)
                end do
            end do
        end do
        call dyn_zdf_v(dom, dt, w%avm, w%rcdu, w%r3v, sbc%vtau, w%v_bc)
        call trd_put(dom, "cor_v", coriolis)
        call trd_put(dom, "v_star", w%v_bc)
        call depth_mean(dom, dom%vmask, dom%hv_0, dom%ssvmask, w%v_bc, mean)
        do j = 0, dom%nj
            do i = 1, dom%ni
                bt%force_v(i, j) = (mean(i, j) - bt%vb(i, j))/dt - corbt_v(bt, i, j)
            end do
        end do
        do k = 1, dom%nz
            do j = 0, dom%nj
                do i = 1, dom%ni
                    w%v_bc(i, j, k) = (w%v_bc(i, j, k) - mean(i, j))*dom%vmask(i, j, k)
                end do
            end do
        end do
    end subroutine advance_v

    !> u(n+1) and v(n+1): the new shear and the new depth means.
    subroutine recombine(dom, w, bt, state)
        type(domain), intent(in) :: dom
        type(work), intent(in) :: w
        type(barotropic), intent(in) :: bt
        type(ocean_state), intent(inout) :: state
        integer :: i, j, k

        do k = 1, dom%nz
            do j = 1, dom%nj
                do i = 1, dom%ni
                    state%u(i, j, k) = (w%u_bc(i, j, k) + bt%ub(i, j))*dom%umask(i, j, k)
                    state%v(i, j, k) = (w%v_bc(i, j, k) + bt%vb(i, j))*dom%vmask(i, j, k)
                end do
            end do
        end do
    end subroutine recombine

    !> Mean over the wet part of the column (the z* stretching cancels), 0 on land.
    pure subroutine depth_mean(dom, mask, depth, surface_mask, a, mean)
        type(domain), intent(in) :: dom
        real(wp), intent(in), contiguous :: mask(1 - hls:, 1 - hls:, :)
        real(wp), intent(in), contiguous :: depth(1 - hls:, 1 - hls:)         !! hu_0 or hv_0, m
        real(wp), intent(in), contiguous :: surface_mask(1 - hls:, 1 - hls:)
        real(wp), intent(in), contiguous :: a(1 - hls:, 1 - hls:, :)
        real(wp), intent(inout), contiguous :: mean(1 - hls:, 1 - hls:)
        integer :: i, j, k

        mean(:, :) = 0.0_wp
        do k = 1, dom%nz
            do j = 1 - hls, dom%nj + hls
                do i = 1 - hls, dom%ni + hls
                    mean(i, j) = mean(i, j) + dom%e3t_0(k)*a(i, j, k)*mask(i, j, k)
                end do
            end do
        end do
        do j = 1 - hls, dom%nj + hls
            do i = 1 - hls, dom%ni + hls
                mean(i, j) = mean(i, j)*surface_mask(i, j) &
                    /(depth(i, j) + 1.0_wp - surface_mask(i, j))
            end do
        end do
    end subroutine depth_mean
end module dynstp
