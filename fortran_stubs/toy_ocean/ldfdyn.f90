!> Lateral viscosity coefficients (namdyn_ldf).
module ldfdyn
    use par_oce, only: wp, hls
    use dom_oce, only: domain
    use nam_toy, only: namdyn_ldf_type
    implicit none
    private
    public :: ldf_dyn

contains

    !> Viscosity A = U L/2 at T and F, L = rn_Lv (nn_ahm_ijk_t = 0) or the smaller side of the
    !! cell (20).
    subroutine ldf_dyn(dom, p, ahmt, ahmf)
        type(domain), intent(in) :: dom
        type(namdyn_ldf_type), intent(in) :: p
        real(wp), intent(inout), contiguous :: ahmt(1 - hls:, 1 - hls:), ahmf(1 - hls:, 1 - hls:)
        !! m2 s-1

        if (p%nn_ahm_ijk_t == 20) then
            ahmt(:, :) = 0.5_wp*p%rn_Uv*min(dom%e1t, dom%e2t)
            ahmf(:, :) = 0.5_wp*p%rn_Uv*min(dom%e1f, dom%e2f)
        else
            ahmt(:, :) = 0.5_wp*p%rn_Uv*p%rn_Lv
            ahmf(:, :) = 0.5_wp*p%rn_Uv*p%rn_Lv
        end if
    end subroutine ldf_dyn
end module ldfdyn
