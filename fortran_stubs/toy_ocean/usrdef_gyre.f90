!> The GYRE configuration (Levy et al. 2010, Ocean Modelling 34; NEMO manual): a closed rectangle on a
!! beta plane, rotated by 45 degrees, 106 km cells, 31 levels, flat bottom.
module usrdef_gyre
    use dom_oce, only: domain
    use par_oce, only: hls, omega, rad, rearth, wp
    implicit none
    private
    public :: gyre_nx, gyre_ny, gyre_nz
    public :: gyre_position, gyre_hgr, gyre_levels, gyre_profile

    integer, parameter :: gyre_nx = 32, gyre_ny = 22, gyre_nz = 31
    real(wp), parameter :: cell = 106000.0_wp                     !! m
    real(wp), parameter :: degrees_per_cell = cell/(rearth*rad)
    real(wp), parameter :: corner_longitude = -85.0_wp            !! of the north-western corner
    real(wp), parameter :: corner_latitude = 29.0_wp
    real(wp), parameter :: southern_latitude = 15.0_wp            !! where f = f0

contains

    !> Longitude and latitude [degrees] of a point `x`, `y` cells east and north (along the rotated axes)
    !! of the grid's corner.
    pure subroutine gyre_position(x, y, longitude, latitude)
        real(wp), intent(in) :: x, y
        real(wp), intent(out) :: longitude, latitude
        real(wp) :: side, first_longitude, first_latitude
        side = sqrt(0.5_wp)*degrees_per_cell
        first_longitude = corner_longitude + side*real(gyre_ny - 2, wp)
        first_latitude = corner_latitude - side*real(gyre_ny - 2, wp)
        longitude = first_longitude + side*x - side*y
        latitude = first_latitude + side*x + side*y
    end subroutine gyre_position

    !> Positions, metrics and f = f0 + beta*distance from 15 N.
    subroutine gyre_hgr(dom)
        type(domain), intent(inout) :: dom
        integer :: i, j
        real(wp) :: x, y, f0, beta
        f0 = 2.0_wp*omega*sin(rad*southern_latitude)
        beta = 2.0_wp*omega*cos(rad*corner_latitude)/rearth
        do j = 1 - hls, dom%nj + hls
            do i = 1 - hls, dom%ni + hls
                ! Global point 1 is land; T(2, 2) lies half a cell inside the corner of the basin.
                x = real(dom%i0 + i - 1, wp)
                y = real(dom%j0 + j - 1, wp)
                call gyre_position(x - 0.5_wp, y - 0.5_wp, dom%glamt(i, j), dom%gphit(i, j))
                call gyre_position(x, y - 0.5_wp, dom%glamu(i, j), dom%gphiu(i, j))
                call gyre_position(x - 0.5_wp, y, dom%glamv(i, j), dom%gphiv(i, j))
                call gyre_position(x, y, dom%glamf(i, j), dom%gphif(i, j))
                dom%ff_f(i, j) = f0 + beta*rad*rearth*abs(dom%gphif(i, j) - southern_latitude)
            end do
        end do
        dom%e1t = cell
        dom%e2t = cell
        dom%e1u = cell
        dom%e2u = cell
        dom%e1v = cell
        dom%e2v = cell
        dom%e1f = cell
        dom%e2f = cell
    end subroutine gyre_hgr

    !> Interfaces and T depths [m] of the 31 ORCA levels (Madec and Imbard 1996).
    pure subroutine gyre_levels(gdept, gdepw)
        real(wp), intent(out) :: gdept(:)   !! [nz]
        real(wp), intent(out) :: gdepw(:)   !! [nz + 1]
        integer :: k
        do k = 1, size(gdepw)
            gdepw(k) = level_depth(real(k, wp))
        end do
        gdepw(1) = 0.0_wp
        do k = 1, size(gdept)
            gdept(k) = level_depth(real(k, wp) + 0.5_wp)
        end do
    end subroutine gyre_levels

    pure real(wp) function level_depth(k)
        real(wp), intent(in) :: k
        real(wp), parameter :: zsur = -2033.194295283385_wp, za0 = 155.8325369664153_wp
        real(wp), parameter :: za1 = 146.3615918601890_wp, zkth = 17.28520372419791_wp, zacr = 5.0_wp
        level_depth = zsur + za0*k + za1*zacr*log(cosh((k - zkth)/zacr))
    end function level_depth

    !> Initial temperature [degC] and salinity [1e-3] at a depth [m]: thermocline water above about 500 m,
    !! deep water below, blended by a tanh.
    pure subroutine gyre_profile(depth, temperature, salinity)
        real(wp), intent(in) :: depth
        real(wp), intent(out) :: temperature, salinity
        real(wp) :: deep, shallow
        deep = 0.5_wp*(1.0_wp - tanh((500.0_wp - depth)/150.0_wp))
        shallow = 0.5_wp*(1.0_wp - tanh((depth - 500.0_wp)/150.0_wp))
        temperature = deep*(16.0_wp - 12.0_wp*tanh((depth - 400.0_wp)/700.0_wp)) &
            + shallow*(15.0_wp*(1.0_wp - tanh((depth - 50.0_wp)/1500.0_wp)) &
            - 1.4_wp*tanh((depth - 100.0_wp)/100.0_wp) + 7.0_wp*(1500.0_wp - depth)/1500.0_wp)
        salinity = deep*(36.25_wp - 1.13_wp*tanh((depth - 305.0_wp)/460.0_wp)) &
            + shallow*(35.55_wp + 1.25_wp*(5000.0_wp - depth)/5000.0_wp &
            - 1.62_wp*tanh((depth - 60.0_wp)/650.0_wp) + 0.2_wp*tanh((depth - 35.0_wp)/100.0_wp) &
            + 0.2_wp*tanh((depth - 1000.0_wp)/5000.0_wp))
    end subroutine gyre_profile

end module usrdef_gyre
