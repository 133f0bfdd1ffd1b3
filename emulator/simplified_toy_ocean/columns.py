"""Water columns in a frozen flow: the surrogate for tracer observations over months.

Prognostic tangents: T, S and TKE. Velocities (those that carry tracers and those that make TKE), isoneutral
slopes, N² and expansion coefficients are those of the record. Upwind advection; everything vertical is
implicit, so that one step can be a day long.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from emulator.simplified_toy_ocean.closure import closure
from emulator.toy_ocean.config import Config
from emulator.toy_ocean.eosbn2 import bn2, eos_rab
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.ldfeiv import ldf_eiv
from emulator.toy_ocean.ldfslp import Slopes, ldf_slp
from emulator.toy_ocean.ldftra import ldf_tra
from emulator.toy_ocean.sbc import Climatology, sbc_step
from emulator.toy_ocean.state import State, Surface, Tendencies
from emulator.toy_ocean.stencil import im1, ip1, jm1, jp1, kp1
from emulator.toy_ocean.traldf import is_isoneutral, tra_ldf, tra_ldf_akz
from emulator.toy_ocean.traqsr import tra_qsr
from emulator.toy_ocean.trasbc import tra_sbc
from emulator.toy_ocean.tridiagonal import tridiagonal

#: parameters with a sensitivity here, by group; the others shape only what is frozen
GROUPS = ("namzdf", "namzdf_tke", "namtra_ldf", "namtra_eiv", "namtra_qsr", "namsbc_ssr")


#: what a real run has to record, and what can be observed
RECORDED = ("thetao", "so", "uo", "vo", "en")
READABLE = ("thetao", "so", "en")


class ColumnState(NamedTuple):
    """T, S and TKE, [k, j, i]."""

    thetao: Array
    so: Array
    en: Array


Prognostic = ColumnState


class Frozen(NamedTuple):
    """Recorded velocities at U and V [k, j, i], and the model step that stands for the interval."""

    uo: Array
    vo: Array
    kt: Array


def from_record(fields: Mapping[str, Any], steps: Any, every: int) -> tuple[ColumnState, Frozen]:
    """States and frozen fields with leading axis [m]; each record stands for the interval that it closes."""
    thetao, so, uo, vo, en = (jnp.asarray(fields[name]) for name in RECORDED)
    return ColumnState(thetao, so, en), Frozen(uo, vo, jnp.asarray(steps) - every // 2)


def surrogate_step(
    state: ColumnState,
    params: Mapping[str, Any],
    frozen: Frozen,
    grid: Grid,
    config: Config,
    forcing: Climatology | None,
    tendencies: Tendencies | None = None,
) -> ColumnState:
    """One step of config.rn_Dt. Only its derivative at recorded states is meant to be used."""
    hold = jax.lax.stop_gradient
    flat = jnp.zeros_like(grid.ssmask)  # no stretching of the levels
    t, s = state.thetao, state.so
    ocean = State(t, s, frozen.uo, frozen.vo, flat, state.en)
    surface = sbc_step(grid, config, params, ocean, frozen.kt, forcing)
    alpha, beta = hold(eos_rab(grid, params["nameos"], t, s))
    rn2 = hold(bn2(grid, t, s, alpha, beta, flat))

    mixing = closure(
        grid, config, params, state.en, frozen.uo, frozen.vo, rn2, surface, (flat, flat, flat), flat
    )
    slopes = hold(ldf_slp(grid, params, t, s, alpha, beta, rn2))
    thetao, so = tracers(grid, config, params, t, s, surface, mixing.avt, slopes, frozen, tendencies)
    return ColumnState(thetao, so, mixing.en)


def tracers(
    grid: Grid,
    config: Config,
    params: Mapping[str, Any],
    t: Array,
    s: Array,
    surface: Surface,
    avt: Array,
    slopes: Slopes,
    frozen: Frozen,
    tendencies: Tendencies | None = None,
) -> tuple[Array, Array]:
    """T and S after config.rn_Dt: upwind (horizontal explicit, vertical implicit), lateral and vertical mixing."""
    dt, flat = config.rn_Dt, jnp.zeros_like(grid.ssmask)
    e3t = grid.e3t_0[:, None, None]
    uu = grid.e2u * e3t * frozen.uo * grid.umask
    vv = grid.e1v * e3t * frozen.vo * grid.vmask
    if config.ln_ldfeiv:
        eddy_u, eddy_v = ldf_eiv(grid, config, params, slopes)
        uu, vv = uu + eddy_u, vv + eddy_v
    divergence = (uu - im1(uu) + vv - jm1(vv)) * grid.tmask
    ww = -jnp.cumsum(divergence[::-1], axis=0)[::-1] * grid.wmask  # the free surface's own motion is left out
    mixing = ldf_tra(grid, config, params)
    lateral = slopes if is_isoneutral(config) else None

    def explicit(q: Array) -> Array:
        x = uu * jnp.where(uu >= 0.0, q, ip1(q))
        y = vv * jnp.where(vv >= 0.0, q, jp1(q))
        horizontal = (im1(x) - x + jm1(y) - y) / grid.e1e2t
        return horizontal + tra_ldf(grid, config, q, flat, flat, flat, mixing, lateral)

    heat, salt = tra_sbc(grid, surface, t[0])
    trend_t = (explicit(t) + tra_qsr(grid, config, params, surface.qsr)).at[0].add(heat)
    trend_s = explicit(s).at[0].add(salt)
    diffusivity = avt + tra_ldf_akz(mixing, slopes) if is_isoneutral(config) else avt
    if tendencies is not None:
        trend_t += e3t * tendencies.thetao_tendency
        trend_s += e3t * tendencies.so_tendency
    contents = jnp.stack([e3t * t + dt * trend_t, e3t * s + dt * trend_s], axis=1)
    solution = _implicit(grid, dt, diffusivity, ww, contents)
    return solution[:, 0], solution[:, 1]


def _implicit(grid: Grid, dt: float, diffusivity: Array, ww: Array, contents: Array) -> Array:
    """Vertical diffusion and upwind vertical advection, [k, tracer, j, i]; ww upward at W, m3 s-1."""
    exchange = dt * diffusivity / grid.e3w_0[:, None, None] * grid.wmask
    rising, sinking = jnp.maximum(ww, 0.0) * dt / grid.e1e2t, jnp.minimum(ww, 0.0) * dt / grid.e1e2t
    # the flux through W(k) is rising·q(k) + sinking·q(k-1); cell k loses it at W(k) and gains it at W(k+1)
    up = -exchange + sinking
    down = -kp1(exchange) - kp1(rising)
    diagonal = grid.e3t_0[:, None, None] + exchange + kp1(exchange) + rising - kp1(sinking)
    solution = tridiagonal(up[:, None], diagonal[:, None], down[:, None], contents)
    return solution * grid.tmask[:, None]
