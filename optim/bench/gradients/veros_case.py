"""Cases `veros_acc` and `veros_world`: stock VEROS as a black box, its own exact adjoint as the referee.

What is observed is said in `veros_runs.py`. Every window has priors of its own, by which all parameters move the
observations alike (`balanced_priors.py`): c_k acts within a step and hardly over 50 days, c_eps not before the second.
The observed run lies outside, where the effects of the parameters add up: a component that vanishes has no sign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from optim.bench.gradients.balanced_priors import adding_sides, balanced_spreads, responses
from optim.bench.gradients.problem import Problem
from optim.bench.gradients.veros_linearisations import linearisations
from optim.bench.gradients.veros_runs import BOXES, FIELDS, VerosRuns
from optim.bench.gradients.veros_stepped import SteppedVeros
from optim.control import ControlVector

#: settings of VEROS; the prior means are the set-up's own values
PARAMETERS = ("r_bot", "A_h", "c_k", "c_eps", "eke_c_k", "iso_slopec")
#: prior spread, as a factor's logarithm, of the one that does least in a window; the others follow (`balanced_priors`)
WIDEST = 0.3
_DISTANCE = 2.5  # of the observed run from the prior mean, in each parameter
_REACH = 0.5  # test points lie that far from the prior mean in each parameter, at most
_STEP = 0.1  # of the differences that say what a parameter does, in units of WIDEST


@dataclass(frozen=True)
class VerosCase:
    """The case of a set-up of VEROS, with `points` test points; windows begin `spin_up` steps after its own start."""

    setup: str
    spin_up: int
    points: int = 5
    windows: tuple[int, ...] = (1, 5, 10, 20, 50, 100)

    @property
    def name(self) -> str:
        """veros_acc, veros_world."""
        return f"veros_{self.setup}"

    @property
    def recipe(self) -> str:
        """Everything that its figures depend on."""
        rule = (PARAMETERS, WIDEST, _STEP, _DISTANCE, _REACH, "balanced priors")
        settings = (self.setup, self.points, self.spin_up, rule, FIELDS, BOXES)
        return f"{self.name}{settings}"

    @contextmanager
    def opened(self, folder: Path) -> Iterator[Callable[[int], Problem]]:
        """The problem of a window."""
        runs = VerosRuns.spun_up(PARAMETERS, self.setup, self.spin_up)
        stepped = SteppedVeros.of(runs)
        offered = linearisations(stepped, self.setup)

        def problem(steps: int) -> Problem:
            controls, truth = balanced(runs, steps)
            points = np.random.default_rng(7).uniform(-_REACH, _REACH, (self.points, len(truth)))
            forward = runs.forward(controls, truth, points, steps)
            return stepped.problem(self.name, forward, points, offered)

        yield problem


def balanced(runs: VerosRuns, steps: int) -> tuple[ControlVector, np.ndarray]:
    """The parameters that act within the window, with priors by which they do alike; and the observed run [P]."""
    wide = runs.controls([(name, WIDEST) for name in PARAMETERS])
    blocks = responses(lambda x: runs.observe(wide, x, steps), len(PARAMETERS), _STEP)
    factors = balanced_spreads(blocks)
    acting = np.flatnonzero(factors)
    controls = runs.controls([(PARAMETERS[i], WIDEST * factors[i]) for i in acting])
    return controls, _DISTANCE * adding_sides([(block * factors)[:, acting] for block in blocks])
