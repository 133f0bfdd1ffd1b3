!> Vertical viscosity, wind stress and bottom drag, implicit in time.
module dynzdf
    use par_oce, only: wp, hls, rho0
    use dom_oce, only: domain
    use tridiagonal_solver, only: tridiagonal
    implicit none
    private
    public :: dyn_zdf_u, dyn_zdf_v

contains

    !> Replace u by the solution of (1 - dt d/dz avm d/dz + drag) u* = u + dt utau/(rho0 e3u(1)).
    subroutine dyn_zdf_u(dom, dt, avm, rcdu, r3u, utau, u)
        type(domain), intent(in) :: dom
        real(wp), intent(in) :: dt                                      !! s
        real(wp), intent(in), contiguous :: avm(1 - hls:, 1 - hls:, :)  !! viscosity at W, m2 s-1
        real(wp), intent(in), contiguous :: rcdu(1 - hls:, 1 - hls:)    !! drag at T >= 0, m s-1
        real(wp), intent(in), contiguous :: r3u(1 - hls:, 1 - hls:)
        real(wp), intent(in), contiguous :: utau(1 - hls:, 1 - hls:)    !! N m-2
        real(wp), intent(inout), contiguous :: u(1 - hls:, 1 - hls:, :) !! m s-1; 0:ni, 0:nj+1
        integer :: j, n

        n = dom%ni
        do j = 0, dom%nj + 1
            call implicit_row(dt, dom%e3t_0, dom%e3w_0, r3u(0:n, j), &
                avm(0:n, j, :), avm(1:n + 1, j, :), dom%wumask(0:n, j, :), &
                min(dom%mbkt(0:n, j), dom%mbkt(1:n + 1, j)), &
                0.5_wp*(rcdu(0:n, j) + rcdu(1:n + 1, j)), utau(0:n, j), u(0:n, j, :))
        end do
    end subroutine dyn_zdf_u

    !> The same for v, on rows 0..nj and columns 1..ni.
    subroutine dyn_zdf_v(dom, dt, avm, rcdu, r3v, vtau, v)
        type(domain), intent(in) :: dom
        real(wp), intent(in) :: dt
        real(wp), intent(in), contiguous :: avm(1 - hls:, 1 - hls:, :)
        real(wp), intent(in), contiguous :: rcdu(1 - hls:, 1 - hls:)
        real(wp), intent(in), contiguous :: r3v(1 - hls:, 1 - hls:)
        real(wp), intent(in), contiguous :: vtau(1 - hls:, 1 - hls:)
        real(wp), intent(inout), contiguous :: v(1 - hls:, 1 - hls:, :)
        integer :: j, n

        n = dom%ni
        do j = 0, dom%nj
            call implicit_row(dt, dom%e3t_0, dom%e3w_0, r3v(1:n, j), &
                avm(1:n, j, :), avm(1:n, j + 1, :), dom%wvmask(1:n, j, :), &
                min(dom%mbkt(1:n, j), dom%mbkt(1:n, j + 1)), &
                0.5_wp*(rcdu(1:n, j) + rcdu(1:n, j + 1)), vtau(1:n, j), v(1:n, j, :))
        end do
    end subroutine dyn_zdf_v

    !> One row of velocity columns that lie between the tracer columns a and b.
    pure subroutine implicit_row(dt, e3t_0, e3w_0, r3, avm_a, avm_b, wmask, bottom, drag, stress, x)
        real(wp), intent(in) :: dt
        real(wp), intent(in) :: e3t_0(:), e3w_0(:)          !! [nz] m
        real(wp), intent(in) :: r3(:)                       !! [n]
        real(wp), intent(in) :: avm_a(:, :), avm_b(:, :)    !! [n, nz] m2 s-1
        real(wp), intent(in) :: wmask(:, :)                 !! [n, nz] interfaces between wet cells
        integer, intent(in) :: bottom(:)                    !! [n] lowest wet cell, 0 on land
        real(wp), intent(in) :: drag(:)                     !! [n] m s-1
        real(wp), intent(in) :: stress(:)                   !! [n] N m-2
        real(wp), intent(inout) :: x(:, :)                  !! [n, nz] m s-1
        real(wp), dimension(size(x, 1), size(x, 2)) :: a_up, diag, a_dn, solution
        real(wp) :: exchange
        integer :: i, k, nz

        nz = size(x, 2)
        diag(:, :) = 1.0_wp
        solution(:, :) = x
        a_up(:, 1) = 0.0_wp
        a_dn(:, nz) = 0.0_wp
        do k = 2, nz
            do i = 1, size(x, 1)
                exchange = 0.5_wp*(avm_a(i, k) + avm_b(i, k))*wmask(i, k)*dt &
                    /(e3w_0(k)*(1.0_wp + r3(i)))
                a_up(i, k) = -exchange/(e3t_0(k)*(1.0_wp + r3(i)))
                a_dn(i, k - 1) = -exchange/(e3t_0(k - 1)*(1.0_wp + r3(i)))
                diag(i, k) = diag(i, k) - a_up(i, k)
                diag(i, k - 1) = diag(i, k - 1) - a_dn(i, k - 1)
            end do
        end do
        do i = 1, size(x, 1)
            if (bottom(i) == 0) cycle
            k = bottom(i)
            diag(i, k) = diag(i, k) + dt*drag(i)/(e3t_0(k)*(1.0_wp + r3(i)))
            solution(i, 1) = solution(i, 1) + dt*stress(i)/(rho0*e3t_0(1)*(1.0_wp + r3(i)))
        end do
        call tridiagonal(a_up, diag, a_dn, solution)
        x(:, :) = solution
    end subroutine implicit_row
end module dynzdf
