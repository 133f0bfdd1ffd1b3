"""Penetrating short wave radiation in two bands (Paulson and Simpson 1977): twin of traqsr.f90."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.par_oce import rcp, rho0
from emulator.toy_ocean.stencil import kp1


def tra_qsr(grid: Grid, config: Config, params: Mapping[str, Any], qsr: Array) -> Array:
    """Absorbed radiation as a heat content trend [k, j, i] degC m s-1; without ln_qsr all stays in the top cell."""
    remaining = jnp.zeros(grid.nz).at[0].set(1.0)
    if config.ln_qsr:
        group = params["namtra_qsr"]
        depth = grid.gdepw_0[: grid.nz]  # 0 at the surface, where both bands are whole
        remaining = group["rn_abs"] * jnp.exp(-depth / group["rn_si0"]) + (1.0 - group["rn_abs"]) * jnp.exp(
            -depth / group["rn_si1"]
        )
        remaining = remaining.at[0].set(1.0)
    irradiance = remaining[:, None, None] * grid.tmask
    return qsr / (rho0 * rcp) * (irradiance - kp1(irradiance))
