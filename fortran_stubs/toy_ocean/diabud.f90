!> Budgets in run.stat: one line per record with step, volume, heat, salt and the largest |u|, |v|.
!! Sums are compensated and taken on rank 0 over the gathered fields, so they are the same for any tiles.
module diabud
    use dom_oce, only: domain
    use iom, only: iom_gather
    use oce, only: ocean_state
    use par_oce, only: wp
    implicit none
    private
    public :: dia_bud

contains

    !> Append a line: kt, volume [m3], sum of T dV [degC m3], sum of S dV [1e-3 m3], largest speed [m s-1].
    subroutine dia_bud(dom, path, state, first)
        type(domain), intent(in) :: dom
        character(len=*), intent(in) :: path
        type(ocean_state), intent(in) :: state
        logical, intent(in) :: first              !! begin the file
        real(wp), allocatable, dimension(:, :, :) :: t, s, u, v, mask
        real(wp), allocatable, dimension(:, :) :: ssh, area, depth
        real(wp) :: total(3), lost(3), thickness
        integer :: i, j, k, unit
        call iom_gather(dom, state%t, t)
        call iom_gather(dom, state%s, s)
        call iom_gather(dom, state%u, u)
        call iom_gather(dom, state%v, v)
        call iom_gather(dom, state%ssh, ssh)
        call iom_gather(dom, dom%tmask, mask)
        call iom_gather(dom, dom%e1e2t, area)
        call iom_gather(dom, dom%ht_0, depth)
        if (dom%rank /= 0) return
        total = 0.0_wp
        lost = 0.0_wp
        do k = 1, dom%nz
            do j = 1, dom%ny
                do i = 1, dom%nx
                    if (mask(i, j, k) < 0.5_wp) cycle
                    thickness = dom%e3t_0(k)*(1.0_wp + ssh(i, j)/depth(i, j))*area(i, j)
                    call add(thickness, total(1), lost(1))
                    call add(thickness*t(i, j, k), total(2), lost(2))
                    call add(thickness*s(i, j, k), total(3), lost(3))
                end do
            end do
        end do
        if (first) then
            open (newunit=unit, file=path, status='replace', action='write')
            write (unit, '(a)') '# kt  volume [m3]  heat [degC m3]  salt [1e-3 m3]  largest speed [m s-1]'
        else
            open (newunit=unit, file=path, status='old', position='append', action='write')
        end if
        write (unit, '(i10, 4es25.16)') state%kt, total + lost, max(maxval(abs(u)), maxval(abs(v)))
        close (unit)
    end subroutine dia_bud

    !> Add a term to a sum and its rounding error to another (Neumaier 1974).
    pure subroutine add(term, total, lost)
        real(wp), intent(in) :: term
        real(wp), intent(inout) :: total, lost
        real(wp) :: new
        new = total + term
        if (abs(total) >= abs(term)) then
            lost = lost + ((total - new) + term)
        else
            lost = lost + ((term - new) + total)
        end if
        total = new
    end subroutine add

end module diabud
