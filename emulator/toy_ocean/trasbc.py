"""Surface fluxes of heat, water and salt into the top cell: twin of trasbc.f90."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.par_oce import rcp, rho0
from emulator.toy_ocean.state import Surface

FREEZING = -1.9  # degC; cooling fades out over 0.2 degC above it


def tra_sbc(grid: Grid, sbc: Surface, t_surface: Array) -> tuple[Array, Array]:
    """Content trends of level 1 [j, i]: degC m s-1 and 1e-3 m s-1. Water leaves with the top cell's temperature."""
    unfrozen = jnp.maximum(0.0, jnp.minimum(1.0, (t_surface - FREEZING) / 0.2))
    qns = jnp.maximum(sbc.qns, 0.0) + jnp.minimum(sbc.qns, 0.0) * unfrozen
    heat = (qns / (rho0 * rcp) - sbc.emp / rho0 * t_surface) * grid.tmask[0]
    return heat, sbc.sfx / rho0 * grid.tmask[0]
