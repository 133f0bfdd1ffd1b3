!> Warnings about explicit terms near their limit of stability. The run goes on: they explain a blow-up.
module stplim
    use, intrinsic :: iso_fortran_env, only: error_unit
    use dom_oce, only: domain
    use ldfdyn, only: ldf_dyn
    use mpi, only: MPI_DOUBLE_PRECISION, MPI_MAX
    use nam_toy, only: toy_namelist
    use oce, only: ocean_state
    use par_oce, only: hls, wp
    implicit none
    private
    public :: stp_lim

    real(wp), parameter :: smallest = 1.0e-3_wp   !! m2 s-1: what counts as no viscosity

contains

    !> Warn (rank 0) of a viscosity A with A dt (1/e1^2 + 1/e2^2) > 1/2, which blows up within some ten steps,
    !! or with A < u^2 dt/2, for which forward advection of momentum grows. Collective.
    subroutine stp_lim(dom, nam, state)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        type(ocean_state), intent(in) :: state
        real(wp), dimension(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls) :: ahmt, ahmf
        real(wp) :: worst(2), all_ranks(2), speed2
        integer :: i, j, ierr
        call ldf_dyn(dom, nam%dyn_ldf, ahmt, ahmf)
        worst = 0.0_wp
        do j = 1, dom%nj
            do i = 1, dom%ni
                if (dom%ssmask(i, j) < 0.5_wp) cycle
                worst(1) = max(worst(1), nam%dom%rn_Dt*ahmt(i, j) &
                    *(1.0_wp/dom%e1t(i, j)**2 + 1.0_wp/dom%e2t(i, j)**2))
                speed2 = maxval(state%u(i, j, :)**2 + state%v(i, j, :)**2)
                worst(2) = max(worst(2), 0.5_wp*nam%dom%rn_Dt*speed2/max(ahmt(i, j), smallest))
            end do
        end do
        call MPI_Allreduce(worst, all_ranks, 2, MPI_DOUBLE_PRECISION, MPI_MAX, dom%comm, ierr)
        if (dom%rank /= 0) return
        if (all_ranks(1) > 0.5_wp) write (error_unit, '(a, f0.2, a)') &
            'toy_ocean: warning: A dt (1/e1^2 + 1/e2^2) = ', all_ranks(1), &
            ' exceeds 1/2: reduce rn_Uv, rn_Lv (namdyn_ldf) or rn_Dt (namdom)'
        if (all_ranks(2) > 1.0_wp .and. .not. nam%dyn_adv%ln_dynadv_OFF) &
            write (error_unit, '(a, f0.2, a)') 'toy_ocean: warning: u^2 dt/(2 A) = ', all_ranks(2), &
            ' exceeds 1: raise rn_Uv, rn_Lv (namdyn_ldf) or reduce rn_Dt (namdom)'
    end subroutine stp_lim

end module stplim
