"""Adam (Kingma & Ba 2015) through optax; each step costs one evaluation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import optax

from emulator.precision import require_float64
from optim.minimisers.base import Ending, MinimiserState, Oracle, first_evaluation
from optim.settings_check import NonNegative, Positive


@dataclass(frozen=True)
class Adam:
    """`rate` is the first steps' length per component, in units of x; a failed run halves it for good."""

    rate: Positive = 0.1
    gradient_tolerance: NonNegative = 1e-8

    def init(self, x: np.ndarray) -> MinimiserState:
        """State at x with optax's moments at zero."""
        require_float64()
        x = np.array(x, dtype=float)
        return MinimiserState(x, memory=(1.0, optax.scale_by_adam().init(jnp.asarray(x)), x))

    def step(self, oracle: Oracle, state: MinimiserState) -> MinimiserState:
        """One Adam step from the last point that ran; `state.x` remains the best point met."""
        if state.evaluation is None:
            started = first_evaluation(oracle, state)
            return replace(started, memory=(1.0, state.memory[1], started.evaluation))
        factor, moments, here = state.memory
        if np.linalg.norm(here.grad) <= self.gradient_tolerance:
            return replace(state, ending=Ending.CONVERGED, message="the gradient vanishes")
        direction, moments = optax.scale_by_adam().update(jnp.asarray(here.grad), moments)
        step = -self.rate * factor * np.asarray(direction)
        trial = oracle.evaluate(oracle.project(here.x + step))
        predicted = -float(step @ here.grad)
        if not trial.ok:
            memory = (0.5 * factor, moments, here)
            return replace(state, trial=trial, accepted=False, predicted=predicted, memory=memory)
        best = trial if trial.value < state.evaluation.value else state.evaluation
        return MinimiserState(best.x, best, trial, True, predicted, memory=(factor, moments, trial))
