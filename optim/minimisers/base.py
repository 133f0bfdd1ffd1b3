"""What a minimiser sees (`Oracle`), what it offers (`Minimiser`), and why it ends (`Ending`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import numpy as np

from optim.cost import Evaluation
from optim.gradients.base import GradientEstimator, value_at


class Ending(str, Enum):
    """Why a minimisation ended."""

    CONVERGED = "converged"
    BUDGET_SPENT = "budget spent"
    STALLED = "stalled"  # no descent along the approximate derivative
    BLEW_UP = "blew up"  # the very first run failed
    CRASHED = "crashed"
    TIMED_OUT = "timed out"


class BudgetSpent(Exception):
    """Raised by the oracle instead of a run that would exceed the budget; the loop turns it into an `Ending`."""


class Oracle:
    """Evaluations within a budget of model runs. Holds the estimator's state between calls."""

    def __init__(self, estimator: GradientEstimator, budget: int, key: int = 0) -> None:
        self.estimator = estimator
        self.budget = budget
        self.first_run = estimator.forward.runs
        self._state: Any = estimator.init(key)

    @property
    def runs(self) -> int:
        """Model runs asked for so far in this minimisation."""
        return self.estimator.forward.runs - self.first_run

    def project(self, x: np.ndarray) -> np.ndarray:
        """x inside the bounds of the controls."""
        return self.estimator.forward.controls.project(x)

    def evaluate(self, x: np.ndarray) -> Evaluation:
        """Value, gradient and Jacobian products at x."""
        self._require(self.estimator.runs_needed(x, self._state))
        evaluation, self._state = self.estimator.evaluate(x, self._state)
        return evaluation

    def probe(self, x: np.ndarray) -> Evaluation:
        """Value and residual at x: one run."""
        self._require(int(not self.estimator.forward.known(x)))
        return value_at(self.estimator.forward, x)

    def _require(self, runs: int) -> None:
        if self.runs + runs > self.budget:
            raise BudgetSpent(f"{self.runs} of {self.budget} model runs used, {runs} more needed")


@dataclass(frozen=True)
class MinimiserState:
    """Where a minimiser stands: its best accepted evaluation, the last trial, and an ending once there is one."""

    x: np.ndarray
    evaluation: Evaluation | None = None
    trial: Evaluation | None = None
    accepted: bool = True
    predicted: float | None = None  # reduction of J that the last step promised
    ending: Ending | None = None
    message: str = ""
    memory: Any = field(default=None, repr=False)


class Minimiser(Protocol):
    """Frozen settings; the state goes in and comes out."""

    def init(self, x: np.ndarray) -> MinimiserState:
        """State before the first evaluation."""
        ...

    def step(self, oracle: Oracle, state: MinimiserState) -> MinimiserState:
        """One trial. The first step evaluates the start."""
        ...


def first_evaluation(oracle: Oracle, state: MinimiserState) -> MinimiserState:
    """Evaluate the start; a start that fails ends the minimisation."""
    evaluation = oracle.evaluate(oracle.project(state.x))
    ending = None if evaluation.ok else Ending(evaluation.outcome.kind.value)
    message = "" if evaluation.ok else f"the run at the start failed: {evaluation.outcome.message}"
    return MinimiserState(evaluation.x, evaluation, evaluation, True, None, ending, message, state.memory)


def solve_in_bounds(
    project: Callable[[np.ndarray], np.ndarray], x: np.ndarray, matrix: np.ndarray, gradient: np.ndarray
) -> np.ndarray:
    """Minimum of ½ dᵀ M d + gᵀ d with x + d inside the bounds, by pinning the components that leave them."""
    free = np.ones(x.size, dtype=bool)
    step = np.zeros(x.size)
    for _ in range(x.size):
        pinned = ~free
        right = -gradient[free] - matrix[np.ix_(free, pinned)] @ step[pinned]
        step[free] = np.linalg.solve(matrix[np.ix_(free, free)], right)
        allowed = project(x + step) - x
        outside = free & ~np.isclose(allowed, step, rtol=1e-12, atol=1e-14)
        if not outside.any():
            break
        step[outside] = allowed[outside]
        free &= ~outside
        if not free.any():
            break
    return project(x + step) - x
