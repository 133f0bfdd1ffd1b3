!> The ocean's state, its forcing, and the arrays that the parts of one step hand to each other.
!! All arrays are (1-hls:ni+hls, 1-hls:nj+hls [, nz]); W(k) is the interface above T(k).
module oce
    use dom_oce, only: domain
    use par_oce, only: hls, wp
    implicit none
    private
    public :: ocean_state, surface_forcing, forcing_from_python, work
    public :: state_alloc, forcing_alloc, surface_alloc, work_alloc

    type :: ocean_state
        integer :: kt = 0                                       !! steps done
        real(wp), allocatable, dimension(:, :, :) :: t, s       !! degC, 1e-3 (T)
        real(wp), allocatable, dimension(:, :, :) :: u, v       !! m s-1 (U, V)
        real(wp), allocatable, dimension(:, :, :) :: en         !! turbulent kinetic energy, m2 s-2 (W)
        real(wp), allocatable, dimension(:, :) :: ssh           !! m (T)
    end type ocean_state

    type :: surface_forcing
        real(wp), allocatable, dimension(:, :) :: utau, vtau    !! wind stress, N m-2 (U, V)
        real(wp), allocatable, dimension(:, :) :: taum          !! its modulus (T)
        real(wp), allocatable, dimension(:, :) :: qns, qsr      !! heat into the ocean, W m-2 (T)
        real(wp), allocatable, dimension(:, :) :: emp           !! water out of the ocean, kg m-2 s-1 (T)
        real(wp), allocatable, dimension(:, :) :: sfx           !! salt into the ocean, 1e-3 kg m-2 s-1 (T)
    end type surface_forcing

    !> Tendencies added by whoever drives the model from outside; zero by default.
    type :: forcing_from_python
        real(wp), allocatable, dimension(:, :, :) :: thetao_tendency, so_tendency   !! s-1 (T)
        real(wp), allocatable, dimension(:, :, :) :: uo_tendency, vo_tendency       !! m s-2 (U, V)
    end type forcing_from_python

    type :: work
        real(wp), allocatable, dimension(:, :) :: r3t, r3u, r3v    !! stretching (thickness/thickness_0 - 1) at n
        real(wp), allocatable, dimension(:, :) :: r3t_new          !! at n+1
        real(wp), allocatable, dimension(:, :, :) :: rhd           !! density anomaly over rho0
        real(wp), allocatable, dimension(:, :, :) :: alpha, beta   !! expansion, contraction, over rho0
        real(wp), allocatable, dimension(:, :, :) :: rn2           !! N^2, s-2 (W)
        real(wp), allocatable, dimension(:, :, :) :: avm, avt      !! m2 s-1 (W)
        real(wp), allocatable, dimension(:, :, :) :: sh2           !! shear production, m2 s-3 (W)
        real(wp), allocatable, dimension(:, :) :: rcdu             !! bottom drag, m s-1 (T)
        real(wp), allocatable, dimension(:, :) :: avtb_2d          !! factor on rn_avt0 (T), 1 by default
        real(wp), allocatable, dimension(:, :, :) :: utrd, vtrd    !! momentum trends, m s-2
        real(wp), allocatable, dimension(:, :, :) :: uu_tr, vv_tr, ww_tr  !! transports of tracers, m3 s-1
        real(wp), allocatable, dimension(:, :) :: un_adv, vn_adv   !! barotropic transports <U>, <V>, m3 s-1
        real(wp), allocatable, dimension(:, :, :) :: u_bc, v_bc    !! u3* - m(u3*), v3* - m(v3*), m s-1
        real(wp), allocatable, dimension(:, :, :) :: uslp, vslp, wslpi, wslpj     !! isoneutral slopes
        real(wp), allocatable, dimension(:, :, :) :: akz           !! vertical part of the isoneutral diffusivity
        real(wp), allocatable, dimension(:, :, :) :: wo            !! ww_tr over the cell, m s-1 (W)
        real(wp), allocatable, dimension(:, :) :: tos, sos         !! T and S of the top level at n+1
    end type work

contains

    subroutine state_alloc(dom, state)
        type(domain), intent(in) :: dom
        type(ocean_state), intent(inout) :: state
        state%kt = 0
        call zeros_3d(dom, state%t)
        call zeros_3d(dom, state%s)
        call zeros_3d(dom, state%u)
        call zeros_3d(dom, state%v)
        call zeros_3d(dom, state%en)
        call zeros_2d(dom, state%ssh)
    end subroutine state_alloc

    subroutine surface_alloc(dom, sbc)
        type(domain), intent(in) :: dom
        type(surface_forcing), intent(inout) :: sbc
        call zeros_2d(dom, sbc%utau)
        call zeros_2d(dom, sbc%vtau)
        call zeros_2d(dom, sbc%taum)
        call zeros_2d(dom, sbc%qns)
        call zeros_2d(dom, sbc%qsr)
        call zeros_2d(dom, sbc%emp)
        call zeros_2d(dom, sbc%sfx)
    end subroutine surface_alloc

    subroutine forcing_alloc(dom, forcing)
        type(domain), intent(in) :: dom
        type(forcing_from_python), intent(inout) :: forcing
        call zeros_3d(dom, forcing%thetao_tendency)
        call zeros_3d(dom, forcing%so_tendency)
        call zeros_3d(dom, forcing%uo_tendency)
        call zeros_3d(dom, forcing%vo_tendency)
    end subroutine forcing_alloc

    subroutine work_alloc(dom, w)
        type(domain), intent(in) :: dom
        type(work), intent(inout) :: w
        call zeros_2d(dom, w%r3t)
        call zeros_2d(dom, w%r3u)
        call zeros_2d(dom, w%r3v)
        call zeros_2d(dom, w%r3t_new)
        call zeros_2d(dom, w%rcdu)
        call zeros_2d(dom, w%avtb_2d)
        w%avtb_2d = 1.0_wp
        call zeros_2d(dom, w%un_adv)
        call zeros_2d(dom, w%vn_adv)
        call zeros_3d(dom, w%rhd)
        call zeros_3d(dom, w%alpha)
        call zeros_3d(dom, w%beta)
        call zeros_3d(dom, w%rn2)
        call zeros_3d(dom, w%avm)
        call zeros_3d(dom, w%avt)
        call zeros_3d(dom, w%sh2)
        call zeros_3d(dom, w%utrd)
        call zeros_3d(dom, w%vtrd)
        call zeros_3d(dom, w%uu_tr)
        call zeros_3d(dom, w%vv_tr)
        call zeros_3d(dom, w%ww_tr)
        call zeros_3d(dom, w%u_bc)
        call zeros_3d(dom, w%v_bc)
        call zeros_3d(dom, w%uslp)
        call zeros_3d(dom, w%vslp)
        call zeros_3d(dom, w%wslpi)
        call zeros_3d(dom, w%wslpj)
        call zeros_3d(dom, w%akz)
        call zeros_3d(dom, w%wo)
        call zeros_2d(dom, w%tos)
        call zeros_2d(dom, w%sos)
    end subroutine work_alloc

    subroutine zeros_2d(dom, a)
        type(domain), intent(in) :: dom
        real(wp), allocatable, intent(out) :: a(:, :)
        allocate (a(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls), source=0.0_wp)
    end subroutine zeros_2d

    subroutine zeros_3d(dom, a)
        type(domain), intent(in) :: dom
        real(wp), allocatable, intent(out) :: a(:, :, :)
        allocate (a(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls, dom%nz), source=0.0_wp)
    end subroutine zeros_3d

end module oce
