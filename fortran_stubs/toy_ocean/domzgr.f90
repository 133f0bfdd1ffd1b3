!> Vertical mesh: level depths and the number of wet levels of each column (NEMO's domzgr), full steps.
module domzgr
    use dom_oce, only: domain
    use iom, only: iom_has, iom_read_column, iom_read_tile
    use nam_toy, only: toy_namelist
    use par_oce, only: hls, wp
    use usrdef_box, only: box_bottom, box_levels
    use usrdef_gyre, only: gyre_levels
    implicit none
    private
    public :: dom_zgr

contains

    !> Fill depths, thicknesses and mbkt. `ncid` is the open input file of `global`.
    subroutine dom_zgr(dom, nam, ncid, message)
        type(domain), intent(inout) :: dom
        type(toy_namelist), intent(in) :: nam
        integer, intent(in) :: ncid
        character(len=:), allocatable, intent(out) :: message   !! empty: done
        integer :: nz
        message = ''
        nz = dom%nz
        allocate (dom%e3t_0(nz), dom%e3w_0(nz), dom%gdept_0(nz), dom%gdepw_0(nz + 1))
        allocate (dom%mbkt(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls))
        select case (nam%cfg%cn_cfg)
        case ('gyre')
            call gyre_levels(dom%gdept_0, dom%gdepw_0)
            ! As in NEMO, the last level is land.
            dom%mbkt = nz - 1
        case ('idealised')
            call box_levels(nam%usr_def, dom%gdept_0, dom%gdepw_0)
            call box_bottom(dom, nam%usr_def)
        case default
            call read_levels(dom, ncid, message)
            if (len(message) > 0) return
        end select
        dom%e3t_0 = dom%gdepw_0(2:nz + 1) - dom%gdepw_0(1:nz)
        dom%e3w_0(1) = dom%gdept_0(1)
        dom%e3w_0(2:nz) = dom%gdept_0(2:nz) - dom%gdept_0(1:nz - 1)
        call close_boundaries(dom)
    end subroutine dom_zgr

    !> e3t_1d (and gdept_1d, else the middles of the levels) and mbathy of the input file.
    subroutine read_levels(dom, ncid, message)
        type(domain), intent(inout) :: dom
        integer, intent(in) :: ncid
        character(len=:), allocatable, intent(out) :: message
        real(wp) :: thickness(dom%nz), levels(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls)
        integer :: k
        call iom_read_column(ncid, 'e3t_1d', thickness, message)
        if (len(message) > 0) return
        dom%gdepw_0(1) = 0.0_wp
        do k = 1, dom%nz
            dom%gdepw_0(k + 1) = dom%gdepw_0(k) + thickness(k)
            dom%gdept_0(k) = 0.5_wp*(dom%gdepw_0(k) + dom%gdepw_0(k + 1))
        end do
        if (iom_has(ncid, 'gdept_1d')) then
            call iom_read_column(ncid, 'gdept_1d', dom%gdept_0, message)
            if (len(message) > 0) return
        end if
        call iom_read_tile(dom, ncid, 'mbathy', levels, message)
        dom%mbkt = nint(levels)
        if (any(dom%mbkt < 0 .or. dom%mbkt > dom%nz)) message = 'mbathy: expected 0 to nz wet levels'
    end subroutine read_levels

    !> The outermost rows of the globe, and columns unless periodic, are land; so is all beyond them.
    subroutine close_boundaries(dom)
        type(domain), intent(inout) :: dom
        integer :: i, j
        do j = 1 - hls, dom%nj + hls
            do i = 1 - hls, dom%ni + hls
                if (dom%j0 + j <= 1 .or. dom%j0 + j >= dom%ny) dom%mbkt(i, j) = 0
                if (.not. dom%periodic .and. (dom%i0 + i <= 1 .or. dom%i0 + i >= dom%nx)) &
                    dom%mbkt(i, j) = 0
            end do
        end do
    end subroutine close_boundaries

end module domzgr
