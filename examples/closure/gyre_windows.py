"""The problem that both networks learn: the gyre lacks the mixing of internal waves below the mixed layer.

The truth is the gyre with `rn_avt0` = 2e-4 m2 s-1, the model that runs with the network has 1.2e-5. Short windows start
from states of the truth; a network that makes up for the missing mixing keeps them close to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bridge import Recording, Snapshot
from bridge.session import Session
from emulator.closure import Closure
from emulator.forced_step import EulerForcing
from emulator.simplified_toy_ocean import ForcedTwin, SimplifiedTwin
from emulator.toy_ocean.forced import ForcedExactTwin
from emulator.toy_ocean.gradient import ExactTwin
from optim.experiment_toy_ocean import read_model
from optim.gradients.coupled_window import CoupledWindow, Fields, Lineariser, Pull

TRUTH = {"namzdf": {"rn_avt0": 2.0e-4}}
EVERY = 6  # steps of a coupling interval: half a day
STEPS = 12  # of a window: one day
RECORD = Recording(("thetao",), EVERY)


@dataclass(frozen=True)
class Columns:
    """What a network needs of the grid: thicknesses [k] and [k - 1] (m), masks, and T's mean and spread [k] (degC)."""

    e3t: np.ndarray
    e3w: np.ndarray
    wet: np.ndarray  # [k, j, i], at T
    wet_between: np.ndarray  # [k - 1, j, i], between two levels
    mean: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class Window:
    """One window of the truth: the coupled run from its start, and what should come of it."""

    coupled: CoupledWindow
    target: np.ndarray  # [records, k, j, i] degC
    weights: np.ndarray  # [k, j, i], over the records their sum is 1; divided by the loss without a network

    def run(self, closure: Closure) -> tuple[Fields, Pull]:
        """As `CoupledWindow.run`."""
        return self.coupled.run(closure)

    def loss(self, thetao: Any, target: Any, weights: Any) -> Any:
        """Mean square error of T by volume, 1 without a network; arrays of numpy, JAX or torch."""
        return (weights * (thetao - target) ** 2).sum()

    def loss_of(self, closure: Closure) -> float:
        """The loss of one more real run."""
        return float(self.loss(self.run(closure)[0]["thetao"], self.target, self.weights))


@dataclass(frozen=True)
class Problem:
    """Windows to learn from, one to test with, and the columns of the grid."""

    windows: list[Window]
    test: Window
    columns: Columns


def prepare(
    ocean: Session, folder: Path, derivatives: str, windows: int, spin_up: int, spacing: int
) -> Problem:
    """Spin up for `spin_up` steps, then windows along the truth, `spacing` steps apart; the last is for the test."""
    wet = ocean.describe().grid.tmask.astype(bool)
    grid = read_model(folder)[0]
    volumes = np.asarray(grid.e1e2t) * np.asarray(grid.e3t_0)[:, None, None] * wet
    lineariser = derivatives_of(derivatives, folder)
    ocean.advance(spin_up, Recording((), spin_up))
    made, states = [], []
    for _ in range(windows + 1):
        start = ocean.snapshot()
        states.append(ocean.get("thetao"))
        made.append(_window(ocean, start, lineariser, volumes))
        ocean.run(TRUTH, start, spacing, Recording((), spacing))
    columns = np.stack(states)[:, :, wet[0]]
    return Problem(made[:-1], made[-1], Columns(
        np.asarray(grid.e3t_0), np.asarray(grid.e3w_0)[1:], wet, wet[1:] & wet[:-1],
        columns.mean(axis=(0, 2)), columns.std(axis=(0, 2)) + 0.1,
    ))  # fmt: skip


def _window(ocean: Session, start: Snapshot, lineariser: Lineariser, volumes: np.ndarray) -> Window:
    target = ocean.run(TRUTH, start, STEPS, RECORD).fields["thetao"]
    without = ocean.run({}, start, STEPS, RECORD).fields["thetao"]
    scale = float((volumes * (without - target) ** 2).sum())
    coupled = CoupledWindow(
        ocean, start, STEPS, ("thetao",), ("thetao_tendency",), lineariser, ("thetao",), EVERY
    )
    return Window(coupled, target, volumes / scale)


def derivatives_of(name: str, folder: Path) -> Lineariser:
    """Whose derivatives stand in for the model's: a simplified twin's, (static) nobody's, or the exact twin's."""
    grid, config, params, climatology = read_model(folder)
    if name == "static":
        return EulerForcing({"thetao_tendency": "thetao"}, EVERY * config.rn_Dt)
    if name == "exact":
        return ForcedExactTwin(ExactTwin(grid, config, params, climatology, every=EVERY))
    # The model's own step: one implicit step of half a day damps what the mixed layer spreads within hours.
    return ForcedTwin(SimplifiedTwin(name, grid, config, params, EVERY, EVERY, climatology))


def missing_tendency(ocean: Session, window: Window) -> np.ndarray:
    """What the model lacks at the window's start, mean over an interval [k, j, i] degC s-1: two real runs."""
    start, record = window.coupled.start, Recording(("thetao",), EVERY)
    truth, flawed = (ocean.run(params, start, EVERY, record) for params in (TRUTH, {}))
    return (truth.fields["thetao"][0] - flawed.fields["thetao"][0]) / (EVERY * truth.time_step)


def learned_tendency(ocean: Session, window: Window, closure: Closure) -> np.ndarray:
    """What the network gives there [k, j, i] degC s-1."""
    ocean.restore(window.coupled.start)
    return closure.forcing({"thetao": ocean.get("thetao")})["thetao_tendency"]


def mixing_tendency(xp: Any, diffusivity: Any, thetao: Any, columns: Mapping[str, Any]) -> Any:
    """Tendency of T [k, j, i] (degC s-1) by a diffusivity [k - 1, j, i] (m2 s-1) between its levels.

    The fluxes are along the gradient, and none crosses surface or bottom: heat is conserved. `xp` is torch or
    jax.numpy.
    """
    flux = diffusivity * columns["wet_between"] * (thetao[:-1] - thetao[1:]) / columns["e3w"][:, None, None]
    edge = xp.zeros_like(flux[:1])
    downward = xp.concatenate([edge, flux, edge])
    return (downward[:-1] - downward[1:]) / columns["e3t"][:, None, None] * columns["wet"]
