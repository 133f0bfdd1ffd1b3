!> Rotation terms of the vector-invariant momentum equation, in the form that conserves energy
!! (NEMO's ENE; Sadourny 1975): relative vorticity (`dyn_vor`) and Coriolis (`cor_u`, `cor_v`).
module dynvor
    use par_oce, only: wp, hls
    use dom_oce, only: domain
    implicit none
    private
    public :: dyn_vor, cor_u, cor_v

contains

    !> Trends of the relative vorticity: zeta v in u and -zeta u in v.
    subroutine dyn_vor(dom, u, v, vor_u, vor_v)
        type(domain), intent(in) :: dom
        real(wp), intent(in), contiguous :: u(1 - hls:, 1 - hls:, :), v(1 - hls:, 1 - hls:, :)
        !! m s-1
        real(wp), intent(inout), contiguous :: vor_u(1 - hls:, 1 - hls:, :)  !! m s-2
        real(wp), intent(inout), contiguous :: vor_v(1 - hls:, 1 - hls:, :)  !! m s-2
        real(wp) :: zeta(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls)
        integer :: i, j, k

        do k = 1, dom%nz
            do j = -1, dom%nj + 1
                do i = 0, dom%ni
                    zeta(i, j) = (dom%e2v(i + 1, j)*v(i + 1, j, k) - dom%e2v(i, j)*v(i, j, k) &
                        - dom%e1u(i, j + 1)*u(i, j + 1, k) + dom%e1u(i, j)*u(i, j, k)) &
                        /dom%e1e2f(i, j)
                end do
            end do
            call rotate_u(dom, zeta, v(:, :, k), dom%umask(:, :, k), vor_u(:, :, k))
            call rotate_v(dom, zeta, u(:, :, k), dom%vmask(:, :, k), vor_v(:, :, k))
        end do
    end subroutine dyn_vor

    !> Coriolis trend of u from v, f v.
    subroutine cor_u(dom, v, trend)
        type(domain), intent(in) :: dom
        real(wp), intent(in), contiguous :: v(1 - hls:, 1 - hls:, :)         !! m s-1
        real(wp), intent(inout), contiguous :: trend(1 - hls:, 1 - hls:, :)  !! m s-2
        integer :: k
        do k = 1, dom%nz
            call rotate_u(dom, dom%ff_f, v(:, :, k), dom%umask(:, :, k), trend(:, :, k))
        end do
    end subroutine cor_u

    !> Coriolis trend of v from u, -f u.
    subroutine cor_v(dom, u, trend)
        type(domain), intent(in) :: dom
        real(wp), intent(in), contiguous :: u(1 - hls:, 1 - hls:, :)         !! m s-1
        real(wp), intent(inout), contiguous :: trend(1 - hls:, 1 - hls:, :)  !! m s-2
        integer :: k
        do k = 1, dom%nz
            call rotate_v(dom, dom%ff_f, u(:, :, k), dom%vmask(:, :, k), trend(:, :, k))
        end do
    end subroutine cor_v

    !> z v at U, z at F: each F point carries the flux e1v v of its two V neighbours.
    pure subroutine rotate_u(dom, z, v, umask, trend)
        type(domain), intent(in) :: dom
        real(wp), intent(in), contiguous :: z(1 - hls:, 1 - hls:)      !! s-1
        real(wp), intent(in), contiguous :: v(1 - hls:, 1 - hls:)      !! m s-1
        real(wp), intent(in), contiguous :: umask(1 - hls:, 1 - hls:)
        real(wp), intent(inout), contiguous :: trend(1 - hls:, 1 - hls:)  !! m s-2
        integer :: i, j
        do j = 0, dom%nj + 1
            do i = 0, dom%ni
                trend(i, j) = 0.25_wp/dom%e1u(i, j)*umask(i, j) &
                    *(z(i, j)*(dom%e1v(i + 1, j)*v(i + 1, j) + dom%e1v(i, j)*v(i, j)) &
                    + z(i, j - 1)*(dom%e1v(i + 1, j - 1)*v(i + 1, j - 1) &
                    + dom%e1v(i, j - 1)*v(i, j - 1)))
            end do
        end do
    end subroutine rotate_u

    !> -z u at V, z at F.
    pure subroutine rotate_v(dom, z, u, vmask, trend)
        type(domain), intent(in) :: dom
        real(wp), intent(in), contiguous :: z(1 - hls:, 1 - hls:)      !! s-1
        real(wp), intent(in), contiguous :: u(1 - hls:, 1 - hls:)      !! m s-1
        real(wp), intent(in), contiguous :: vmask(1 - hls:, 1 - hls:)
        real(wp), intent(inout), contiguous :: trend(1 - hls:, 1 - hls:)  !! m s-2
        integer :: i, j
        do j = 0, dom%nj
            do i = 1, dom%ni
                trend(i, j) = -0.25_wp/dom%e2v(i, j)*vmask(i, j) &
                    *(z(i, j)*(dom%e2u(i, j)*u(i, j) + dom%e2u(i, j + 1)*u(i, j + 1)) &
                    + z(i - 1, j)*(dom%e2u(i - 1, j)*u(i - 1, j) &
                    + dom%e2u(i - 1, j + 1)*u(i - 1, j + 1)))
            end do
        end do
    end subroutine rotate_v
end module dynvor
