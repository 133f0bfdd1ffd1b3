"""Temperature and salinity n -> n+1: twin of trastp.f90."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.ldfslp import Slopes, ldf_slp
from emulator.toy_ocean.ldftra import ldf_tra
from emulator.toy_ocean.state import State, Surface, Tendencies
from emulator.toy_ocean.traadv import tra_adv
from emulator.toy_ocean.traldf import is_isoneutral, tra_ldf, tra_ldf_akz
from emulator.toy_ocean.traqsr import tra_qsr
from emulator.toy_ocean.trasbc import tra_sbc
from emulator.toy_ocean.tratransport import Transport, tra_transport
from emulator.toy_ocean.trazdf import tra_zdf


def tra_stp(
    grid: Grid,
    config: Config,
    params: Mapping[str, Any],
    state: State,
    sbc: Surface,
    tendencies: Tendencies | None,
    avt: Array,
    rn2: Array,
    alpha: Array,
    beta: Array,
    r3t: Array,
    r3u: Array,
    r3v: Array,
    transport: Transport,
) -> tuple[Array, Array]:
    """Advection, lateral diffusion, surface fluxes and radiation, then implicit vertical diffusion -> (T, S)."""
    slopes: Slopes | None = None
    if is_isoneutral(config) or config.ln_ldfeiv:
        slopes = ldf_slp(grid, params, state.thetao, state.so, alpha, beta, rn2)
    flow = tra_transport(grid, config, params, transport, slopes, r3t, r3u, r3v)
    mixing = ldf_tra(grid, config, params)

    def explicit(q: Array) -> Array:
        lateral = tra_ldf(grid, config, q, r3t, r3u, r3v, mixing, slopes)
        return tra_adv(grid, config, q, r3t, flow) + lateral

    heat, salt = tra_sbc(grid, sbc, state.thetao[0])
    trend_t = (explicit(state.thetao) + tra_qsr(grid, config, params, sbc.qsr)).at[0].add(heat)
    trend_s = explicit(state.so).at[0].add(salt)
    content_t = _content(grid, config, r3t, state.thetao, trend_t, tendencies and tendencies.thetao_tendency)
    content_s = _content(grid, config, r3t, state.so, trend_s, tendencies and tendencies.so_tendency)
    diffusivity = avt
    if is_isoneutral(config) and slopes is not None:
        diffusivity = avt + tra_ldf_akz(mixing, slopes)
    contents = jnp.stack([content_t, content_s], axis=1)
    tracers = tra_zdf(grid, config, transport.r3t_new, diffusivity, contents)
    return tracers[:, 0], tracers[:, 1]


def _content(grid: Grid, config: Config, r3t: Array, q: Array, trend: Array, tendency: Array | None) -> Array:
    """e3t(n) q + dt (trend + e3t(n) tendency from outside), [k, j, i], [q] m."""
    if tendency is not None:
        q = q + config.rn_Dt * tendency * grid.tmask
    return grid.e3t_0[:, None, None] * (1.0 + r3t) * q + config.rn_Dt * trend
