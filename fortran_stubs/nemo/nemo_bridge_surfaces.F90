#include "nemo_bridge_version.h90"
!> Two-dimensional coefficients with a map of their own: drag of the sea floor, shape of the
!> background diffusivity, wind stress.
module nemo_bridge_surfaces
    use bridge_client, only: bridge_handle
    use dom_oce, only: ssmask
    use nemo_bridge_grid, only: first_i, first_j, last_i, last_j
    use nemo_bridge_maps, only: complete_map, multiplier, register_map
    use par_kind, only: wp
    use sbc_oce, only: ln_usr, nn_fsbc, taum, utau, vtau
#if NEMO_BRIDGE_VERSION >= 50
    use sbc_oce, only: utauU, vtauV
#endif
    use zdf_oce, only: avtb_2d
    use zdfdrg, only: l_zdfdrg, ln_non_lin, r_Cdmin_bot, rCd0_bot
    implicit none
    private

    public :: register_surface_maps, complete_surface_maps, refresh_surfaces, stress_of_this_step

    type(multiplier), target :: drag_map, background_map, stress_map
    logical :: new_maps = .false.

    !> As NEMO made them: the drag and the coefficient it was made from; the background's shape.
    real(wp), allocatable :: first_drag(:, :), first_shape(:, :)
    real(wp) :: first_Cd0 = 0.0_wp, Cd0 = 0.0_wp
    logical :: boosted = .false.  !! the drag is not the same everywhere

contains

    subroutine register_surface_maps(bridge)
        type(bridge_handle), intent(inout) :: bridge
        if (l_zdfdrg) then
            call register_map(bridge, "namdrg_bot/rCd0_bot", drag_map)
            allocate (first_drag, source=rCd0_bot)
            first_Cd0 = r_Cdmin_bot
            Cd0 = r_Cdmin_bot
            boosted = any(abs(rCd0_bot - r_Cdmin_bot*ssmask) > 0.0_wp)
        end if
        call register_map(bridge, "namzdf/avtb_2d", background_map)
        allocate (first_shape, source=avtb_2d)
        call register_map(bridge, "namsbc/utau", stress_map)
    end subroutine register_surface_maps

    subroutine complete_surface_maps()
        call complete_map(drag_map)
        call complete_map(background_map)
        call complete_map(stress_map)
        new_maps = .true.
    end subroutine complete_surface_maps

    !> Bring drag and background diffusivity up to date with the coefficient and the maps.
    subroutine refresh_surfaces()
        if (l_zdfdrg) call refresh_drag()
        if (new_maps .and. background_map%used) call refresh_background()
        new_maps = .false.
    end subroutine refresh_surfaces

    subroutine refresh_drag()
        logical :: same
        same = .not. abs(r_Cdmin_bot - Cd0) > 0.0_wp
        if (same .and. .not. (new_maps .and. drag_map%used)) return
        Cd0 = r_Cdmin_bot
        if (ln_non_lin .and. .not. boosted) then
            rCd0_bot = Cd0*ssmask
        else if (ln_non_lin) then
            rCd0_bot = first_drag*(Cd0/first_Cd0)
        else
            rCd0_bot = first_drag
        end if
        if (drag_map%used) rCd0_bot = rCd0_bot*real(drag_map%factor, wp)
    end subroutine refresh_drag

    !> NEMO 5.0 keeps the shape on the inner cells only.
    subroutine refresh_background()
        if (size(avtb_2d) == size(background_map%factor)) then
            avtb_2d(:, :) = first_shape*real(background_map%factor, wp)
        else
            avtb_2d(:, :) = first_shape &
                *real(background_map%factor(first_i:last_i, first_j:last_j), wp)
        end if
    end subroutine refresh_background

    !> Right after NEMO computed the fluxes of step `kt`, and only then: a flux that is held until
    !> the next call of the surface module must not be multiplied twice.
    subroutine stress_of_this_step(kt)
        integer, intent(in) :: kt
        if (.not. stress_map%used) return
        if (.not. (ln_usr .or. mod(kt - 1, nn_fsbc) == 0)) return
#if NEMO_BRIDGE_VERSION >= 50
        utau(:, :) = utau(:, :)*real(stress_map%factor, wp)
        vtau(:, :) = vtau(:, :)*real(stress_map%factor, wp)
        utauU(:, :) = utauU(:, :)*real(stress_map%u, wp)
        vtauV(:, :) = vtauV(:, :)*real(stress_map%v, wp)
        taum(:, :) = taum(:, :)*real(abs(stress_map%factor(first_i:last_i, first_j:last_j)), wp)
#else
        utau(:, :) = utau(:, :)*real(stress_map%u, wp)
        vtau(:, :) = vtau(:, :)*real(stress_map%v, wp)
        taum(:, :) = taum(:, :)*real(abs(stress_map%factor), wp)
#endif
    end subroutine stress_of_this_step
end module nemo_bridge_surfaces
