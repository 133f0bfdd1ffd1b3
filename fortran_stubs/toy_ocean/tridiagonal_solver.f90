!> Thomas algorithm for a slab of columns: elimination from the top, back substitution, no pivoting
!! (the matrices of implicit vertical mixing are diagonally dominant).
module tridiagonal_solver
    use par_oce, only: wp
    implicit none
    private
    public :: tridiagonal

contains

    !> Solve a_up(k) x(k-1) + diag(k) x(k) + a_dn(k) x(k+1) = rhs(k) in every column.
    pure subroutine tridiagonal(a_up, diag, a_dn, rhs)
        real(wp), intent(in) :: a_up(:, :)     !! [n, nz] towards k-1; a_up(:, 1) is not read
        real(wp), intent(inout) :: diag(:, :)  !! [n, nz] diagonal; overwritten by the pivots
        real(wp), intent(in) :: a_dn(:, :)     !! [n, nz] towards k+1; a_dn(:, nz) is not read
        real(wp), intent(inout) :: rhs(:, :)   !! [n, nz] right side; the solution on return
        real(wp) :: factor
        integer :: i, k, n, nz

        n = size(rhs, 1)
        nz = size(rhs, 2)
        do k = 2, nz
            do i = 1, n
                factor = a_up(i, k)/diag(i, k - 1)
                diag(i, k) = diag(i, k) - factor*a_dn(i, k - 1)
                rhs(i, k) = rhs(i, k) - factor*rhs(i, k - 1)
            end do
        end do
        do i = 1, n
            rhs(i, nz) = rhs(i, nz)/diag(i, nz)
        end do
        do k = nz - 1, 1, -1
            do i = 1, n
                rhs(i, k) = (rhs(i, k) - a_dn(i, k)*rhs(i, k + 1))/diag(i, k)
            end do
        end do
    end subroutine tridiagonal
end module tridiagonal_solver
