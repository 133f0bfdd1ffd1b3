"""Finite differences of real runs: P+1 runs one-sided, 2P+1 central. The bar that surrogates have to clear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bridge.errors import ModelBlewUp
from emulator.tangent_linear import from_matrix
from optim.cost import Evaluation
from optim.forward import Forward
from optim.gradients.base import evaluation_at, value_at
from optim.settings_check import Positive


@dataclass(frozen=True)
class FiniteDifference:
    """Columns of the Jacobian from perturbed runs; `step` is in units of x (prior standard deviations)."""

    forward: Forward
    step: Positive = 0.05
    central: bool = False

    def init(self, key: int) -> None:
        """Nothing is random and nothing is remembered."""
        return None

    def runs_needed(self, x: np.ndarray, state: None) -> int:
        """P or 2P, and one more if x itself has not been run."""
        return len(x) * (2 if self.central else 1) + (not self.forward.known(x))

    def evaluate(self, x: np.ndarray, state: None) -> tuple[Evaluation, None]:
        """Value, gradient and Jacobian at x; `ModelBlewUp` if no perturbed run completes along some control."""
        before = self.forward.runs
        plain = value_at(self.forward, x)
        if not plain.ok:
            return plain, None
        directions = np.eye(len(x))
        self.forward.observe_all(trial for d in directions for trial in self._first_trials(x, d))
        columns = [self.column(x, direction) for direction in directions]
        runs = self.forward.runs - before
        return evaluation_at(self.forward, x, from_matrix(np.stack(columns, axis=1)), runs), None

    def _trials(self, x: np.ndarray, direction: np.ndarray) -> list[np.ndarray]:
        """Forward and backward, less what the bounds forbid."""
        steps = (self.step, -self.step)
        trials = [self.forward.controls.project(x + step * direction) for step in steps]
        return [trial for trial in trials if not np.allclose(trial, x)]

    def _first_trials(self, x: np.ndarray, direction: np.ndarray) -> list[np.ndarray]:
        """Those that are run in any case: one-sided, the second is for when the first one fails."""
        return self._trials(x, direction)[: 2 if self.central else 1]

    def column(self, x: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """Derivative of the misfit along a unit `direction` [m]; ModelBlewUp if no perturbed run completes."""
        ends = self.ends(x, direction)
        first, second = (self.forward.observe(end).misfit for end in ends)
        return (second - first) / float((ends[1] - ends[0]) @ direction)  # type: ignore[operator]

    def ends(self, x: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The two runs whose difference is the derivative along a unit `direction`; ModelBlewUp as in `column`."""
        ends = [x] if not self.central else []
        for trial in self._trials(x, direction):
            if len(ends) < 2 and self.forward.observe(trial).misfit is not None:
                ends.append(trial)
        if len(ends) == 1 and self.central:
            ends.append(x)  # at a bound, or one side blew up: one-sided
        if len(ends) < 2:
            name = self.forward.controls.names[int(np.argmax(direction))]
            raise ModelBlewUp(
                f"no run perturbed by ±{self.step} (scaled) along {name} completed; use a smaller step",
                self.forward.window.steps,
                self.forward.params(x),
            )
        return ends[0], ends[1]
