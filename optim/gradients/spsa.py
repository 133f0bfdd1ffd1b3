"""Simultaneous perturbation (Spall 1992, IEEE Trans. Automat. Contr. 37, 332): two runs, however many controls.

With a random vector of signs D and a step c, column i of the misfit's Jacobian is estimated as
(d(x + cD) - d(x - cD))/(2 c D_i); the gradient is its transpose times the residual, to O(c2) Spall's. It is right in
the mean over D, and noisy: what the other P - 1 parameters contribute has a random sign. `repeats` draws are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bridge.errors import ModelBlewUp
from emulator.tangent_linear import from_matrix
from optim.cost import Evaluation
from optim.forward import Forward
from optim.gradients.base import evaluation_at, value_at
from optim.settings_check import Count, Positive


@dataclass(frozen=True)
class SpsaState:
    """The seed, and how many gradients have been drawn from it."""

    key: int
    drawn: int = 0


@dataclass(frozen=True)
class Spsa:
    """`step` is in units of x (prior standard deviations); a gradient takes 2 `repeats` runs and the one at x."""

    forward: Forward
    step: Positive = 0.1
    repeats: Count = 1

    def init(self, key: int) -> SpsaState:
        """The seed of the signs."""
        return SpsaState(key)

    def runs_needed(self, x: np.ndarray, state: SpsaState) -> int:
        """Two for each repeat, and one if x has not been run."""
        return 2 * self.repeats + (not self.forward.known(x))

    def evaluate(self, x: np.ndarray, state: SpsaState) -> tuple[Evaluation, SpsaState]:
        """Value at x and the estimate of the gradient; ModelBlewUp if a perturbed run fails."""
        before = self.forward.runs
        signs = np.random.default_rng([state.key, state.drawn]).choice([-1.0, 1.0], (self.repeats, len(x)))
        ends = [(x + self.step * row, x - self.step * row) for row in signs]
        self.forward.observe_all([x, *(end for pair in ends for end in pair)])
        plain = value_at(self.forward, x)
        state = replace(state, drawn=state.drawn + 1)
        if not plain.ok:
            return replace(plain, runs=self.forward.runs - before), state
        columns = [
            np.outer(self._slope(*pair), row) for pair, row in zip(ends, signs, strict=True)
        ]  # 1/D = D
        tangent = from_matrix(np.mean(columns, axis=0))
        return evaluation_at(self.forward, x, tangent, self.forward.runs - before), state

    def _slope(self, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
        """Change of the misfit [m] along the signs, per unit of x."""
        above, below = (self.forward.observe(end).misfit for end in (upper, lower))
        if above is None or below is None:
            raise ModelBlewUp(
                f"a run perturbed by {self.step} (scaled) along random signs failed; use a smaller step",
                self.forward.window.steps,
                self.forward.params(upper if above is None else lower),
            )
        return (above - below) / (2.0 * self.step)
