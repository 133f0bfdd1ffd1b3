"""The global ocean on the climatology file of examples/global, at whatever resolution the file has.

Physics of VEROS's global 4° set-up (EKE, TKE with advection, neutral and skew diffusion) with bottom friction, and
monthly wind, heat flux and surface temperature; the surface salinity of the file is its annual mean. A month is a
twelfth of a year of 360 days, as in VEROS. Its 15 levels are those of VEROS's global 4° set-up, whatever the levels of
the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from veros import VerosSetup, veros_routine
from veros.core.operators import at, update
from veros.core.operators import numpy as npx
from veros.tools import get_periodic_interval
from veros.variables import Variable

_DAY = 86400.0
_YEAR = 360 * _DAY
_HEAT_CAPACITY = 3991.86795711963  # J kg-1 K-1
#: W m-2 K-1 by which the heat flux restores the surface temperature (Barnier et al. 1995, global mean)
_RESTORING = 40.0
_SALT_RESTORING = 1 / (30 * _DAY)
_FREEZING = -1.8
#: s; tracer and momentum steps that are stable at 4°, shortened in proportion
_TRACER_STEP, _MOMENTUM_STEP = _DAY, 1800.0

#: m, from the surface down. VEROS finds cell centres by an alternating sum of thicknesses, which irregular levels
#: (those of the file, for one) throw out of their cells.
_THICKNESSES = np.array(
    [50, 70, 100, 140, 190, 240, 290, 340, 390, 440, 490, 540, 590, 640, 690], dtype=float
)
_LEAST_LEVELS = 2

_MONTHLY = {"taux": "utau", "tauy": "vtau", "qnet": "qnet", "sst_clim": "sst_clim"}


class World(VerosSetup):
    """Global ocean from `file`; rows of land at its southern and northern edge are left out."""

    def __init__(self, file: Path, override: dict[str, Any] | None = None) -> None:
        self._file = _Climatology(file)
        super().__init__(override=override)

    @veros_routine
    def set_parameter(self, state: Any) -> None:
        """Physics; the monthly fields as variables of our own."""
        settings, file = state.settings, self._file
        settings.identifier, settings.description = "world", f"global ocean at {file.resolution:g} degrees"
        settings.nx, settings.ny, settings.nz = file.shape
        settings.dt_tracer = _TRACER_STEP * file.resolution / 4
        settings.dt_mom = _MOMENTUM_STEP * file.resolution / 4
        settings.x_origin, settings.y_origin = file.south_western_corner
        settings.coord_degree = settings.enable_cyclic_x = True
        settings.eq_of_state_type = 3

        settings.enable_neutral_diffusion = settings.enable_skew_diffusion = True
        settings.K_iso_0 = settings.K_iso_steep = 1000.0
        settings.iso_dslope, settings.iso_slopec = 4e-3, 1e-3
        settings.enable_hor_friction = settings.enable_hor_friction_cos_scaling = True
        settings.hor_friction_cosPower = 1
        settings.A_h = (file.resolution * settings.degtom) ** 3 * 2e-11
        settings.enable_bottom_friction = True
        settings.r_bot = 1e-5
        settings.enable_implicit_vert_friction = True

        settings.enable_tke = settings.enable_tke_superbee_advection = True
        settings.tke_mxl_choice, settings.mxl_min = 2, 1e-8
        settings.c_k, settings.c_eps, settings.alpha_tke = 0.1, 0.7, 30.0
        settings.kappaM_min, settings.kappaH_min = 2e-4, 2e-5
        settings.enable_kappaH_profile = True
        settings.enable_eke = settings.enable_eke_superbee_advection = True
        settings.eke_c_k, settings.eke_c_eps, settings.eke_k_max = 0.4, 0.5, 1e4
        settings.eke_cross, settings.eke_crhin, settings.eke_lmin = 2.0, 1.0, 100.0

        state.dimensions["months"] = 12
        for name in _MONTHLY:
            state.var_meta[name] = Variable(name, ("xt", "yt", "months"), time_dependent=False)
        state.var_meta["sss_clim"] = Variable("sss_clim", ("xt", "yt"), time_dependent=False)

    @veros_routine
    def set_grid(self, state: Any) -> None:
        """Square cells in degrees."""
        variables, file = state.variables, self._file
        variables.dxt = update(variables.dxt, at[...], file.resolution)
        variables.dyt = update(variables.dyt, at[...], file.resolution)
        variables.dzt = update(variables.dzt, at[...], npx.array(_THICKNESSES[::-1]))

    @veros_routine
    def set_coriolis(self, state: Any) -> None:
        """2 Ω sin φ."""
        variables, settings = state.variables, state.settings
        coriolis = 2 * settings.omega * npx.sin(npx.deg2rad(variables.yt))
        variables.coriolis_t = update(variables.coriolis_t, at[...], coriolis[None, :])

    @veros_routine
    def set_topography(self, state: Any) -> None:
        """The lowest wet level, counted from the bottom of the grid; 0 on land."""
        depths = -np.asarray(state.variables.zt)
        wet_levels = (depths < self._file.horizontal("bathymetry")[..., None]).sum(axis=-1)
        lowest = 1 + state.settings.nz - np.maximum(wet_levels, _LEAST_LEVELS)
        lowest = np.where(self._file.horizontal("mbathy") > 0, lowest, 0).astype("int32")
        state.variables.kbot = update(state.variables.kbot, at[2:-2, 2:-2], lowest)

    @veros_routine
    def set_initial_conditions(self, state: Any) -> None:
        """Climatological temperature and salinity, and the monthly fields."""
        variables, file = state.variables, self._file
        depths = -np.asarray(variables.zt)
        for name, field in (("temp", "thetao_clim"), ("salt", "so_clim")):
            values = (file.at_depths(field, depths) * variables.maskT[2:-2, 2:-2])[..., None]
            setattr(variables, name, update(getattr(variables, name), at[2:-2, 2:-2], values))
        for name, field in _MONTHLY.items():
            values = file.monthly(field)
            setattr(variables, name, update(getattr(variables, name), at[2:-2, 2:-2], values))
        variables.sss_clim = update(variables.sss_clim, at[2:-2, 2:-2], file.horizontal("sss_clim"))

    @veros_routine
    def set_forcing(self, state: Any) -> None:
        """Wind, TKE flux, heat flux with restoring, salinity restoring; nothing cools water at its freezing point."""
        variables, settings = state.variables, state.settings
        now = {name: _at_time(variables, name) for name in _MONTHLY}
        variables.surface_taux, variables.surface_tauy = now["taux"], now["tauy"]
        variables.forc_tke_surface = update(
            variables.forc_tke_surface, at[1:-1, 1:-1], _tke_flux(now["taux"], now["tauy"], settings.rho_0)
        )
        wet, temperature = variables.maskT[:, :, -1], variables.temp[:, :, -1, variables.tau]
        heat = now["qnet"] + _RESTORING * (now["sst_clim"] - temperature)
        heat = heat * wet / (_HEAT_CAPACITY * settings.rho_0)
        missing = variables.sss_clim - variables.salt[:, :, -1, variables.tau]
        salt = _SALT_RESTORING * missing * wet * variables.dzt[-1]
        frozen = (temperature * wet < _FREEZING) & (heat < 0)
        variables.forc_temp_surface = npx.where(frozen, 0.0, heat)
        variables.forc_salt_surface = npx.where(frozen, 0.0, salt)

    @veros_routine
    def set_diagnostics(self, state: Any) -> None:
        """None."""

    @veros_routine
    def after_timestep(self, state: Any) -> None:
        """Nothing."""


class _Climatology:
    """The file, in VEROS's layout [x, y, z] with the lowest level first."""

    def __init__(self, file: Path) -> None:
        with netCDF4.Dataset(file) as data:
            data.set_auto_mask(False)
            self._values = {
                name: np.array(variable[:], dtype=float) for name, variable in data.variables.items()
            }
        wet_rows = np.flatnonzero((self._values["mbathy"] > 0).any(axis=1))
        self._rows = slice(wet_rows[0], wet_rows[-1] + 1)
        lon, lat = self._values["nav_lon"][0], self._values["nav_lat"][:, 0][self._rows]
        self.resolution = float(lon[1] - lon[0])
        self.shape = lon.size, lat.size, _THICKNESSES.size
        self.south_western_corner = lon[0] - self.resolution / 2, lat[0] - self.resolution / 2

    def horizontal(self, name: str) -> np.ndarray:
        """[x, y]"""
        return self._values[name][self._rows].T

    def monthly(self, name: str) -> np.ndarray:
        """[x, y, month]"""
        return self._values[name][:, self._rows].transpose(2, 1, 0)

    def at_depths(self, name: str, depths: np.ndarray) -> np.ndarray:
        """[x, y, z], linear between the wet levels of each column and constant beyond them; 0 on land."""
        columns = self._values[name][:, self._rows].transpose(2, 1, 0)
        own, wet = self._values["gdept_1d"], self.horizontal("mbathy").astype(int)
        found = np.zeros((*wet.shape, depths.size))
        for place in zip(*np.nonzero(wet), strict=True):
            count = wet[place]
            found[place] = np.interp(depths, own[:count], columns[place][:count])
        return found


def _at_time(variables: Any, name: str) -> Any:
    """A monthly field [x, y], linear in time between the middles of the months."""
    (first, weight), (second, other) = get_periodic_interval(variables.time, _YEAR, _YEAR / 12, 12)
    field = getattr(variables, name)
    return weight * field[:, :, first] + other * field[:, :, second]


def _tke_flux(taux: Any, tauy: Any, density: float) -> Any:
    """(|τ| / ρ)^{3/2} at the points within [1:-1, 1:-1]."""
    along_x = 0.5 * (taux[1:-1, 1:-1] + taux[:-2, 1:-1]) / density
    along_y = 0.5 * (tauy[1:-1, 1:-1] + tauy[1:-1, :-2]) / density
    return npx.sqrt(along_x**2 + along_y**2) ** 1.5
