!> The domain of one rank: its tile of the global grid, metrics, masks, depths (NEMO's dom_oce).
!! Local arrays run over (1-hls:ni+hls, 1-hls:nj+hls [, nz]); the global index of local i is i0 + i.
!! Everything is valid on the full halo; beyond a closed boundary masks are 0 and metrics those of the edge.
module dom_oce
    use lbclnk, only: halo_type
    use par_oce, only: wp
    implicit none
    private
    public :: domain, trend_file

    !> The file of intermediate fields that `trd_put` writes (namtrd).
    type :: trend_file
        integer :: ncid = -1       !! open on rank 0 only
        integer :: record = 0      !! steps written so far, the current one included
    end type trend_file

    type :: domain
        integer :: nx = 0, ny = 0, nz = 0         !! global size
        integer :: ni = 0, nj = 0                 !! inner size of this tile
        integer :: i0 = 0, j0 = 0                 !! global index of the point before the first inner one
        logical :: periodic = .false.             !! east-west
        integer :: comm = 0, rank = 0, nranks = 1
        integer :: jpni = 1, jpnj = 1             !! tiles in i and j
        type(halo_type) :: halo
        real(wp), allocatable, dimension(:, :) :: glamt, glamu, glamv, glamf        !! degrees east
        real(wp), allocatable, dimension(:, :) :: gphit, gphiu, gphiv, gphif        !! degrees north
        real(wp), allocatable, dimension(:, :) :: e1t, e2t, e1u, e2u, e1v, e2v, e1f, e2f  !! [m]
        real(wp), allocatable, dimension(:, :) :: e1e2t, e1e2u, e1e2v, e1e2f              !! [m2]
        real(wp), allocatable, dimension(:, :) :: ff_f                    !! Coriolis parameter at F [s-1]
        real(wp), allocatable, dimension(:, :) :: ht_0, hu_0, hv_0        !! depths at rest, 0 on land [m]
        real(wp), allocatable, dimension(:, :) :: ssmask, ssumask, ssvmask
        integer, allocatable, dimension(:, :) :: mbkt                     !! wet levels, 0 on land
        real(wp), allocatable, dimension(:, :, :) :: tmask, umask, vmask, fmask
        real(wp), allocatable, dimension(:, :, :) :: wmask, wumask, wvmask
        real(wp), allocatable, dimension(:) :: e3t_0, e3w_0, gdept_0      !! [nz] m
        real(wp), allocatable, dimension(:) :: gdepw_0                    !! [nz + 1] m
        real(wp) :: cbt_max = 0.0_wp
        !! fastest barotropic crossing of a cell of the whole grid:
        !! max of sqrt(grav ht_0) sqrt(1/e1t^2 + 1/e2t^2), s-1
        real(wp) :: rn_shlat = 0.0_wp             !! what fmask was made with
        type(trend_file), pointer :: trends => null()   !! null: no trends are written
    end type domain

end module dom_oce
