"""Twin calibrations: forward runs that minimisations with different gradients take to known parameters.

Each starts at the same point; what counts is the first accepted point at which every parameter is within `TOLERANCE` of
the truth, set-up runs of the estimator included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from optim.cost import Evaluation
from optim.forward import Forward
from optim.gradients import GradientEstimator
from optim.gradients.base import value_at
from optim.minimise import Iteration, minimise
from optim.minimisers import Minimiser

TOLERANCE = 0.01


@dataclass(frozen=True)
class Recovery:
    """`runs` to `TOLERANCE`, None if never; `error` is the largest relative error at the end, after `all_runs`.

    `gradients` counts the points at which a derivative was asked for.
    """

    runs: int | None
    all_runs: int
    gradients: int
    error: float
    ending: str


def recover(
    estimator: GradientEstimator,
    minimiser: Minimiser,
    start: np.ndarray,
    truth: np.ndarray,
    budget: int,
    key: int = 0,
) -> Recovery:
    """Minimise from `start` (scaled) and compare with `truth` (physical values) on the way."""
    controls = estimator.forward.controls
    reached: list[int] = []

    def error(x: np.ndarray) -> float:
        return float(np.max(np.abs(controls.to_values(x) / truth - 1.0)))

    def look(trial: Iteration) -> None:
        if trial.accepted and error(trial.x) <= TOLERANCE:
            reached.append(trial.runs)

    solution = minimise(estimator, minimiser, start, budget=budget, key=key, progress=look)
    gradients = sum(trial.accepted for trial in solution.history)
    ending = solution.ending.value
    return Recovery(min(reached, default=None), solution.runs, gradients, error(solution.x), ending)


@dataclass(frozen=True)
class Referee:
    """The exact gradient as an estimator: one forward run for the value, and an adjoint that no run counts."""

    forward: Forward
    gradient: Callable[[np.ndarray], np.ndarray]

    def init(self, key: int) -> None:
        """Nothing is random and nothing is remembered."""
        return None

    def runs_needed(self, x: np.ndarray, state: None) -> int:
        """One, none if x has been run."""
        return int(not self.forward.known(x))

    def evaluate(self, x: np.ndarray, state: None) -> tuple[Evaluation, None]:
        """Value and exact gradient at x; the cost must have no prior rows."""
        before = self.forward.runs
        plain = value_at(self.forward, x)
        runs = self.forward.runs - before
        return replace(plain, grad=self.gradient(x) if plain.ok else None, runs=runs), None
