"""Eddy-induced transport (Gent and McWilliams 1990): twin of ldfeiv.f90."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jax import Array

from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.ldfslp import Slopes
from emulator.toy_ocean.ldftra import ldf_eiv_coef
from emulator.toy_ocean.stencil import ip1, jp1, kp1


def ldf_eiv(grid: Grid, config: Config, params: Mapping[str, Any], slopes: Slopes) -> tuple[Array, Array]:
    """Transports through U and V [k, j, i] m3 s-1 that flatten neutral surfaces and move no net volume."""
    aeiu, aeiv = ldf_eiv_coef(grid, config, params)
    psi_u = grid.e2u * aeiu * 0.5 * (slopes.wslpi + ip1(slopes.wslpi)) * grid.wumask
    psi_v = grid.e1v * aeiv * 0.5 * (slopes.wslpj + jp1(slopes.wslpj)) * grid.wvmask
    return kp1(psi_u) - psi_u, kp1(psi_v) - psi_v
