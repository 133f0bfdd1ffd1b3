#include "nemo_bridge_version.h90"
!> Coefficients of lateral mixing, which NEMO computes once from a velocity and a length (or reads
!> from a file): after a change they are computed again by NEMO's own routines, so that they are
!> those of a run with that namelist; then the maps are applied. Coefficients that NEMO computes at
!> each step take their constant from here, and their map right after each computation.
module nemo_bridge_eddies
    use bridge_client, only: bridge_handle
    use dom_oce, only: fmask, tmask, umask, vmask
    use ldfc1d_c2d, only: ldf_c1d, ldf_c2d
    use ldfdyn, only: ahmf, ahmt, l_ldfdyn_time, ln_dynldf_blp, ln_dynldf_OFF, nn_ahm_ijk_t, &
        rn_Lv, rn_Uv
    use ldftra, only: aei0, aeiu, aeiv, aht0, ahtu, ahtv, l_ldfeiv_time, l_ldftra_time, &
        ln_ldfeiv, ln_traldf_blp, ln_traldf_OFF, nn_aei_ijk_t, nn_aht_ijk_t, rn_Ld, rn_Le, rn_Ud, &
        rn_Ue
    use nemo_bridge_maps, only: apply_map, complete_map, multiplier, register_map
    use par_kind, only: wp
    use par_oce, only: jpkm1
    implicit none
    private

    public :: register_eddy_maps, complete_eddy_maps, refresh_eddies, eddies_of_this_step

    !> What the fields were computed from, and their values where a file gave them.
    type :: coefficient
        real(wp) :: velocity = 0.0_wp, length = 0.0_wp
        real(wp), allocatable :: first_u(:, :, :), first_v(:, :, :)
    end type coefficient

    type(coefficient) :: diffusion, transport, viscosity
    type(multiplier), target :: diffusion_map, transport_map
    logical :: new_maps = .false.

contains

    subroutine register_eddy_maps(bridge)
        type(bridge_handle), intent(inout) :: bridge
        if (.not. ln_traldf_OFF) call register_map(bridge, "namtra_ldf/ahtu", diffusion_map)
        if (ln_ldfeiv .and. nn_aei_ijk_t /= 32) then
            call register_map(bridge, "namtra_eiv/aeiu", transport_map)
        end if
        call remember(diffusion, rn_Ud, rn_Ld)
        call remember(transport, rn_Ue, rn_Le)
        call remember(viscosity, rn_Uv, rn_Lv)
    end subroutine register_eddy_maps

    subroutine complete_eddy_maps()
        call complete_map(diffusion_map)
        call complete_map(transport_map)
        new_maps = .true.
    end subroutine complete_eddy_maps

    !> Bring the coefficients up to date with velocities, lengths and maps.
    subroutine refresh_eddies()
        if (.not. ln_traldf_OFF) then
            aht0 = constant(rn_Ud, rn_Ld, ln_traldf_blp)
            if (.not. l_ldftra_time .and. is_stale(diffusion, rn_Ud, rn_Ld, diffusion_map)) then
                call rebuild("TRA", nn_aht_ijk_t, diffusion, ln_traldf_blp, umask, vmask, &
                    ahtu, ahtv)
                call apply(diffusion_map, ln_traldf_blp, ahtu, ahtv)
            end if
        end if
        if (ln_ldfeiv) then
            aei0 = constant(rn_Ue, rn_Le, .false.)
            if (.not. l_ldfeiv_time .and. is_stale(transport, rn_Ue, rn_Le, transport_map)) then
                call rebuild("TRA", nn_aei_ijk_t, transport, .false., umask, vmask, aeiu, aeiv)
                call apply(transport_map, .false., aeiu, aeiv)
            end if
        end if
        if (.not. (ln_dynldf_OFF .or. l_ldfdyn_time)) then
            if (is_stale(viscosity, rn_Uv, rn_Lv)) then
                call rebuild("DYN", nn_ahm_ijk_t, viscosity, ln_dynldf_blp, tmask, fmask, &
                    ahmt, ahmf)
            end if
        end if
        new_maps = .false.
    end subroutine refresh_eddies

    !> Right after NEMO computed the coefficients that change with time: their maps.
    subroutine eddies_of_this_step()
        if (l_ldftra_time .and. diffusion_map%used) then
            call apply(diffusion_map, ln_traldf_blp, ahtu, ahtv)
        end if
        if (l_ldfeiv_time .and. transport_map%used) call apply(transport_map, .false., aeiu, aeiv)
    end subroutine eddies_of_this_step

    subroutine apply(map, root, c_u, c_v)
        type(multiplier), intent(in) :: map
        logical, intent(in) :: root
        real(wp), intent(inout) :: c_u(:, :, :), c_v(:, :, :)
        if (.not. map%used) return
        call apply_map(map%u, c_u, root)
        call apply_map(map%v, c_v, root)
    end subroutine apply

    subroutine remember(c, velocity, length)
        type(coefficient), intent(inout) :: c
        real(wp), intent(in) :: velocity, length
        c%velocity = velocity
        c%length = length
    end subroutine remember

    !> Has something changed since the field was computed? Notes the new values.
    function is_stale(c, velocity, length, map) result(stale)
        type(coefficient), intent(inout) :: c
        real(wp), intent(in) :: velocity, length
        type(multiplier), intent(in), optional :: map
        logical :: stale
        stale = abs(velocity - c%velocity) > 0.0_wp .or. abs(length - c%length) > 0.0_wp
        if (present(map)) stale = stale .or. (new_maps .and. map%used)
        if (stale) call remember(c, velocity, length)
    end function is_stale

    !> Coefficient of a velocity and a length, as NEMO defines it [m2/s, m4/s].
    pure function constant(velocity, length, bilaplacian) result(value)
        real(wp), intent(in) :: velocity, length
        logical, intent(in) :: bilaplacian
        real(wp) :: value
        value = velocity_factor(velocity, bilaplacian)*length**exponent_of(bilaplacian)
    end function constant

    pure function velocity_factor(velocity, bilaplacian) result(factor)
        real(wp), intent(in) :: velocity
        logical, intent(in) :: bilaplacian
        real(wp) :: factor
        real(wp), parameter :: half = 0.5_wp, twelfth = 1.0_wp/12.0_wp
        factor = half*velocity
        if (bilaplacian) factor = twelfth*velocity
    end function velocity_factor

    pure function exponent_of(bilaplacian) result(n)
        logical, intent(in) :: bilaplacian
        integer :: n
        n = merge(3, 1, bilaplacian)
    end function exponent_of

    !> Fields of coefficients, as NEMO's initialisation makes them for the choice `pick`.
    subroutine rebuild(kind_of_ldf, pick, c, bilaplacian, mask_u, mask_v, c_u, c_v)
        character(3), intent(in) :: kind_of_ldf
        integer, intent(in) :: pick
        type(coefficient), intent(inout) :: c
        logical, intent(in) :: bilaplacian
        real(wp), intent(in) :: mask_u(:, :, :), mask_v(:, :, :)
        real(wp), intent(inout) :: c_u(:, :, :), c_v(:, :, :)
        integer :: jk

        if (pick < 0) then
            call return_to_first(c, c_u, c_v)
            return
        end if
        select case (pick)
        case (0)
            c_u(:, :, 1:jpkm1) = constant(c%velocity, c%length, bilaplacian)
            c_v(:, :, 1:jpkm1) = constant(c%velocity, c%length, bilaplacian)
        case (10)
            c_u(:, :, 1) = constant(c%velocity, c%length, bilaplacian)
            c_v(:, :, 1) = constant(c%velocity, c%length, bilaplacian)
        case (20, 30)
            call ldf_c2d(kind_of_ldf, velocity_factor(c%velocity, bilaplacian), &
                exponent_of(bilaplacian), c_u, c_v)
        case default
            continue
        end select
        if (pick == 10 .or. pick == 30) then
            call ldf_c1d(kind_of_ldf, c_u(:, :, 1), c_v(:, :, 1), c_u, c_v)
        end if
        do jk = 1, jpkm1
            if (bilaplacian) then
                c_u(:, :, jk) = sqrt(c_u(:, :, jk))*mask_u(:, :, jk)
                c_v(:, :, jk) = sqrt(c_v(:, :, jk))*mask_v(:, :, jk)
            else
                c_u(:, :, jk) = c_u(:, :, jk)*mask_u(:, :, jk)
                c_v(:, :, jk) = c_v(:, :, jk)*mask_v(:, :, jk)
            end if
        end do
    end subroutine rebuild

    !> Fields that came from a file: as they were before a map was applied for the first time.
    subroutine return_to_first(c, c_u, c_v)
        type(coefficient), intent(inout) :: c
        real(wp), intent(inout) :: c_u(:, :, :), c_v(:, :, :)
        if (.not. allocated(c%first_u)) then
            allocate (c%first_u, source=c_u)
            allocate (c%first_v, source=c_v)
        end if
        c_u = c%first_u
        c_v = c%first_v
    end subroutine return_to_first
end module nemo_bridge_eddies
