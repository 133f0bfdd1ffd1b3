"""The `dynamics` twin as a step map of toy_ocean's states, for trajectory adjoints: less physics, the same step.

Its derivative at a recorded state is that of linear primitive equations with upwind tracers (see `dynamics`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emulator.precision import require_float64
from emulator.simplified_toy_ocean import dynamics
from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.sbc import Climatology
from emulator.toy_ocean.state import State


def dynamics_step(
    grid: Grid,
    config: Config,
    params: Mapping[str, Mapping[str, Any]],
    forcing: Climatology | None = None,
    clock: str = "step",
) -> Callable[[Any, Any], dict[str, Any]]:
    """(state, {"group/entry": value}) -> state one step later; `params` are the values that a call does not give.

    A state has the fields of `State` and the number of steps done under the name `clock`.
    """
    require_float64()

    def step(state: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        merged = {group: dict(entries) for group, entries in params.items()}
        for name, value in values.items():
            group, _, entry = name.partition("/")
            merged[group][entry] = value
        number = state[clock] + 1
        ocean = State(**{name: state[name] for name in State._fields})
        after = dynamics.surrogate_step(ocean, merged, dynamics.Frozen(number), grid, config, forcing)
        return {**after._asdict(), clock: number}

    return step
