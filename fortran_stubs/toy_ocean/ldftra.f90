!> Lateral eddy coefficients of tracers (NEMO's ldftra): isoneutral diffusivity and eddy-induced transport.
module ldftra
    use dom_oce, only: domain
    use nam_toy, only: toy_namelist
    use par_oce, only: wp
    implicit none
    private
    public :: ldf_tra, ldf_eiv_coef

contains

    !> Diffusivity at U, V and W: half rn_Ud rn_Ld, or half rn_Ud times the shorter side of the cell.
    pure subroutine ldf_tra(dom, nam, ahtu, ahtv, ahtw)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        real(wp), intent(inout) :: ahtu(:, :), ahtv(:, :), ahtw(:, :) !! m2 s-1, full halo
        call coefficient(nam%tra_ldf%nn_aht_ijk_t, nam%tra_ldf%rn_ud, nam%tra_ldf%rn_ld, &
            dom%e1u, dom%e2u, ahtu)
        call coefficient(nam%tra_ldf%nn_aht_ijk_t, nam%tra_ldf%rn_ud, nam%tra_ldf%rn_ld, &
            dom%e1v, dom%e2v, ahtv)
        call coefficient(nam%tra_ldf%nn_aht_ijk_t, nam%tra_ldf%rn_ud, nam%tra_ldf%rn_ld, &
            dom%e1t, dom%e2t, ahtw)
    end subroutine ldf_tra

    !> Coefficient of the eddy-induced transport at U and V.
    pure subroutine ldf_eiv_coef(dom, nam, aeiu, aeiv)
        type(domain), intent(in) :: dom
        type(toy_namelist), intent(in) :: nam
        real(wp), intent(inout) :: aeiu(:, :), aeiv(:, :)             !! m2 s-1, full halo
        call coefficient(nam%tra_eiv%nn_aei_ijk_t, nam%tra_eiv%rn_ue, nam%tra_eiv%rn_le, &
            dom%e1u, dom%e2u, aeiu)
        call coefficient(nam%tra_eiv%nn_aei_ijk_t, nam%tra_eiv%rn_ue, nam%tra_eiv%rn_le, &
            dom%e1v, dom%e2v, aeiv)
    end subroutine ldf_eiv_coef

    pure subroutine coefficient(shape_number, speed, length, e1, e2, values)
        integer, intent(in) :: shape_number                !! 0: constant; 20: as the cell
        real(wp), intent(in) :: speed, length              !! m s-1, m
        real(wp), intent(in) :: e1(:, :), e2(:, :)         !! m
        real(wp), intent(inout) :: values(:, :)            !! m2 s-1
        if (shape_number == 20) then
            values = 0.5_wp*speed*min(e1, e2)
        else
            values = 0.5_wp*speed*length
        end if
    end subroutine coefficient

end module ldftra
