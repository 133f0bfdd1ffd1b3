"""The last word belongs to the model: from where the tuning ended, Gauss–Newton on a Jacobian of real runs.

Where the residual vanishes, an approximate Jacobian finds the minimum all the same. Where it does not (noise,
model error) its bias moves the point at which nothing more seems to be gained, and the posterior spreads. Central
differences of 2n real runs around the result tell how far it is from the minimum, in posterior standard deviations;
if that is far, the step is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from emulator.tangent_linear import to_matrix
from optim.cost import Evaluation
from optim.forward import Forward
from optim.gradients import FiniteDifference
from optim.gradients.base import value_at
from optim.minimise import Iteration, Solution, covariance_of, iteration
from optim.minimisers.base import solve_in_bounds
from optim.settings_check import Index, NonNegative

_HALVINGS = 3  # of a step that does not lower J
_RIDGE = 1e-12  # of the largest diagonal element of JᵀJ


@dataclass(frozen=True)
class RefineSettings:
    """The `[refine]` table: `step` of the differences in units of x (0: no refinement), the most Gauss–Newton steps,
    and the distance from the minimum, in posterior standard deviations, that is near enough."""

    step: NonNegative = 0.0
    most_steps: Index = 2
    near_enough: NonNegative = 0.1


@dataclass(frozen=True)
class Refined:
    """The solution after refinement, the Jacobian [m, n] of the real model there, and the step [n] that is left,
    in posterior standard deviations."""

    solution: Solution
    jacobian: np.ndarray
    remaining: np.ndarray


def refine(
    forward: Forward, solution: Solution, settings: RefineSettings, progress: Callable[[Iteration], None]
) -> Refined | None:
    """Refine `solution`; None if it is not asked for, or there is no completed run to start from.

    Its runs count: `Solution.runs` grows by 2n + 1 or more per step, and 2n for the last Jacobian.
    """
    if settings.step <= 0.0 or solution.evaluation is None or not solution.evaluation.ok:
        return None
    estimator = FiniteDifference(forward, settings.step, central=True)
    asked_before = solution.runs - forward.runs
    for taken in range(settings.most_steps + 1):
        here, _ = estimator.evaluate(solution.x, None)
        assert here.tangent is not None and here.grad is not None
        jacobian = to_matrix(here.tangent, solution.x.size)
        hessian = jacobian.T @ jacobian
        hessian += (
            _RIDGE * np.max(np.diag(hessian)) * np.eye(len(hessian))
        )  # what has no effect does not move
        step = solve_in_bounds(forward.controls.project, here.x, hessian, here.grad)
        remaining = step / np.sqrt(np.diag(covariance_of(jacobian)))
        solution = replace(solution, evaluation=here)
        if np.max(np.abs(remaining)) <= settings.near_enough or taken == settings.most_steps:
            break
        better = _descend(forward, here, step)
        if better is None:
            break
        last = iteration(
            len(solution.history), forward, better, better.value, True, asked_before + forward.runs
        )
        progress(last)
        solution = replace(
            solution, x=better.x, evaluation=better, history=(*solution.history, last), runs=last.runs
        )
    return Refined(replace(solution, runs=asked_before + forward.runs), jacobian, remaining)


def _descend(forward: Forward, here: Evaluation, step: np.ndarray) -> Evaluation | None:
    """The first run along `step`, halved again and again, that lowers J; None if there is none."""
    for _ in range(_HALVINGS):
        trial = value_at(forward, here.x + step)
        if trial.ok and trial.value < here.value:
            return trial
        step = 0.5 * step
    return None
