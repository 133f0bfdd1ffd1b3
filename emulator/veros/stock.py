"""VEROS as it comes, in a process of its own: what our step is compared with. Nothing is substituted but the solver.

    python -m emulator.veros.stock acc 10 state.npz [--backend numpy] [--setting r_bot=2e-5]

writes the state after that many `VerosSetup.step`s, under the names of `prognostic.FIELDS`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main(arguments: list[str] | None = None) -> int:
    """Run and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("setup", help="a name in emulator.veros.setups")
    parser.add_argument("steps", type=int)
    parser.add_argument("output", type=Path)
    parser.add_argument("--backend", choices=("jax", "numpy"), default="jax")
    parser.add_argument(
        "--own-solver", action="store_true", help="VEROS's iterative solver instead of the direct one"
    )
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args(arguments)
    overrides = {name: float(value) for name, value in (text.split("=") for text in options.setting)}
    found: dict[str, Any] = states(
        options.setup, options.steps, options.backend, overrides, options.own_solver
    )
    np.savez(options.output, **found)
    return 0


def states(
    setup: str, steps: int, backend: str, overrides: dict[str, float], own_solver: bool
) -> dict[str, Any]:
    """The state of stock VEROS after `steps` steps. RuntimeError if this process has substituted anything."""
    if "veros.core" in sys.modules:
        raise RuntimeError("expected a process that has not imported VEROS: it would not be stock any more")
    from emulator.veros.runtime import choose

    choose(backend=backend)
    from veros.core.external.solvers import get_linear_solver

    from emulator.veros.barotropic import DirectSolver
    from emulator.veros.setups import SETUPS

    simulation = SETUPS[setup](override=overrides)
    if not own_solver:
        get_linear_solver.cache[(simulation.state,)] = DirectSolver()
    simulation.setup()
    for _ in range(steps):
        simulation.step(simulation.state)
    return _state(simulation.state)


def _state(state: Any) -> dict[str, np.ndarray]:
    from emulator.veros.levels import LEVELS
    from emulator.veros.prognostic import fields_of

    variables, found = state.variables, {}
    index_of = {level: int(getattr(variables, name)) for name, level in LEVELS.items()}
    for field in fields_of(state):
        values = np.asarray(getattr(variables, field.variable))
        found[field.name] = values if field.level is None else values[..., index_of[field.level]]
    return found


if __name__ == "__main__":
    sys.exit(main())
