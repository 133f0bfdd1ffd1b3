"""Linear primitive equations without momentum advection: the surrogate for flow and tracers over weeks.

The model's own step with less in it: no advection of momentum (and so no eddies of its own), first-order
upwind tracers, frozen isoneutral slopes, TKE production and stratification of the mixing (see `closure`).
It is linearised about recorded states held from one record to the next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from emulator.simplified_toy_ocean.closure import closure
from emulator.toy_ocean.config import Config
from emulator.toy_ocean.domqco import dom_qco_r3
from emulator.toy_ocean.dynstp import Dynamics, dyn_stp
from emulator.toy_ocean.eosbn2 import bn2, eos_insitu, eos_rab
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.ldfslp import Slopes, ldf_slp
from emulator.toy_ocean.ldftra import ldf_tra
from emulator.toy_ocean.sbc import Climatology, sbc_step
from emulator.toy_ocean.state import State, Surface, Tendencies
from emulator.toy_ocean.traadv import tra_adv
from emulator.toy_ocean.traldf import is_isoneutral, tra_ldf, tra_ldf_akz
from emulator.toy_ocean.traqsr import tra_qsr
from emulator.toy_ocean.trasbc import tra_sbc
from emulator.toy_ocean.tratransport import tra_transport
from emulator.toy_ocean.trazdf import tra_zdf
from emulator.toy_ocean.zdfdrg import zdf_drg

GROUPS = (
    "namzdf", "namzdf_tke", "namtra_ldf", "namtra_eiv", "namtra_qsr", "namsbc_ssr", "namdyn_ldf", "namdrg_bot",
)  # fmt: skip
#: what a real run has to record, and what can be observed
RECORDED = ("thetao", "so", "uo", "vo", "zos", "en")
READABLE = RECORDED
Prognostic = State


class Frozen(NamedTuple):
    """The model step that stands for the interval."""

    kt: Array


def from_record(fields: Mapping[str, Any], steps: Any, every: int) -> tuple[State, Frozen]:
    """States with leading axis [m]; each record stands for the interval that it closes."""
    return State(*(jnp.asarray(fields[name]) for name in RECORDED)), Frozen(jnp.asarray(steps) - every // 2)


def surrogate_step(
    state: State,
    params: Mapping[str, Any],
    frozen: Frozen,
    grid: Grid,
    config: Config,
    forcing: Climatology | None,
    tendencies: Tendencies | None = None,
) -> State:
    """One step of config.rn_Dt. Only its derivative at recorded states is meant to be used."""
    hold = jax.lax.stop_gradient
    reduced = dataclasses.replace(config, ln_dynadv_OFF=True, ln_traadv_mus=False, ln_traadv_ups=True)
    surface = sbc_step(grid, config, params, state, frozen.kt, forcing)
    r3t, r3u, r3v = dom_qco_r3(grid, state.zos)
    alpha, beta = hold(eos_rab(grid, params["nameos"], state.thetao, state.so))
    rhd = eos_insitu(grid, params["nameos"], state.thetao, state.so)
    rn2 = bn2(grid, state.thetao, state.so, alpha, beta, r3t)
    rcdu = zdf_drg(grid, config, params, state.uo, state.vo)
    mixing = closure(grid, reduced, params, state.en, state.uo, state.vo, rn2, surface, (r3t, r3u, r3v), rcdu)
    timed = {**params, "namdom": {**params["namdom"], "rn_Dt": jnp.asarray(config.rn_Dt)}}
    flow = dyn_stp(grid, reduced, timed, state, surface, tendencies, mixing, rhd, r3t, r3u, r3v)
    slopes = hold(ldf_slp(grid, params, state.thetao, state.so, alpha, beta, rn2))
    stretching = (r3t, r3u, r3v)
    thetao, so = _tracers(
        grid, reduced, params, state, surface, mixing.avt, slopes, stretching, flow, tendencies
    )
    return State(thetao, so, flow.uo, flow.vo, flow.zos, mixing.en)


def _tracers(
    grid: Grid,
    config: Config,
    params: Mapping[str, Any],
    state: State,
    surface: Surface,
    avt: Array,
    slopes: Slopes,
    stretching: tuple[Array, Array, Array],
    flow: Dynamics,
    tendencies: Tendencies | None,
) -> tuple[Array, Array]:
    """`tra_stp` with slopes that are given rather than computed."""
    r3t, r3u, r3v = stretching
    transport = tra_transport(grid, config, params, flow, slopes, r3t, r3u, r3v)
    mixing = ldf_tra(grid, config, params)

    def explicit(q: Array) -> Array:
        return tra_adv(grid, config, q, r3t, transport) + tra_ldf(
            grid, config, q, r3t, r3u, r3v, mixing, slopes
        )

    heat, salt = tra_sbc(grid, surface, state.thetao[0])
    trend_t = (explicit(state.thetao) + tra_qsr(grid, config, params, surface.qsr)).at[0].add(heat)
    trend_s = explicit(state.so).at[0].add(salt)
    thickness = grid.e3t_0[:, None, None] * (1.0 + r3t)
    if tendencies is not None:
        trend_t += thickness * tendencies.thetao_tendency
        trend_s += thickness * tendencies.so_tendency
    contents = [thickness * q + config.rn_Dt * d for q, d in ((state.thetao, trend_t), (state.so, trend_s))]
    diffusivity = avt + tra_ldf_akz(mixing, slopes) if is_isoneutral(config) else avt
    solution = tra_zdf(grid, config, flow.r3t_new, diffusivity, jnp.stack(contents, axis=1))
    return solution[:, 0], solution[:, 1]
