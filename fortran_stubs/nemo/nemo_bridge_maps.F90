!> Two-dimensional multipliers of NEMO's coefficients, as Python sets them: 1 changes nothing.
!>
!> A map is given at T points; U and V points take the mean of their two neighbours.
module nemo_bridge_maps
    use, intrinsic :: iso_fortran_env, only: real64
    use bridge_client, only: bridge_handle, bridge_parameter, bridge_register
    use lbclnk, only: lbc_lnk
    use par_kind, only: wp
    use par_oce, only: jpi, jpj, jpkm1
    implicit none
    private

    public :: multiplier, register_map, complete_map, apply_map

    type :: multiplier
        real(real64), allocatable :: factor(:, :)  !! [jpi, jpj] at T points
        real(real64), allocatable :: u(:, :)       !! [jpi, jpj] at U points
        real(real64), allocatable :: v(:, :)       !! [jpi, jpj] at V points
        logical :: used = .false.                  !! differs, or differed, from 1 somewhere
    end type multiplier

contains

    subroutine register_map(bridge, name, map)
        type(bridge_handle), intent(inout) :: bridge
        character(*), intent(in) :: name
        type(multiplier), intent(inout), target :: map
        allocate (map%factor(jpi, jpj), map%u(jpi, jpj), map%v(jpi, jpj))
        map%factor = 1.0_real64
        map%u = 1.0_real64
        map%v = 1.0_real64
        call bridge_register(bridge, name, map%factor, bridge_parameter, point="T", units="1")
    end subroutine register_map

    !> After the server wrote some map: halos, and the values between.
    subroutine complete_map(map)
        type(multiplier), intent(inout) :: map
        integer :: i, j
        if (.not. allocated(map%factor)) return
        call fill_halo(map%factor, "T")
        ! not written as < or >, which a NaN passes as if it were 1
        map%used = map%used .or. .not. all(abs(map%factor - 1.0_real64) <= 0.0_real64)
        do j = 1, jpj
            do i = 1, jpi
                map%u(i, j) = 0.5_real64*(map%factor(i, j) + map%factor(min(i + 1, jpi), j))
                map%v(i, j) = 0.5_real64*(map%factor(i, j) + map%factor(i, min(j + 1, jpj)))
            end do
        end do
        call fill_halo(map%u, "U")
        call fill_halo(map%v, "V")
    end subroutine complete_map

    !> Beyond a closed boundary a map is 1.
    subroutine fill_halo(field, point)
        real(real64), intent(inout) :: field(:, :)
        character(1), intent(in) :: point
        call lbc_lnk("nemo_bridge", field, point, 1.0_real64, pfillval=1.0_real64)
    end subroutine fill_halo

    !> Multiply a coefficient at U or V points; `root` for the square root that NEMO keeps of a
    !> bilaplacian's coefficient. The last level lies in the ground: NEMO sets it to 0 once, never
    !> computes it again, and reads it, so that a NaN there would stay.
    subroutine apply_map(factor, coefficient, root)
        real(real64), intent(in) :: factor(:, :)
        real(wp), intent(inout) :: coefficient(:, :, :)
        logical, intent(in) :: root
        real(wp) :: multiplied_by(size(factor, 1), size(factor, 2))
        integer :: k
        multiplied_by = real(factor, wp)
        if (root) multiplied_by = sqrt(multiplied_by)
        do k = 1, jpkm1
            coefficient(:, :, k) = coefficient(:, :, k)*multiplied_by
        end do
    end subroutine apply_map
end module nemo_bridge_maps
