"""A sector of the Atlantic and the Southern Ocean, 30° wide, 60°S to 64°N, with 40 levels and a sill in the channel.

The configuration of Munday et al. (2013, J. Phys. Oceanogr. 43, 507–532) at 2°, with the forcing and the closures of
the set-up of the same name in veros-extra-setups 1.6.2, which cannot be installed beside the VEROS we use.
"""

from __future__ import annotations

from typing import Any

from veros import veros_routine
from veros.core.operators import at, update
from veros.core.operators import numpy as npx
from veros.setups.acc.acc import ACCSetup
from veros.tools import get_vinokur_grid_steps

_DAY = 86400.0
_SILL = -2000.0  # m, where the channel meets itself again


class ACCSector(ACCSetup):
    """ACC with another domain and forcing, and constant isopycnal and skew diffusivities (no EKE closure)."""

    @veros_routine
    def set_parameter(self, state: Any) -> None:
        """The physics of ACC, except for what is named here."""
        super().set_parameter(state)
        settings = state.settings
        settings.identifier, settings.description = "acc_sector", "ACC sector"
        settings.nx, settings.ny, settings.nz = 15, 62, 40
        settings.dt_mom = settings.dt_tracer = 3600.0
        settings.y_origin = -60.0
        settings.A_h = 1e5
        settings.K_gm_0 = 1300.0
        settings.enable_eke = False
        settings.enable_eke_superbee_advection = False
        settings.enable_eke_isopycnal_diffusion = False
        settings.enable_Prandtl_tke = False

    @veros_routine
    def set_grid(self, state: Any) -> None:
        """30° × 124°, 4000 m, whatever the number of cells."""
        variables, settings = state.variables, state.settings
        variables.dxt = update(variables.dxt, at[...], 30.0 / settings.nx)
        variables.dyt = update(variables.dyt, at[...], 124.0 / settings.ny)
        variables.dzt = get_vinokur_grid_steps(settings.nz, 4000.0, 10.0, refine_towards="lower")

    @veros_routine
    def set_topography(self, state: Any) -> None:
        """Walls at both sides north of 40°S; south of it a channel with the sill."""
        variables = state.variables
        lon, lat = npx.meshgrid(variables.xt, variables.yt, indexing="ij")
        inside, channel = (lon > 1) & (lon < 27), lat < -40
        sill_top = npx.sum(variables.zt < _SILL)
        variables.kbot = npx.where(channel & ~inside, sill_top, (inside | channel).astype(int))

    @veros_routine
    def set_initial_conditions(self, state: Any) -> None:
        """Temperature linear in depth; wind, restoring temperature and its rate."""
        super().set_initial_conditions(state)
        variables, settings = state.variables, state.settings
        stress = wind_stress(variables.yt, variables.yu)
        variables.surface_taux = stress * variables.maskU[:, :, -1]
        variables.t_star = restoring_temperature(variables.yt, settings.y_origin)
        variables.t_rest = variables.dzt[-1] / (10 * _DAY) * variables.maskT[:, :, -1]
        centred = 0.5 * (variables.surface_taux[2:-2, 2:-2] + variables.surface_taux[1:-3, 2:-2])
        friction_velocity_cubed = npx.sqrt((centred / settings.rho_0) ** 2) ** 1.5
        variables.forc_tke_surface = update(
            variables.forc_tke_surface, at[2:-2, 2:-2], friction_velocity_cubed
        )


def wind_stress(lat: Any, edge: Any) -> Any:
    """Zonal stress in N m-2 at latitudes [ny] of cell centres `lat` and northern edges `edge`."""
    sin, cos, pi = npx.sin, npx.cos, npx.pi
    bands = [
        ((lat > -5) & (lat < 5), -0.015 * cos(pi * (edge - 10) / 10) - 0.025),
        (lat < -30, 0.15 * sin(pi * (edge - edge.min()) / (-30 - lat.min()))),
        (lat <= -15, -0.05 * sin(pi * (lat - 30) / 30)),
        (lat < 0, -0.05 * sin(pi * (edge - 30) / 30)),
        ((lat > 0) & (lat < 15), 0.05 * sin(pi * (edge - 30) / 30)),
        ((lat >= 15) & (lat < 30), 0.05 * sin(pi * (lat - 30) / 30)),
        (lat > 30, -0.05 * sin(pi * (edge - edge.max()) / (lat.max() - 30))),
    ]
    return npx.select([where for where, _ in bands], [value for _, value in bands], 0.0)


def restoring_temperature(lat: Any, southern_edge: float) -> Any:
    """Half a wave from 0 °C in the south over 25 °C at the equator to 5 °C in the north, at latitudes [ny]."""
    wave = npx.sin(npx.pi * (lat + 60) / abs(2 * southern_edge))
    return npx.select([lat < 0, lat > 0], [25 * wave, 5 + 20 * wave], 25.0)
