!> Bottom drag coefficient (NEMO's zdfdrg, explicit coefficient).
module zdfdrg
    use dom_oce, only: domain
    use nam_toy, only: toy_namelist
    use par_oce, only: hls, wp
    implicit none
    private
    public :: zdf_drg

contains

    !> rCdU = rn_Cd0 sqrt(u^2 + v^2 + rn_ke0) with the velocities of the bottom level averaged to T;
    !! ln_lin: rn_Cd0 rn_Uc0.
    pure subroutine zdf_drg(dom, nam, u, v, rcdu)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        real(wp), contiguous, intent(in) :: u(1 - hls:, 1 - hls:, :)    !! m s-1
        real(wp), contiguous, intent(in) :: v(1 - hls:, 1 - hls:, :)    !! m s-1
        real(wp), contiguous, intent(inout) :: rcdu(1 - hls:, 1 - hls:) !! >= 0, m s-1, on 0..ni+1, 0..nj+1
        real(wp) :: twice_u, twice_v
        integer :: i, j, k
        if (nam%drg%ln_lin) then
            rcdu = nam%drg_bot%rn_cd0*nam%drg_bot%rn_uc0*dom%ssmask
            return
        end if
        do j = 0, dom%nj + 1
            do i = 0, dom%ni + 1
                k = max(dom%mbkt(i, j), 1)
                twice_u = u(i - 1, j, k) + u(i, j, k)
                twice_v = v(i, j - 1, k) + v(i, j, k)
                rcdu(i, j) = nam%drg_bot%rn_cd0*sqrt(0.25_wp*(twice_u*twice_u + twice_v*twice_v) &
                    + nam%drg_bot%rn_ke0)*dom%ssmask(i, j)
            end do
        end do
    end subroutine zdf_drg

end module zdfdrg
