!> Horizontal mesh: positions, metrics and the Coriolis parameter (NEMO's domhgr).
module domhgr
    use dom_oce, only: domain
    use iom, only: iom_check, iom_read_tile
    use nam_toy, only: toy_namelist
    use netcdf, only: nf90_get_var, nf90_inq_varid
    use par_oce, only: hls, omega, rad, rearth, wp
    use usrdef_box, only: box_hgr
    use usrdef_gyre, only: gyre_hgr
    implicit none
    private
    public :: dom_hgr

contains

    !> Fill the horizontal mesh of the configuration. `ncid` is the open input file of `global`.
    subroutine dom_hgr(dom, nam, ncid, message)
        type(domain), intent(inout) :: dom
        type(toy_namelist), intent(in) :: nam
        integer, intent(in) :: ncid
        character(len=:), allocatable, intent(out) :: message   !! empty: done
        message = ''
        call allocate_mesh(dom)
        select case (nam%cfg%cn_cfg)
        case ('gyre')
            call gyre_hgr(dom)
        case ('idealised')
            call box_hgr(dom, nam%usr_def)
        case default
            call regular_hgr(dom, ncid, message)
        end select
        dom%e1e2t = dom%e1t*dom%e2t
        dom%e1e2u = dom%e1u*dom%e2u
        dom%e1e2v = dom%e1v*dom%e2v
        dom%e1e2f = dom%e1f*dom%e2f
    end subroutine dom_hgr

    subroutine allocate_mesh(dom)
        type(domain), intent(inout) :: dom
        call grid(dom%glamt)
        call grid(dom%glamu)
        call grid(dom%glamv)
        call grid(dom%glamf)
        call grid(dom%gphit)
        call grid(dom%gphiu)
        call grid(dom%gphiv)
        call grid(dom%gphif)
        call grid(dom%e1t)
        call grid(dom%e1u)
        call grid(dom%e1v)
        call grid(dom%e1f)
        call grid(dom%e2t)
        call grid(dom%e2u)
        call grid(dom%e2v)
        call grid(dom%e2f)
        call grid(dom%e1e2t)
        call grid(dom%e1e2u)
        call grid(dom%e1e2v)
        call grid(dom%e1e2f)
        call grid(dom%ff_f)

    contains

        subroutine grid(a)
            real(wp), allocatable, intent(out) :: a(:, :)
            allocate (a(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls), source=0.0_wp)
        end subroutine grid

    end subroutine allocate_mesh

    !> Regular longitudes, latitudes that depend on the row only: a sphere cut by meridians and parallels.
    subroutine regular_hgr(dom, ncid, message)
        type(domain), intent(inout) :: dom
        integer, intent(in) :: ncid
        character(len=:), allocatable, intent(out) :: message
        real(wp) :: latitude(dom%ny), width, here, north, northern_edge, southern_edge
        integer :: i, j, jg, varid
        call iom_read_tile(dom, ncid, 'nav_lon', dom%glamt, message)
        if (len(message) > 0) return
        call iom_check(nf90_inq_varid(ncid, 'nav_lat', varid), 'nav_lat', message)
        call iom_check(nf90_get_var(ncid, varid, latitude, start=[1, 1], count=[1, dom%ny]), 'nav_lat', &
            message)
        if (len(message) > 0) return
        width = 360.0_wp/real(dom%nx, wp)
        do j = 1 - hls, dom%nj + hls
            jg = max(1, min(dom%ny, dom%j0 + j))
            here = latitude(jg)
            north = row_latitude(latitude, jg + 1)
            northern_edge = 0.5_wp*(here + north)
            southern_edge = 0.5_wp*(here + row_latitude(latitude, jg - 1))
            do i = 1 - hls, dom%ni + hls
                dom%glamu(i, j) = dom%glamt(i, j) + 0.5_wp*width
                dom%gphit(i, j) = here
                dom%gphiv(i, j) = northern_edge
                dom%e1t(i, j) = rearth*rad*width*cos(rad*here)
                dom%e1v(i, j) = rearth*rad*width*cos(rad*northern_edge)
                dom%e2t(i, j) = rearth*rad*(northern_edge - southern_edge)
                dom%e2v(i, j) = rearth*rad*(north - here)
                dom%ff_f(i, j) = 2.0_wp*omega*sin(rad*northern_edge)
            end do
        end do
        dom%glamv = dom%glamt
        dom%glamf = dom%glamu
        dom%gphiu = dom%gphit
        dom%gphif = dom%gphiv
        dom%e1u = dom%e1t
        dom%e2u = dom%e2t
        dom%e1f = dom%e1v
        dom%e2f = dom%e2v
    end subroutine regular_hgr

    !> Latitude of row jg; the rows beyond the ends continue the last spacing.
    pure real(wp) function row_latitude(latitude, jg)
        real(wp), intent(in) :: latitude(:)
        integer, intent(in) :: jg
        integer :: n
        n = size(latitude)
        if (jg < 1) then
            row_latitude = 2.0_wp*latitude(1) - latitude(2)
        else if (jg > n) then
            row_latitude = 2.0_wp*latitude(n) - latitude(n - 1)
        else
            row_latitude = latitude(jg)
        end if
    end function row_latitude

end module domhgr
