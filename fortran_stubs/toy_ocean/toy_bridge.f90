!> What the bridge may see and change: every tunable entry of the namelist, the prognostic state, the
!! forcing from outside, diagnostics and the mesh. The only module that knows the bridge.
module toy_bridge
    use bridge_client, only: bridge_diagnostic, bridge_forcing, bridge_grid, bridge_handle, &
        bridge_parameter, bridge_register, bridge_state, bridge_static
    use dom_oce, only: domain
    use nam_toy, only: toy_namelist
    use oce, only: forcing_from_python, ocean_state, surface_forcing, work
    use par_oce, only: hls, wp
    implicit none
    private
    public :: toy_register

contains

    !> Register everything. All arguments must outlive the bridge's handle.
    subroutine toy_register(bridge, dom, nam, state, sbc, forcing, w)
        type(bridge_handle), intent(inout) :: bridge
        type(domain), intent(in), target :: dom
        type(toy_namelist), intent(inout), target :: nam
        type(ocean_state), intent(inout), target :: state
        type(surface_forcing), intent(inout), target :: sbc
        type(forcing_from_python), intent(inout), target :: forcing
        type(work), intent(inout), target :: w
        call bridge_grid(bridge, [dom%nx, dom%ny, dom%nz], [dom%i0 + 1, dom%j0 + 1], &
            [dom%ni, dom%nj], hls, nam%dom%rn_Dt, periodic=[dom%periodic, .false.])
        call register_surface_parameters(bridge, nam)
        call register_mixing_parameters(bridge, nam)
        call bridge_register(bridge, 'namzdf/avtb_2d', w%avtb_2d, bridge_parameter, point='T', units='1')
        call register_state(bridge, state)
        call register_forcing(bridge, forcing)
        call register_diagnostics(bridge, sbc, w)
        call register_mesh(bridge, dom)
    end subroutine toy_register

    subroutine register_surface_parameters(bridge, nam)
        type(bridge_handle), intent(inout) :: bridge
        type(toy_namelist), intent(inout), target :: nam
        call scalar('namlbc/rn_shlat', nam%lbc%rn_shlat, '1')
        call scalar('nameos/rn_a0', nam%eos%rn_a0, 'kg m-3 K-1')
        call scalar('nameos/rn_b0', nam%eos%rn_b0, 'kg m-3')
        call scalar('nameos/rn_lambda1', nam%eos%rn_lambda1, 'K-1')
        call scalar('nameos/rn_lambda2', nam%eos%rn_lambda2, '1')
        call scalar('nameos/rn_mu1', nam%eos%rn_mu1, 'm-1')
        call scalar('nameos/rn_mu2', nam%eos%rn_mu2, 'm-1')
        call scalar('nameos/rn_nu', nam%eos%rn_nu, 'kg m-3 K-1')
        call scalar('namsbc_ssr/rn_dqdt', nam%sbc_ssr%rn_dqdt, 'W m-2 K-1')
        call scalar('namsbc_ssr/rn_deds', nam%sbc_ssr%rn_deds, 'kg m-2 day-1')
        call scalar('namtra_qsr/rn_abs', nam%tra_qsr%rn_abs, '1')
        call scalar('namtra_qsr/rn_si0', nam%tra_qsr%rn_si0, 'm')
        call scalar('namtra_qsr/rn_si1', nam%tra_qsr%rn_si1, 'm')

    contains

        subroutine scalar(name, value, units)
            character(len=*), intent(in) :: name, units
            real(wp), intent(in), target :: value
            call bridge_register(bridge, name, value, bridge_parameter, units=units)
        end subroutine scalar

    end subroutine register_surface_parameters

    subroutine register_mixing_parameters(bridge, nam)
        type(bridge_handle), intent(inout) :: bridge
        type(toy_namelist), intent(inout), target :: nam
        call scalar('namtra_ldf/rn_Ud', nam%tra_ldf%rn_Ud, 'm s-1')
        call scalar('namtra_ldf/rn_Ld', nam%tra_ldf%rn_Ld, 'm')
        call scalar('namtra_ldf/rn_slpmax', nam%tra_ldf%rn_slpmax, '1')
        call scalar('namtra_eiv/rn_Ue', nam%tra_eiv%rn_Ue, 'm s-1')
        call scalar('namtra_eiv/rn_Le', nam%tra_eiv%rn_Le, 'm')
        call scalar('namdyn_ldf/rn_Uv', nam%dyn_ldf%rn_Uv, 'm s-1')
        call scalar('namdyn_ldf/rn_Lv', nam%dyn_ldf%rn_Lv, 'm')
        call scalar('namdrg_bot/rn_Cd0', nam%drg_bot%rn_Cd0, '1')
        call scalar('namdrg_bot/rn_Uc0', nam%drg_bot%rn_Uc0, 'm s-1')
        call scalar('namdrg_bot/rn_ke0', nam%drg_bot%rn_ke0, 'm2 s-2')
        call scalar('namzdf/rn_avm0', nam%zdf%rn_avm0, 'm2 s-1')
        call scalar('namzdf/rn_avt0', nam%zdf%rn_avt0, 'm2 s-1')
        call scalar('namzdf/rn_evd', nam%zdf%rn_evd, 'm2 s-1')
        call scalar('namzdf_tke/rn_ediff', nam%zdf_tke%rn_ediff, '1')
        call scalar('namzdf_tke/rn_ediss', nam%zdf_tke%rn_ediss, '1')
        call scalar('namzdf_tke/rn_ebb', nam%zdf_tke%rn_ebb, '1')
        call scalar('namzdf_tke/rn_emin', nam%zdf_tke%rn_emin, 'm2 s-2')
        call scalar('namzdf_tke/rn_emin0', nam%zdf_tke%rn_emin0, 'm2 s-2')
        call scalar('namzdf_tke/rn_mxl0', nam%zdf_tke%rn_mxl0, 'm')
        call scalar('namzdf_tke/rn_efr', nam%zdf_tke%rn_efr, '1')

    contains

        subroutine scalar(name, value, units)
            character(len=*), intent(in) :: name, units
            real(wp), intent(in), target :: value
            call bridge_register(bridge, name, value, bridge_parameter, units=units)
        end subroutine scalar

    end subroutine register_mixing_parameters

    subroutine register_state(bridge, state)
        type(bridge_handle), intent(inout) :: bridge
        type(ocean_state), intent(inout), target :: state
        call bridge_register(bridge, 'thetao', state%t, bridge_state, point='T', units='degC')
        call bridge_register(bridge, 'so', state%s, bridge_state, point='T', units='1e-3')
        call bridge_register(bridge, 'uo', state%u, bridge_state, point='U', units='m s-1')
        call bridge_register(bridge, 'vo', state%v, bridge_state, point='V', units='m s-1')
        call bridge_register(bridge, 'zos', state%ssh, bridge_state, point='T', units='m')
        call bridge_register(bridge, 'en', state%en, bridge_state, point='W', units='m2 s-2')
    end subroutine register_state

    subroutine register_forcing(bridge, forcing)
        type(bridge_handle), intent(inout) :: bridge
        type(forcing_from_python), intent(inout), target :: forcing
        call bridge_register(bridge, 'thetao_tendency', forcing%thetao_tendency, bridge_forcing, &
            point='T', units='degC s-1')
        call bridge_register(bridge, 'so_tendency', forcing%so_tendency, bridge_forcing, &
            point='T', units='1e-3 s-1')
        call bridge_register(bridge, 'uo_tendency', forcing%uo_tendency, bridge_forcing, &
            point='U', units='m s-2')
        call bridge_register(bridge, 'vo_tendency', forcing%vo_tendency, bridge_forcing, &
            point='V', units='m s-2')
    end subroutine register_forcing

    subroutine register_diagnostics(bridge, sbc, w)
        type(bridge_handle), intent(inout) :: bridge
        type(surface_forcing), intent(inout), target :: sbc
        type(work), intent(inout), target :: w
        call bridge_register(bridge, 'tos', w%tos, bridge_diagnostic, point='T', units='degC')
        call bridge_register(bridge, 'sos', w%sos, bridge_diagnostic, point='T', units='1e-3')
        call bridge_register(bridge, 'avt', w%avt, bridge_diagnostic, point='W', units='m2 s-1')
        call bridge_register(bridge, 'avm', w%avm, bridge_diagnostic, point='W', units='m2 s-1')
        call bridge_register(bridge, 'bn2', w%rn2, bridge_diagnostic, point='W', units='s-2')
        call bridge_register(bridge, 'rhd', w%rhd, bridge_diagnostic, point='T', units='1')
        call bridge_register(bridge, 'wo', w%wo, bridge_diagnostic, point='W', units='m s-1')
        call bridge_register(bridge, 'utau', sbc%utau, bridge_diagnostic, point='U', units='N m-2')
        call bridge_register(bridge, 'vtau', sbc%vtau, bridge_diagnostic, point='V', units='N m-2')
        call bridge_register(bridge, 'taum', sbc%taum, bridge_diagnostic, point='T', units='N m-2')
        call bridge_register(bridge, 'qns', sbc%qns, bridge_diagnostic, point='T', units='W m-2')
        call bridge_register(bridge, 'qsr', sbc%qsr, bridge_diagnostic, point='T', units='W m-2')
        call bridge_register(bridge, 'emp', sbc%emp, bridge_diagnostic, point='T', units='kg m-2 s-1')
        call bridge_register(bridge, 'sfx', sbc%sfx, bridge_diagnostic, point='T', &
            units='1e-3 kg m-2 s-1')
    end subroutine register_diagnostics

    subroutine register_mesh(bridge, dom)
        type(bridge_handle), intent(inout) :: bridge
        type(domain), intent(in), target :: dom
        call bridge_register(bridge, 'tmask', dom%tmask, bridge_static, point='T', units='1')
        call bridge_register(bridge, 'umask', dom%umask, bridge_static, point='U', units='1')
        call bridge_register(bridge, 'vmask', dom%vmask, bridge_static, point='V', units='1')
        call bridge_register(bridge, 'wmask', dom%wmask, bridge_static, point='W', units='1')
        call bridge_register(bridge, 'glamt', dom%glamt, bridge_static, point='T', units='degrees_east')
        call bridge_register(bridge, 'gphit', dom%gphit, bridge_static, point='T', units='degrees_north')
        call bridge_register(bridge, 'glamu', dom%glamu, bridge_static, point='U', units='degrees_east')
        call bridge_register(bridge, 'gphiu', dom%gphiu, bridge_static, point='U', units='degrees_north')
        call bridge_register(bridge, 'glamv', dom%glamv, bridge_static, point='V', units='degrees_east')
        call bridge_register(bridge, 'gphiv', dom%gphiv, bridge_static, point='V', units='degrees_north')
        call bridge_register(bridge, 'e1t', dom%e1t, bridge_static, point='T', units='m')
        call bridge_register(bridge, 'e2t', dom%e2t, bridge_static, point='T', units='m')
        call bridge_register(bridge, 'e1u', dom%e1u, bridge_static, point='U', units='m')
        call bridge_register(bridge, 'e2u', dom%e2u, bridge_static, point='U', units='m')
        call bridge_register(bridge, 'e1v', dom%e1v, bridge_static, point='V', units='m')
        call bridge_register(bridge, 'e2v', dom%e2v, bridge_static, point='V', units='m')
        call bridge_register(bridge, 'e3t_0', dom%e3t_0, bridge_static, point='T', units='m')
        call bridge_register(bridge, 'gdept_0', dom%gdept_0, bridge_static, point='T', units='m')
        call bridge_register(bridge, 'gdepw_0', dom%gdepw_0(1:dom%nz), bridge_static, point='W', units='m')
    end subroutine register_mesh

end module toy_bridge
