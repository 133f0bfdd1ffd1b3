!> Monthly climatological forcing of the global configuration: linear in time between the middles of the
!! months of a 360-day year, heat and salt restored to the climatology's surface.
module sbc_global
    use dom_oce, only: domain
    use iom, only: iom_check, iom_read_tile
    use nam_toy, only: namsbc_ssr_type
    use netcdf, only: nf90_close, nf90_nowrite, nf90_open
    use oce, only: surface_forcing
    use par_oce, only: hls, rday, wp
    implicit none
    private
    public :: climatology, climatology_read, global_sbc

    integer, parameter :: months = 12

    type :: climatology
        real(wp), allocatable, dimension(:, :, :) :: utau, vtau   !! [.., month] N m-2, at T
        real(wp), allocatable, dimension(:, :, :) :: qnet, qsr    !! W m-2
        real(wp), allocatable, dimension(:, :, :) :: sst          !! degC
        real(wp), allocatable, dimension(:, :) :: sss             !! 1e-3
    end type climatology

contains

    !> Read this tile of the forcing, halo included.
    subroutine climatology_read(dom, path, clim, message)
        type(domain), intent(in) :: dom
        character(len=*), intent(in) :: path
        type(climatology), intent(inout) :: clim
        character(len=:), allocatable, intent(out) :: message   !! empty: read
        integer :: ncid, ignored
        message = ''
        call iom_check(nf90_open(path, nf90_nowrite, ncid), path, message)
        if (len(message) > 0) return
        call twelve('utau', clim%utau)
        call twelve('vtau', clim%vtau)
        call twelve('qnet', clim%qnet)
        call twelve('qsr', clim%qsr)
        call twelve('sst_clim', clim%sst)
        allocate (clim%sss(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls))
        if (len(message) == 0) call iom_read_tile(dom, ncid, 'sss_clim', clim%sss, message)
        if (len(message) > 0) message = trim(path)//': '//message
        ignored = nf90_close(ncid)

    contains

        subroutine twelve(name, field)
            character(len=*), intent(in) :: name
            real(wp), allocatable, intent(out) :: field(:, :, :)
            integer :: month
            allocate (field(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls, months))
            do month = 1, months
                if (len(message) > 0) return
                call iom_read_tile(dom, ncid, name, field(:, :, month), message, record=month)
            end do
        end subroutine twelve

    end subroutine climatology_read

    !> Forcing of the day `day` of the year. The stress is averaged to U and V, where both T points are wet.
    subroutine global_sbc(dom, ssr, clim, day, ln_ssr, t, s, sbc)
        type(domain), intent(in) :: dom
        type(namsbc_ssr_type), intent(in) :: ssr
        type(climatology), intent(in) :: clim
        real(wp), intent(in) :: day                           !! days since 1 January
        logical, intent(in) :: ln_ssr                         !! restore salinity
        real(wp), intent(in) :: t(1 - hls:, 1 - hls:)         !! top level, degC
        real(wp), intent(in) :: s(1 - hls:, 1 - hls:)         !! top level, 1e-3
        type(surface_forcing), intent(inout) :: sbc
        real(wp) :: a, b, position, sst, restoring
        real(wp) :: tau_x(1 - hls:dom%ni + hls), tau_y(1 - hls:dom%ni + hls)
        real(wp) :: tau_y_north(1 - hls:dom%ni + hls)
        integer :: i, j, m, n
        position = day/30.0_wp + 0.5_wp
        m = floor(position)
        b = position - real(m, wp)
        a = 1.0_wp - b
        n = modulo(m, months) + 1
        m = modulo(m - 1, months) + 1
        restoring = merge(ssr%rn_deds/rday, 0.0_wp, ln_ssr)
        do j = 1 - hls, dom%nj + hls
            do i = 1 - hls, dom%ni + hls
                tau_x(i) = a*clim%utau(i, j, m) + b*clim%utau(i, j, n)
                tau_y(i) = a*clim%vtau(i, j, m) + b*clim%vtau(i, j, n)
                sbc%taum(i, j) = sqrt(tau_x(i)*tau_x(i) + tau_y(i)*tau_y(i))*dom%ssmask(i, j)
                sst = a*clim%sst(i, j, m) + b*clim%sst(i, j, n)
                sbc%qsr(i, j) = (a*clim%qsr(i, j, m) + b*clim%qsr(i, j, n))*dom%ssmask(i, j)
                sbc%qns(i, j) = (a*clim%qnet(i, j, m) + b*clim%qnet(i, j, n) - sbc%qsr(i, j) &
                    + ssr%rn_dqdt*(t(i, j) - sst))*dom%ssmask(i, j)
                sbc%sfx(i, j) = restoring*(s(i, j) - clim%sss(i, j))*dom%ssmask(i, j)
            end do
            do i = 1 - hls, dom%ni + hls - 1
                sbc%utau(i, j) = 0.5_wp*(tau_x(i) + tau_x(i + 1))*dom%ssumask(i, j)
            end do
            if (j == dom%nj + hls) cycle
            do i = 1 - hls, dom%ni + hls
                tau_y_north(i) = a*clim%vtau(i, j + 1, m) + b*clim%vtau(i, j + 1, n)
                sbc%vtau(i, j) = 0.5_wp*(tau_y(i) + tau_y_north(i))*dom%ssvmask(i, j)
            end do
        end do
        sbc%emp = 0.0_wp
    end subroutine global_sbc

end module sbc_global
