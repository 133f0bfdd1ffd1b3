"""Hydrostatic pressure gradient of the density anomaly on z* levels.

The gradient of the ssh itself belongs to the barotropic sub-steps.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from emulator.toy_ocean.columns import sum_down
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.par_oce import grav
from emulator.toy_ocean.stencil import ip1, jp1


def dyn_hpg(grid: Grid, rhd: Array, r3t: Array, ssh: Array) -> tuple[Array, Array]:
    """Trends -grav [d(P) - mean(rhd) d(depth)]/e1u [m s-2]; P is the integral of rhd from the surface."""
    above = jnp.concatenate([rhd[:1], rhd[:-1]], axis=0)
    layer = 0.5 * (rhd + above) * grid.e3w_0[:, None, None] * (1.0 + r3t)
    pressure = sum_down(layer)
    depth = grid.gdept_0[:, None, None] * (1.0 + r3t) - ssh
    hpg_u = -(ip1(pressure) - pressure) + 0.5 * (ip1(rhd) + rhd) * (ip1(depth) - depth)
    hpg_v = -(jp1(pressure) - pressure) + 0.5 * (jp1(rhd) + rhd) * (jp1(depth) - depth)
    return grid.umask * grav / grid.e1u * hpg_u, grid.vmask * grav / grid.e2v * hpg_v
