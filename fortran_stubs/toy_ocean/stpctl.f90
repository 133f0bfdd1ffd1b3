!> Watches the state for a blow-up (NEMO's stpctl).
module stpctl
    use dom_oce, only: domain
    use oce, only: ocean_state
    use par_oce, only: hls, wp
    implicit none
    private
    public :: stp_ctl

    real(wp), parameter :: fastest = 20.0_wp     !! m s-1
    real(wp), parameter :: highest = 20.0_wp     !! m
    real(wp), parameter :: freshest = -1.0_wp, saltiest = 100.0_wp   !! 1e-3
    real(wp), parameter :: hottest = 1.0e4_wp    !! degC; any bound catches a NaN

contains

    !> A message "field = value at i j k" when a bound is passed or a NaN appears on this tile, else ''.
    function stp_ctl(dom, state) result(message)
        type(domain), intent(in) :: dom
        type(ocean_state), intent(in) :: state
        character(len=:), allocatable :: message
        integer :: k
        message = ''
        call look('zos', state%ssh, dom%ssmask, -highest, highest, 0)
        do k = 1, dom%nz
            call look('uo', state%u(:, :, k), dom%umask(:, :, k), -fastest, fastest, k)
            call look('vo', state%v(:, :, k), dom%vmask(:, :, k), -fastest, fastest, k)
            call look('thetao', state%t(:, :, k), dom%tmask(:, :, k), -hottest, hottest, k)
            call look('so', state%s(:, :, k), dom%tmask(:, :, k), freshest, saltiest, k)
            call look('en', state%en(:, :, k), dom%wmask(:, :, k), -hottest, hottest, k)
            if (len(message) > 0) return
        end do

    contains

        subroutine look(name, field, mask, lowest, largest, k)
            character(len=*), intent(in) :: name
            real(wp), intent(in) :: field(1 - hls:, 1 - hls:), mask(1 - hls:, 1 - hls:)
            real(wp), intent(in) :: lowest, largest
            integer, intent(in) :: k
            integer :: i, j
            logical :: good
            character(len=160) :: text
            if (len(message) > 0) return
            do j = 1, dom%nj
                good = .true.
                do i = 1, dom%ni
                    ! A NaN fails both comparisons.
                    good = good .and. ((field(i, j) >= lowest .and. field(i, j) <= largest) &
                        .or. mask(i, j) < 0.5_wp)
                end do
                if (good) cycle
                do i = 1, dom%ni
                    if (field(i, j) >= lowest .and. field(i, j) <= largest) cycle
                    if (mask(i, j) < 0.5_wp) cycle
                    write (text, '(2a, es12.4, 3(a, i0))') name, ' =', field(i, j), &
                        ' at i = ', dom%i0 + i, ', j = ', dom%j0 + j, ', k = ', k
                    message = trim(text)
                    return
                end do
            end do
        end subroutine look

    end function stp_ctl

end module stpctl
