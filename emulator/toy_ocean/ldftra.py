"""Lateral eddy coefficients of tracers: twin of ldftra.f90."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid


class Diffusivity(NamedTuple):
    """Isoneutral diffusivity at U, V and W, [j, i] m2 s-1."""

    ahtu: Array
    ahtv: Array
    ahtw: Array


def ldf_tra(grid: Grid, config: Config, params: Mapping[str, Any]) -> Diffusivity:
    """Half rn_Ud rn_Ld, or half rn_Ud times the shorter side of the cell (nn_aht_ijk_t = 20)."""
    group = params["namtra_ldf"]
    kind, speed, length = config.nn_aht_ijk_t, group["rn_Ud"], group["rn_Ld"]
    return Diffusivity(
        _coefficient(kind, speed, length, grid.e1u, grid.e2u),
        _coefficient(kind, speed, length, grid.e1v, grid.e2v),
        _coefficient(kind, speed, length, grid.e1t, grid.e2t),
    )


def ldf_eiv_coef(grid: Grid, config: Config, params: Mapping[str, Any]) -> tuple[Array, Array]:
    """Coefficient of the eddy-induced transport at U and V, [j, i] m2 s-1."""
    group = params["namtra_eiv"]
    kind, speed, length = config.nn_aei_ijk_t, group["rn_Ue"], group["rn_Le"]
    return (
        _coefficient(kind, speed, length, grid.e1u, grid.e2u),
        _coefficient(kind, speed, length, grid.e1v, grid.e2v),
    )


def _coefficient(kind: int, speed: Array | float, length: Array | float, e1: Array, e2: Array) -> Array:
    if kind == 20:
        return 0.5 * speed * jnp.minimum(e1, e2)
    return 0.5 * speed * length * jnp.ones_like(e1)
