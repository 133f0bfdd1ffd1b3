"""Vertical physics of one step: twin of zdfphy.f90."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.state import State, Surface
from emulator.toy_ocean.zdfdrg import zdf_drg
from emulator.toy_ocean.zdfevd import zdf_evd
from emulator.toy_ocean.zdfsh2 import zdf_sh2
from emulator.toy_ocean.zdftke import tke_avm, tke_avt, tke_tke


class Mixing(NamedTuple):
    """What the vertical physics gives to the rest of the step."""

    en: Array  # [k, j, i] m2 s-2, step n+1
    avm: Array  # [k, j, i] m2 s-1
    avt: Array  # [k, j, i] m2 s-1
    sh2: Array  # [k, j, i] m2 s-3
    rcdu: Array  # [j, i] m s-1


def zdf_phy(
    grid: Grid,
    config: Config,
    params: Mapping[str, Any],
    state: State,
    sbc: Surface,
    rn2: Array,
    r3t: Array,
    r3u: Array,
    r3v: Array,
) -> Mixing:
    """Bottom drag, viscosity, diffusivity and TKE n -> n+1 from the state and N^2 of step n."""
    rcdu = zdf_drg(grid, config, params, state.uo, state.vo)
    if config.ln_zdftke:
        zav, avm, dissl = tke_avm(grid, config, params, state.en, rn2, sbc.taum, r3t)
        sh2 = zdf_sh2(grid, state.uo, state.vo, avm, r3u, r3v)
        avt = tke_avt(grid, config, params, zav, avm, sh2, rn2)
        en = tke_tke(grid, config, params, sbc.taum, r3t, rn2, avm, avt, sh2, dissl, state.en)
    else:
        zdf = params["namzdf"]
        avm = zdf["rn_avm0"] * grid.wmask
        avt = zdf["rn_avt0"] * zdf.get("avtb_2d", 1.0) * grid.wmask
        sh2, en = jnp.zeros_like(avm), state.en
    if config.ln_zdfevd:
        avt = zdf_evd(params, rn2, avt)
    return Mixing(en, avm, avt, sh2, rcdu)
