"""Case `veros_acc`: stock VEROS's channel and basin as a black box, its own exact adjoint as the referee.

The observed run has other parameters than all test points; what is observed is said in `veros_channel.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from optim.bench.gradients.problem import Problem
from optim.bench.gradients.veros_channel import BOXES, FIELDS, SPIN_UP, Channel

#: (setting, prior spread as a factor's logarithm); the prior mean is the set-up's own value
PRIORS = (
    ("r_bot", 0.25),
    ("A_h", 0.5),
    ("c_k", 0.05),
    ("c_eps", 0.27),
    ("eke_c_k", 0.22),
)
#: where the observed run lies: its effects add up rather than cancel, a component that vanishes has no sign to find
_TRUTH = np.array([-2.5, -2.5, 2.5, -2.5, -2.5])
_REACH = 0.5  # test points lie that far from the prior mean in each parameter, at most


@dataclass(frozen=True)
class VerosAcc:
    """The case with `points` test points."""

    points: int = 5
    windows: tuple[int, ...] = (1, 5, 10, 20, 50, 100)
    name: str = field(default="veros_acc", init=False)

    @property
    def recipe(self) -> str:
        """Everything that its figures depend on."""
        settings = ("acc", self.points, SPIN_UP, PRIORS, _TRUTH.tolist(), _REACH, FIELDS, BOXES)
        return f"{self.name}{settings}"

    @contextmanager
    def opened(self, folder: Path) -> Iterator[Callable[[int], Problem]]:
        """The problem of a window."""
        channel = Channel.spun_up([name for name, _ in PRIORS])
        controls = channel.controls(PRIORS)
        points = np.random.default_rng(7).uniform(-_REACH, _REACH, (self.points, len(PRIORS)))

        def problem(steps: int) -> Problem:
            forward = channel.forward(controls, _TRUTH, points, steps)
            return Problem(
                self.name, steps, controls.names, points, lambda x: channel.exact(forward, x), forward
            )

        yield problem
