"""Estimators over `optim.forward.Forward`, as the benchmark runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bridge.errors import ModelBlewUp
from optim.bench.gradients.problem import Estimate, Problem
from optim.forward import Forward
from optim.gradients import GradientEstimator

Make = Callable[[Problem, Forward], GradientEstimator]


@dataclass(frozen=True)
class RunEstimator:
    """`make(problem, forward)` gives the estimator; `settings` are what it depends on, for the recipe."""

    name: str
    make: Make
    settings: str = ""
    random: bool = False
    needs_surrogate: str = ""

    @property
    def recipe(self) -> str:
        return f"{self.name}({self.settings})"

    def serves(self, problem: Problem) -> bool:
        """Runs of the model, and the surrogate that it is made of."""
        there = not self.needs_surrogate or self.needs_surrogate in (problem.surrogates or {})
        return problem.forward is not None and there

    def prepare(self, problem: Problem, seed: int) -> PreparedRuns:
        """The estimator with its first state; the set-up is made with the first gradient."""
        assert problem.forward is not None
        forward = replace(problem.forward, runs=0, live_runs=0, _seen={}, _latest=None)
        estimator = self.make(problem, forward)
        return PreparedRuns(estimator, estimator.init(seed))


@dataclass
class PreparedRuns:
    """An estimator and its state. What the first gradient costs beyond the second one is its set-up."""

    estimator: GradientEstimator
    state: Any
    _runs: list[int] = field(default_factory=list)

    @property
    def setup_steps(self) -> float:
        if not self._runs:
            return 0.0
        return float((self._runs[0] - min(self._runs)) * self.estimator.forward.window.steps)

    @property
    def setup_points(self) -> np.ndarray:
        """What the estimator's state calls its `design`."""
        design = getattr(self.state, "design", None)
        size = len(self.estimator.forward.controls)
        return np.zeros((0, size)) if design is None else np.asarray(design)

    def at(self, x: np.ndarray) -> Estimate:
        """The gradient; ModelBlewUp if the run at x fails."""
        forward = self.estimator.forward
        evaluation, self.state = self.estimator.evaluate(np.asarray(x, float), self.state)
        if evaluation.grad is None:
            raise ModelBlewUp(str(evaluation.outcome), evaluation.outcome.step, forward.params(x))
        self._runs.append(evaluation.runs)
        return Estimate(evaluation.grad, evaluation.runs * forward.window.steps)
