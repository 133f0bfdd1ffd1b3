"""Lateral viscosity coefficients (namdyn_ldf)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid


def ldf_dyn(grid: Grid, config: Config, p: Mapping[str, Any]) -> tuple[Array, Array]:
    """Viscosity U L/2 at T and F [m2 s-1], L = rn_Lv or the smaller side of the cell; `p` is namdyn_ldf."""
    if config.nn_ahm_ijk_t == 20:
        at_t, at_f = jnp.minimum(grid.e1t, grid.e2t), jnp.minimum(grid.e1f, grid.e2f)
    else:
        at_t = at_f = p["rn_Lv"] * jnp.ones_like(grid.e1t)
    return 0.5 * p["rn_Uv"] * at_t, 0.5 * p["rn_Uv"] * at_f
