"""The vertical mixing that both surrogates share: the model's TKE closure with its production held.

TKE answers parameters through wind input, diffusion, penetration and dissipation; its production by shear
and its consumption by stratification are the record's. The full linear feedback between TKE, shear and
stratification grows without bound at a held state (it is what deepens a mixed layer, and nonlinearity ends
it): with it, sensitivities are useless within days.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
from jax import Array

from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.state import Surface
from emulator.toy_ocean.zdfevd import zdf_evd
from emulator.toy_ocean.zdfsh2 import zdf_sh2
from emulator.toy_ocean.zdftke import tke_avm, tke_avt, tke_tke


class ColumnMixing(NamedTuple):
    """Viscosity and diffusivity [m2 s-1] and the next TKE [m2 s-2], at W [k, j, i]; bottom drag [m s-1] at T."""

    avm: Array
    avt: Array
    en: Array
    rcdu: Array


def closure(
    grid: Grid,
    config: Config,
    params: Mapping[str, Any],
    en: Array,
    uo: Array,
    vo: Array,
    rn2: Array,
    surface: Surface,
    stretching: tuple[Array, Array, Array],
    rcdu: Array,
) -> ColumnMixing:
    """Mixing from TKE and parameters; velocities `uo`, `vo` and `rn2` count by their value only."""
    hold = jax.lax.stop_gradient
    r3t, r3u, r3v = stretching
    uo, vo, rn2 = hold((uo, vo, rn2))
    zav, avm, dissl = tke_avm(grid, config, params, en, rn2, surface.taum, r3t)
    sh2 = zdf_sh2(grid, uo, vo, avm, r3u, r3v)
    avt = tke_avt(grid, config, params, zav, avm, sh2, rn2)
    after = tke_tke(grid, config, params, surface.taum, r3t, rn2, avm, hold(avt), hold(sh2), dissl, en)
    if config.ln_zdfevd:
        avt = zdf_evd(params, rn2, avt)
    return ColumnMixing(avm, avt, after, rcdu)
