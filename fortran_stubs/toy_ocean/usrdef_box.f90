!> Idealised boxes (namusr_def): a flat or seamount bottom, uniform cells and levels, an f- or beta-plane,
!! and simple initial states and winds. They serve the physics tests.
module usrdef_box
    use dom_oce, only: domain
    use nam_toy, only: namusr_def_type
    use oce, only: ocean_state, surface_forcing
    use par_oce, only: grav, hls, omega, rad, rearth, rho0, rpi, wp
    implicit none
    private
    public :: box_hgr, box_levels, box_bottom, box_istate, box_sbc

contains

    !> x and y [m] of the T point of local indices i, j; the grid starts at 0, its ring of land included.
    pure real(wp) function x_t(dom, box, i)
        type(domain), intent(in) :: dom
        type(namusr_def_type), intent(in) :: box
        integer, intent(in) :: i
        x_t = (real(dom%i0 + i, wp) - 0.5_wp)*box%rn_dx
    end function x_t

    pure real(wp) function y_t(dom, box, j)
        type(domain), intent(in) :: dom
        type(namusr_def_type), intent(in) :: box
        integer, intent(in) :: j
        y_t = (real(dom%j0 + j, wp) - 0.5_wp)*box%rn_dx
    end function y_t

    !> Middle of the grid [m].
    pure real(wp) function x_mid(dom, box)
        type(domain), intent(in) :: dom
        type(namusr_def_type), intent(in) :: box
        x_mid = 0.5_wp*real(dom%nx, wp)*box%rn_dx
    end function x_mid

    pure real(wp) function y_mid(dom, box)
        type(domain), intent(in) :: dom
        type(namusr_def_type), intent(in) :: box
        y_mid = 0.5_wp*real(dom%ny, wp)*box%rn_dx
    end function y_mid

    !> Metrics and f = f0 + beta (y - y_mid). Longitudes and latitudes are degrees of arc; the middle lies
    !! where the sphere has f0.
    subroutine box_hgr(dom, box)
        type(domain), intent(inout) :: dom
        type(namusr_def_type), intent(in) :: box
        integer :: i, j
        real(wp) :: middle, half, x, y, degree
        degree = rearth*rad
        half = 0.5_wp*box%rn_dx
        middle = asin(max(-1.0_wp, min(1.0_wp, box%rn_f0/(2.0_wp*omega))))/rad
        do j = 1 - hls, dom%nj + hls
            do i = 1 - hls, dom%ni + hls
                x = x_t(dom, box, i) - x_mid(dom, box)
                y = y_t(dom, box, j) - y_mid(dom, box)
                dom%glamt(i, j) = x/degree
                dom%glamu(i, j) = (x + half)/degree
                dom%gphit(i, j) = middle + y/degree
                dom%gphiv(i, j) = middle + (y + half)/degree
                dom%ff_f(i, j) = box%rn_f0 + box%rn_beta*(y + half)
            end do
        end do
        dom%glamv = dom%glamt
        dom%glamf = dom%glamu
        dom%gphiu = dom%gphit
        dom%gphif = dom%gphiv
        dom%e1t = box%rn_dx
        dom%e2t = box%rn_dx
        dom%e1u = box%rn_dx
        dom%e2u = box%rn_dx
        dom%e1v = box%rn_dx
        dom%e2v = box%rn_dx
        dom%e1f = box%rn_dx
        dom%e2f = box%rn_dx
    end subroutine box_hgr

    !> Uniform levels.
    pure subroutine box_levels(box, gdept, gdepw)
        type(namusr_def_type), intent(in) :: box
        real(wp), intent(out) :: gdept(:), gdepw(:)
        integer :: k
        real(wp) :: thickness
        thickness = box%rn_depth/real(box%nn_nz, wp)
        do k = 1, size(gdepw)
            gdepw(k) = real(k - 1, wp)*thickness
        end do
        do k = 1, size(gdept)
            gdept(k) = (real(k, wp) - 0.5_wp)*thickness
        end do
    end subroutine box_levels

    !> Wet levels before the ring of land is cut out: all of them, or a Gaussian seamount in full steps.
    subroutine box_bottom(dom, box)
        type(domain), intent(inout) :: dom
        type(namusr_def_type), intent(in) :: box
        integer :: i, j
        real(wp) :: distance2, depth
        dom%mbkt = box%nn_nz
        if (box%cn_bathy /= 'seamount') return
        do j = 1 - hls, dom%nj + hls
            do i = 1 - hls, dom%ni + hls
                distance2 = (x_t(dom, box, i) - x_mid(dom, box))**2 &
                    + (y_t(dom, box, j) - y_mid(dom, box))**2
                depth = box%rn_depth*(1.0_wp - box%rn_mount*exp(-distance2/box%rn_mount_width**2))
                dom%mbkt(i, j) = min(box%nn_nz, max(2, nint(depth/box%rn_depth*real(box%nn_nz, wp))))
            end do
        end do
    end subroutine box_bottom

    !> Uniform N^2 (linear part of the equation of state), salinity, and the bumps of namusr_def.
    subroutine box_istate(dom, box, rn_a0, state)
        type(domain), intent(in) :: dom
        type(namusr_def_type), intent(in) :: box
        real(wp), intent(in) :: rn_a0            !! thermal expansion, kg m-3 K-1
        type(ocean_state), intent(inout) :: state
        integer :: i, j, k
        real(wp) :: slope, mode
        slope = box%rn_n2*rho0/(grav*rn_a0)
        do k = 1, dom%nz
            mode = sin(rpi*dom%gdept_0(k)/box%rn_depth)
            do j = 1 - hls, dom%nj + hls
                do i = 1 - hls, dom%ni + hls
                    state%t(i, j, k) = (box%rn_t_surf - slope*dom%gdept_0(k) &
                        + box%rn_t_bump*bump(dom, box, i, j, 0.0_wp)*mode)*dom%tmask(i, j, k)
                    state%s(i, j, k) = box%rn_salt*dom%tmask(i, j, k)
                end do
            end do
        end do
        do j = 1 - hls, dom%nj + hls
            do i = 1 - hls, dom%ni + hls
                state%ssh(i, j) = box%rn_ssh_bump*bump(dom, box, i, j, 0.0_wp)*dom%ssmask(i, j)
            end do
        end do
        if (box%cn_bump /= 'kelvin') return
        do k = 1, dom%nz
            do j = 1 - hls, dom%nj + hls
                do i = 1 - hls, dom%ni + hls
                    state%u(i, j, k) = sqrt(grav/box%rn_depth)*box%rn_ssh_bump &
                        *bump(dom, box, i, j, 0.5_wp)*dom%umask(i, j, k)
                end do
            end do
        end do
    end subroutine box_istate

    !> Shape of the bump at local i + `shift` cells, j: a plane, a round or a Kelvin wave.
    real(wp) function bump(dom, box, i, j, shift)
        type(domain), intent(in) :: dom
        type(namusr_def_type), intent(in) :: box
        integer, intent(in) :: i, j
        real(wp), intent(in) :: shift
        real(wp) :: x, y
        x = x_t(dom, box, i) + shift*box%rn_dx - x_mid(dom, box)
        y = y_t(dom, box, j) - y_mid(dom, box)
        bump = exp(-x**2/(2.0_wp*box%rn_bump_width**2))
        if (box%cn_bump == 'xy') bump = bump*exp(-y**2/(2.0_wp*box%rn_bump_width**2))
        ! The southern wall is the northern edge of the first row.
        if (box%cn_bump == 'kelvin') bump = bump &
            *exp(-(y_t(dom, box, j) - box%rn_dx)*box%rn_f0/sqrt(grav*box%rn_depth))
    end function bump

    !> Constant wind and heat flux.
    subroutine box_sbc(dom, box, sbc)
        type(domain), intent(in) :: dom
        type(namusr_def_type), intent(in) :: box
        type(surface_forcing), intent(inout) :: sbc
        integer :: i, j
        real(wp) :: stress, width
        width = real(dom%ny - 2, wp)*box%rn_dx
        do j = 1 - hls, dom%nj + hls
            stress = 0.0_wp
            if (box%cn_wind == 'uniform') stress = box%rn_tau_x
            if (box%cn_wind == 'gyre') &
                stress = -box%rn_tau_x*cos(rpi*(y_t(dom, box, j) - box%rn_dx)/width)
            do i = 1 - hls, dom%ni + hls
                sbc%utau(i, j) = stress*dom%ssumask(i, j)
                sbc%taum(i, j) = abs(stress)*dom%ssmask(i, j)
                sbc%qns(i, j) = box%rn_qns*dom%ssmask(i, j)
            end do
        end do
        sbc%vtau = 0.0_wp
        sbc%qsr = 0.0_wp
        sbc%emp = 0.0_wp
        sbc%sfx = 0.0_wp
    end subroutine box_sbc

end module usrdef_box
