#include "nemo_bridge_version.h90"
!> Parameters of the restratification by mixed-layer eddies (namtra_mle), and what NEMO derives.
module nemo_bridge_mixed_layer
    use dom_oce, only: ff_f, ff_t
    use lbclnk, only: lbc_lnk
    use nemo_bridge_grid, only: first_i, first_j, last_i, last_j
    use nemo_bridge_visitor, only: item, visitor
    use par_kind, only: wp
    use par_oce, only: jpi, jpj
    use phycst, only: grav, omega, rad
#if NEMO_BRIDGE_VERSION == 40
    use phycst, only: rho0 => rau0
#else
    use phycst, only: rho0
#endif
    use tramle, only: ln_mle, nn_mle, r1_ft, rb_c, rc_f, rfu, rfv, rn_ce, rn_lat, rn_lf, &
        rn_rho_c_mle, rn_time
    implicit none
    private

    public :: each_mixed_layer_parameter, derive_mixed_layer

    real(wp) :: time_in_fields = -1.0_wp  !! rn_time from which the fields were computed

contains

    subroutine each_mixed_layer_parameter(v)
        type(visitor), intent(inout) :: v
        if (.not. ln_mle) return
        if (time_in_fields < 0.0_wp) time_in_fields = rn_time
        call item(v, "namtra_mle/rn_ce", rn_ce, units="1")
        call item(v, "namtra_mle/rn_rho_c_mle", rn_rho_c_mle, units="kg m-3")
        call item(v, "namtra_mle/rn_time", rn_time, units="s")
        if (nn_mle == 0) call item(v, "namtra_mle/rn_lf", rn_lf, units="m")
        if (nn_mle == 1) call item(v, "namtra_mle/rn_lat", rn_lat, units="degree")
    end subroutine each_mixed_layer_parameter

    subroutine derive_mixed_layer()
        rb_c = grav*rn_rho_c_mle/rho0
        if (nn_mle == 1) rc_f = rn_ce/(5.0e3_wp*2.0_wp*omega*sin(rad*rn_lat))
        if (abs(rn_time - time_in_fields) > 0.0_wp) call derive_inverse_times()
    end subroutine derive_mixed_layer

    !> Coriolis parameter and the time of mixing, combined, at U, V and T points.
    subroutine derive_inverse_times()
        integer :: ji, jj
        real(wp) :: z1_t2, zfu, zfv
        z1_t2 = 1.0_wp/(rn_time*rn_time)
        r1_ft(:, :) = 1.0_wp/sqrt(ff_t(:, :)*ff_t(:, :) + z1_t2)
        time_in_fields = rn_time
        if (nn_mle /= 0) return
        do jj = max(2, first_j), min(jpj, last_j + 1)
            do ji = max(2, first_i), min(jpi, last_i + 1)
                zfu = (ff_f(ji, jj) + ff_f(ji, jj - 1))*0.5_wp
                zfv = (ff_f(ji, jj) + ff_f(ji - 1, jj))*0.5_wp
                rfu(ji, jj) = sqrt(zfu*zfu + z1_t2)
                rfv(ji, jj) = sqrt(zfv*zfv + z1_t2)
            end do
        end do
        call lbc_lnk("nemo_bridge", rfu, "U", 1.0_wp)
        call lbc_lnk("nemo_bridge", rfv, "V", 1.0_wp)
    end subroutine derive_inverse_times
end module nemo_bridge_mixed_layer
