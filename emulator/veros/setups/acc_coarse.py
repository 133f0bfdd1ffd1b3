"""The ACC set-up with few cells, for tests and for looking at things: 6°, 10 × 14 × 8, all physics of ACC."""

from __future__ import annotations

from typing import Any

from veros import veros_routine
from veros.core.operators import at, update
from veros.core.operators import numpy as npx
from veros.setups.acc.acc import ACCSetup


class ACCCoarse(ACCSetup):
    """ACC on a third of its points in x and y and half of its levels; its depth is 568 m."""

    @veros_routine
    def set_parameter(self, state: Any) -> None:
        """ACC's, with the viscosity that the grid asks for."""
        super().set_parameter(state)
        settings = state.settings
        settings.identifier, settings.description = "acc_coarse", "ACC with few cells"
        settings.nx, settings.ny, settings.nz = 10, 14, 8
        settings.A_h = (6 * settings.degtom) ** 3 * 2e-11

    @veros_routine
    def set_grid(self, state: Any) -> None:
        """6° × 6°, levels of 20 m at the surface to 136 m."""
        variables = state.variables
        levels = [20.0, 28.0, 40.0, 56.0, 76.0, 96.0, 116.0, 136.0]
        variables.dzt = update(variables.dzt, at[...], npx.array(levels[::-1]))
        variables.dxt = update(variables.dxt, at[...], 6.0)
        variables.dyt = update(variables.dyt, at[...], 6.0)

    @veros_routine
    def set_topography(self, state: Any) -> None:
        """A wall of one cell north of 20°S, as in ACC."""
        variables = state.variables
        wall = (variables.xt[:, None] < 6.0) & (variables.yt[None, :] >= -20.0)
        variables.kbot = (~wall).astype(int)
