#include "nemo_bridge_version.h90"
!> What NEMO computes on the way and a cost function may ask for: readable only.
module nemo_bridge_diagnostics
    use, intrinsic :: iso_fortran_env, only: real64
    use bridge_client, only: bridge_diagnostic, bridge_handle
    use nemo_bridge_grid, only: first_i, first_j, last_i, last_j
    use nemo_bridge_visitor, only: item, read_item, read_only, register_items, visitor
    use par_oce, only: jp_sal, jp_tem
#if NEMO_BRIDGE_VERSION == 40
    use oce, only: rn2, tsn, wn
#else
    use nemo_bridge_prognostic, only: valid
    use oce, only: rn2, ts, ww
#endif
    use zdf_oce, only: avm, avt
    use zdfmxl, only: hmlp
    implicit none
    private

    public :: register_diagnostics

contains

    subroutine register_diagnostics(bridge)
        type(bridge_handle), intent(inout), target :: bridge
        call register_items(each_diagnostic, bridge, bridge_diagnostic, get_diagnostic, read_only)
    end subroutine register_diagnostics

    subroutine each_diagnostic(v)
        type(visitor), intent(inout) :: v
#if NEMO_BRIDGE_VERSION == 40
        call item(v, "tos", tsn(:, :, 1, jp_tem), "T", "degC")
        call item(v, "sos", tsn(:, :, 1, jp_sal), "T", "1e-3")
        call item(v, "wo", wn, "W", "m s-1")
#else
        call item(v, "tos", ts(:, :, 1, jp_tem, valid()), "T", "degC")
        call item(v, "sos", ts(:, :, 1, jp_sal, valid()), "T", "1e-3")
        call item(v, "wo", ww, "W", "m s-1")
#endif
        call item(v, "avt", avt, "W", "m2 s-1")
        call item(v, "avm", avm, "W", "m2 s-1")
        call item(v, "bn2", rn2, "W", "s-2")
        call item(v, "mldr10_1", hmlp(first_i:last_i, first_j:last_j), "T", "m")
    end subroutine each_diagnostic

    subroutine get_diagnostic(name, level, values)
        character(*), intent(in) :: name
        integer, intent(in) :: level
        real(real64), intent(out) :: values(:)
        call read_item(each_diagnostic, name, level, values)
    end subroutine get_diagnostic
end module nemo_bridge_diagnostics
