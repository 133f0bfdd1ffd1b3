!> Masks of the T, U, V, F and W points and the depths at rest (NEMO's dommsk).
module dommsk
    use dom_oce, only: domain
    use lbclnk, only: lbc_lnk
    use mpi, only: MPI_DOUBLE_PRECISION, MPI_MAX
    use par_oce, only: grav, hls, wp
    implicit none
    private
    public :: dom_msk, dom_shlat

contains

    !> Masks from mbkt, valid on the full halo; depths; the fastest barotropic crossing of a cell.
    subroutine dom_msk(dom, rn_shlat)
        type(domain), intent(inout) :: dom
        real(wp), intent(in) :: rn_shlat   !! 0 free slip, 2 no slip
        integer :: i, j, k
        call allocate_masks(dom)
        do k = 1, dom%nz
            do j = 1 - hls, dom%nj + hls
                do i = 1 - hls, dom%ni + hls
                    if (k <= dom%mbkt(i, j)) dom%tmask(i, j, k) = 1.0_wp
                end do
            end do
            do j = 1 - hls, dom%nj + hls - 1
                do i = 1 - hls, dom%ni + hls - 1
                    dom%umask(i, j, k) = dom%tmask(i, j, k)*dom%tmask(i + 1, j, k)
                    dom%vmask(i, j, k) = dom%tmask(i, j, k)*dom%tmask(i, j + 1, k)
                end do
            end do
        end do
        call lbc_lnk(dom%halo, dom%umask, dom%vmask)
        call dom_shlat(dom, rn_shlat)
        do k = 2, dom%nz
            dom%wmask(:, :, k) = dom%tmask(:, :, k)*dom%tmask(:, :, k - 1)
            dom%wumask(:, :, k) = dom%umask(:, :, k)*dom%umask(:, :, k - 1)
            dom%wvmask(:, :, k) = dom%vmask(:, :, k)*dom%vmask(:, :, k - 1)
        end do
        dom%ssmask = dom%tmask(:, :, 1)
        dom%ssumask = dom%umask(:, :, 1)
        dom%ssvmask = dom%vmask(:, :, 1)
        call depths(dom)
    end subroutine dom_msk

    !> F mask: 1 in the open sea, 0 on land, rn_shlat at the coast.
    subroutine dom_shlat(dom, rn_shlat)
        type(domain), intent(inout) :: dom
        real(wp), intent(in) :: rn_shlat
        integer :: i, j, k
        real(wp) :: wet
        do k = 1, dom%nz
            do j = 1 - hls, dom%nj + hls - 1
                do i = 1 - hls, dom%ni + hls - 1
                    wet = dom%tmask(i, j, k) + dom%tmask(i + 1, j, k) + dom%tmask(i, j + 1, k) &
                        + dom%tmask(i + 1, j + 1, k)
                    dom%fmask(i, j, k) = 0.0_wp
                    if (wet > 3.5_wp) then
                        dom%fmask(i, j, k) = 1.0_wp
                    else if (wet > 0.5_wp) then
                        dom%fmask(i, j, k) = rn_shlat
                    end if
                end do
            end do
        end do
        call lbc_lnk(dom%halo, dom%fmask)
        dom%rn_shlat = rn_shlat
    end subroutine dom_shlat

    subroutine depths(dom)
        type(domain), intent(inout) :: dom
        integer :: i, j, k, ierr
        real(wp) :: fastest
        do k = 1, dom%nz
            dom%ht_0 = dom%ht_0 + dom%e3t_0(k)*dom%tmask(:, :, k)
            dom%hu_0 = dom%hu_0 + dom%e3t_0(k)*dom%umask(:, :, k)
            dom%hv_0 = dom%hv_0 + dom%e3t_0(k)*dom%vmask(:, :, k)
        end do
        fastest = 0.0_wp
        do j = 1, dom%nj
            do i = 1, dom%ni
                fastest = max(fastest, sqrt(grav*dom%ht_0(i, j)) &
                    *sqrt(1.0_wp/dom%e1t(i, j)**2 + 1.0_wp/dom%e2t(i, j)**2))
            end do
        end do
        call MPI_Allreduce(fastest, dom%cbt_max, 1, MPI_DOUBLE_PRECISION, MPI_MAX, dom%comm, ierr)
    end subroutine depths

    subroutine allocate_masks(dom)
        type(domain), intent(inout) :: dom
        call mask(dom%tmask)
        call mask(dom%umask)
        call mask(dom%vmask)
        call mask(dom%fmask)
        call mask(dom%wmask)
        call mask(dom%wumask)
        call mask(dom%wvmask)
        allocate (dom%ht_0(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls), source=0.0_wp)
        allocate (dom%hu_0(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls), source=0.0_wp)
        allocate (dom%hv_0(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls), source=0.0_wp)
        allocate (dom%ssmask(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls))
        allocate (dom%ssumask(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls))
        allocate (dom%ssvmask(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls))

    contains

        subroutine mask(a)
            real(wp), allocatable, intent(out) :: a(:, :, :)
            allocate (a(1 - hls:dom%ni + hls, 1 - hls:dom%nj + hls, dom%nz), source=0.0_wp)
        end subroutine mask

    end subroutine allocate_masks

end module dommsk
