"""Bottom drag coefficient: twin of zdfdrg.f90."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from emulator.toy_ocean import guarded
from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.stencil import im1, jm1


def zdf_drg(grid: Grid, config: Config, params: Mapping[str, Any], u: Array, v: Array) -> Array:
    """rCdU = rn_Cd0 sqrt(u^2 + v^2 + rn_ke0) at T of the bottom level, or rn_Cd0 rn_Uc0 (ln_lin) [j, i] m s-1."""
    bottom = params["namdrg_bot"]
    if config.ln_lin:
        return bottom["rn_Cd0"] * bottom["rn_Uc0"] * grid.ssmask
    level = jnp.maximum(grid.mbkt - 1, 0)[None]
    twice_u = jnp.take_along_axis(im1(u) + u, level, axis=0)[0]
    twice_v = jnp.take_along_axis(jm1(v) + v, level, axis=0)[0]
    kinetic = 0.25 * (twice_u * twice_u + twice_v * twice_v) + bottom["rn_ke0"]
    return bottom["rn_Cd0"] * guarded.sqrt(kinetic) * grid.ssmask
