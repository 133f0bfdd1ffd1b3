"""One time step of the twin, n to n+1, in the order of step.f90, and runs of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from emulator.precision import require_float64
from emulator.toy_ocean.config import Config
from emulator.toy_ocean.domqco import dom_qco_r3
from emulator.toy_ocean.dynstp import Dynamics, dyn_stp
from emulator.toy_ocean.eosbn2 import bn2, eos_insitu, eos_rab
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.isolated import isolated
from emulator.toy_ocean.sbc import Climatology, sbc_step
from emulator.toy_ocean.state import State, Surface, Tendencies
from emulator.toy_ocean.trastp import tra_stp
from emulator.toy_ocean.zdfphy import Mixing, zdf_phy

_zdf_phy, _dyn_stp = isolated(zdf_phy), isolated(dyn_stp)


class Diagnosed(NamedTuple):
    """What a step computes on its way: surface forcing, rhd and N^2 of step n, mixing, dynamics."""

    surface: Surface
    rhd: Array
    rn2: Array
    mixing: Mixing
    dynamics: Dynamics


def step(
    state: State,
    kt: Array | int,
    params: Mapping[str, Any],
    forcing: Climatology | None,
    grid: Grid,
    config: Config,
    tendencies: Tendencies | None = None,
) -> State:
    """State after step kt (1, 2, ...) from the state before it."""
    return step_with_diagnostics(state, kt, params, forcing, grid, config, tendencies)[0]


def step_with_diagnostics(
    state: State,
    kt: Array | int,
    params: Mapping[str, Any],
    forcing: Climatology | None,
    grid: Grid,
    config: Config,
    tendencies: Tendencies | None = None,
) -> tuple[State, Diagnosed]:
    """As `step`, with the intermediate fields."""
    require_float64()
    surface = sbc_step(grid, config, params, state, kt, forcing)
    r3t, r3u, r3v = dom_qco_r3(grid, state.zos)
    rhd = eos_insitu(grid, params["nameos"], state.thetao, state.so)
    alpha, beta = eos_rab(grid, params["nameos"], state.thetao, state.so)
    rn2 = bn2(grid, state.thetao, state.so, alpha, beta, r3t)
    mixing = _zdf_phy(grid, config, params, state, surface, rn2, r3t, r3u, r3v)
    dynamics = _dyn_stp(grid, config, params, state, surface, tendencies, mixing, rhd, r3t, r3u, r3v)
    thetao, so = tra_stp(
        grid,
        config,
        params,
        state,
        surface,
        tendencies,
        mixing.avt,
        rn2,
        alpha,
        beta,
        r3t,
        r3u,
        r3v,
        dynamics,
    )
    new = State(thetao, so, dynamics.uo, dynamics.vo, dynamics.zos, mixing.en)
    return new, Diagnosed(surface, rhd, rn2, mixing, dynamics)


def run(
    state: State,
    kt: Array | int,
    steps: int,
    params: Mapping[str, Any],
    forcing: Climatology | None,
    grid: Grid,
    config: Config,
    tendencies: Tendencies | None = None,
) -> State:
    """State after `steps` steps when `kt` steps are done. Compiled once per number of steps and `config`."""
    # Python numbers would be compiled in, and each new kt or parameter compile anew.
    values = jax.tree.map(jnp.asarray, dict(params))
    return _run(state, jnp.asarray(kt), steps, values, forcing, grid, config, tendencies)


@eqx.filter_jit
def _run(
    state: State,
    kt: Array,
    steps: int,
    params: Mapping[str, Any],
    forcing: Climatology | None,
    grid: Grid,
    config: Config,
    tendencies: Tendencies | None,
) -> State:
    def body(carried: State, number: Array) -> tuple[State, None]:
        return step(carried, number, params, forcing, grid, config, tendencies), None

    return jax.lax.scan(body, state, kt + jnp.arange(1, steps + 1))[0]
