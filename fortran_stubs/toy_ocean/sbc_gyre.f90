!> Analytic seasonal forcing of the GYRE configuration (Levy et al. 2010; NEMO's usrdef_sbc for GYRE).
module sbc_gyre
    use dom_oce, only: domain
    use oce, only: surface_forcing
    use par_oce, only: hls, rad, rpi, ryear_days, wp
    use usrdef_gyre, only: gyre_nx, gyre_ny, gyre_position
    implicit none
    private
    public :: gyre_sbc

    real(wp), parameter :: wind_day = 171.0_wp      !! 21 June, weakest wind, highest sun
    real(wp), parameter :: heat_day = 201.0_wp      !! 21 July, warmest air
    real(wp), parameter :: metre_per_year = 3.16e-5_wp  !! kg m-2 s-1

contains

    !> Forcing of the day `day` of the 360-day year. Fluxes are positive into the ocean, emp out of it.
    subroutine gyre_sbc(dom, day, rn_dqdt, t, sbc)
        type(domain), intent(in) :: dom
        real(wp), intent(in) :: day                        !! days since 1 January
        real(wp), intent(in) :: rn_dqdt                    !! W m-2 K-1
        real(wp), intent(in) :: t(1 - hls:, 1 - hls:)      !! temperature of the top level, degC
        type(surface_forcing), intent(inout) :: sbc
        real(wp) :: season_wind, season_heat, t_star, mean_emp, tau, south, north, here
        integer :: i, j
        season_wind = cos(2.0_wp*rpi*(day - wind_day)/ryear_days)
        season_heat = cos(2.0_wp*rpi*(day - heat_day)/ryear_days)
        mean_emp = gyre_mean_emp(season_wind)
        tau = 0.105_wp*sqrt(0.5_wp) - 0.015_wp*season_wind
        do j = 1 - hls, dom%nj + hls
            do i = 1 - hls, dom%ni + hls
                t_star = 28.3_wp*(1.0_wp + season_heat/50.0_wp)*cos(rpi*(dom%gphit(i, j) - 5.0_wp) &
                    /(107.0_wp*(1.0_wp + 11.0_wp/53.5_wp*season_heat)))
                sbc%qsr(i, j) = 230.0_wp*cos(rpi*(dom%gphit(i, j) - 23.5_wp*season_wind)/162.0_wp) &
                    *dom%ssmask(i, j)
                sbc%qns(i, j) = (rn_dqdt*(t(i, j) - t_star) - sbc%qsr(i, j))*dom%ssmask(i, j)
                sbc%emp(i, j) = (gyre_emp(dom%gphit(i, j), season_wind) - mean_emp)*dom%ssmask(i, j)
                sbc%utau(i, j) = -tau*stress_profile(dom%gphiu(i, j))*dom%ssumask(i, j)
                sbc%vtau(i, j) = tau*stress_profile(dom%gphiv(i, j))*dom%ssvmask(i, j)
                ! gphi grows along both axes: half a cell west and south have one latitude, and so have
                ! half a cell east and north.
                south = dom%gphit(i, j) - (dom%gphiu(i, j) - dom%gphit(i, j))
                north = dom%gphiu(i, j)
                here = 0.5_wp*tau*(stress_profile(south) + stress_profile(north))
                sbc%taum(i, j) = sqrt(here*here + here*here)*dom%ssmask(i, j)
            end do
        end do
        sbc%sfx = 0.0_wp
    end subroutine gyre_sbc

    !> Double gyre: trades south of 29 N, westerlies north of it, nil at 15 N.
    pure real(wp) function stress_profile(latitude)
        real(wp), intent(in) :: latitude
        stress_profile = sin(rpi*(latitude - 15.0_wp)/14.0_wp)
    end function stress_profile

    !> Evaporation minus precipitation [kg m-2 s-1] before its mean is removed.
    pure real(wp) function gyre_emp(latitude, season)
        real(wp), intent(in) :: latitude, season
        real(wp), parameter :: south = 0.7_wp, north = 0.8_wp, seasonal = 0.1_wp
        if (latitude >= 14.845_wp .and. latitude <= 37.2_wp) then
            gyre_emp = south*metre_per_year*sin(0.5_wp*rpi*(latitude - 37.2_wp)/(24.6_wp - 37.2_wp)) &
                *(1.0_wp - seasonal/south*season)
        else
            gyre_emp = -north*metre_per_year*sin(0.5_wp*rpi*(latitude - 37.2_wp)/(46.8_wp - 37.2_wp)) &
                *(1.0_wp - seasonal/north*season)
        end if
    end function gyre_emp

    !> Mean over the basin, whose cells have equal areas, computed in one order on every rank.
    real(wp) function gyre_mean_emp(season)
        real(wp), intent(in) :: season
        real(wp) :: longitude, latitude
        integer :: i, j
        gyre_mean_emp = 0.0_wp
        do j = 2, gyre_ny - 1
            do i = 2, gyre_nx - 1
                call gyre_position(real(i, wp) - 1.5_wp, real(j, wp) - 1.5_wp, longitude, latitude)
                gyre_mean_emp = gyre_mean_emp + gyre_emp(latitude, season)
            end do
        end do
        gyre_mean_emp = gyre_mean_emp/real((gyre_nx - 2)*(gyre_ny - 2), wp)
    end function gyre_mean_emp

end module sbc_gyre
