"""L-BFGS: optax's limited-memory direction, and a backtracking line search paid in real runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import optax

from emulator.precision import require_float64
from optim.cost import Evaluation
from optim.minimisers.base import Ending, MinimiserState, Oracle, first_evaluation
from optim.settings_check import Count, Fraction, NonNegative, Positive, PositiveOrInfinite


@dataclass(frozen=True)
class LBFGS:
    """`first_step` is the length of the first step and `longest_step` of any, in units of x."""

    memory: Count = 10
    first_step: Positive = 0.3
    longest_step: PositiveOrInfinite = 2.0
    armijo: Fraction = 1e-4
    shortest: Positive = 1e-6
    gradient_tolerance: NonNegative = 1e-8

    def init(self, x: np.ndarray) -> MinimiserState:
        """State at x with an empty memory."""
        require_float64()
        x = np.array(x, dtype=float)
        return MinimiserState(x, memory=(self._transform().init(jnp.asarray(x)), None))

    def step(self, oracle: Oracle, state: MinimiserState) -> MinimiserState:
        """One trial along the current direction: accepted with sufficient decrease, else the step is cut."""
        if state.evaluation is None:
            return replace(first_evaluation(oracle, state), memory=state.memory)
        here = state.evaluation
        pairs, step = state.memory
        assert here.grad is not None
        if step is None:
            if np.linalg.norm(here.grad) <= self.gradient_tolerance:
                return replace(state, ending=Ending.CONVERGED, message="the gradient vanishes")
            first = int(pairs.count) == 0
            direction, pairs = self._transform().update(jnp.asarray(here.grad), pairs, jnp.asarray(here.x))
            step = self._limited(-np.asarray(direction), here, first)
        return self._try(oracle, state, here, pairs, step)

    def _try(
        self, oracle: Oracle, state: MinimiserState, here: Evaluation, pairs: object, step: np.ndarray
    ) -> MinimiserState:
        assert here.grad is not None
        trial = oracle.probe(oracle.project(here.x + step))
        slope = float((trial.x - here.x) @ here.grad)
        if (
            trial.ok
            and trial.value <= here.value + self.armijo * min(slope, 0.0)
            and trial.value < here.value
        ):
            accepted = oracle.evaluate(trial.x)
            return MinimiserState(trial.x, accepted, trial, True, -slope, memory=(pairs, None))
        shorter = self._cut(here, trial, slope) * step
        rejected = replace(state, trial=trial, accepted=False, predicted=-slope, memory=(pairs, shorter))
        if np.linalg.norm(shorter) < self.shortest:
            return replace(rejected, ending=Ending.STALLED, message="no descent along the L-BFGS direction")
        return rejected

    def _transform(self) -> optax.GradientTransformation:
        return optax.scale_by_lbfgs(memory_size=self.memory)

    def _limited(self, step: np.ndarray, here: Evaluation, first: bool) -> np.ndarray:
        """Downhill, and of a sensible length."""
        assert here.grad is not None
        if float(step @ here.grad) >= 0.0:  # an approximate gradient can spoil the curvature pairs
            step = -here.grad
            first = True
        length = float(np.linalg.norm(step))
        limit = self.first_step if first else self.longest_step
        return step * (limit / length if first or length > limit else 1.0)

    @staticmethod
    def _cut(here: Evaluation, trial: Evaluation, slope: float) -> float:
        """Minimum of the parabola through both values, kept within [0.1, 0.5] of the step."""
        if not trial.ok or slope >= 0.0:
            return 0.25
        curvature = trial.value - here.value - slope
        return float(np.clip(-slope / (2.0 * curvature), 0.1, 0.5)) if curvature > 0.0 else 0.5
