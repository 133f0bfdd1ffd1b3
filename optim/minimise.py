"""The one loop that every minimiser and every estimator runs in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bridge.model import Params
from emulator.tangent_linear import to_matrix
from optim.cost import Evaluation
from optim.forward import Forward
from optim.gradients.base import GradientEstimator
from optim.minimisers.base import BudgetSpent, Ending, Minimiser, MinimiserState, Oracle


@dataclass(frozen=True)
class Iteration:
    """One trial: where, its J (inf if the run failed), the best J so far, runs asked for so far in total."""

    number: int
    x: np.ndarray
    params: Params
    value: float
    best_value: float
    accepted: bool
    runs: int
    gradient: np.ndarray | None
    predicted: float | None
    outcome: str


@dataclass(frozen=True)
class Solution:
    """Where a minimisation ended and why; `evaluation` is the best one (None if the first run did not fit)."""

    x: np.ndarray
    evaluation: Evaluation | None
    ending: Ending
    message: str
    history: tuple[Iteration, ...]
    runs: int
    state: MinimiserState | None = None  # the minimiser's last state

    @property
    def value(self) -> float:
        """Best J, inf if there is none."""
        return self.evaluation.value if self.evaluation is not None else np.inf


def minimise(
    estimator: GradientEstimator,
    minimiser: Minimiser,
    x: np.ndarray,
    *,
    budget: int,
    key: int = 0,
    progress: Callable[[Iteration], None] | None = None,
) -> Solution:
    """Minimise J from x with at most `budget` model runs; every trial is passed to `progress`.

    Deterministic for a given `key`: repeated over the same ledger it makes no new run and ends the same.
    """
    oracle = Oracle(estimator, budget, key)
    state = minimiser.init(np.asarray(x, dtype=float))
    history: list[Iteration] = []
    while state.ending is None:
        last = state.trial
        try:
            state = minimiser.step(oracle, state)
        except BudgetSpent as spent:
            state = replace(state, ending=Ending.BUDGET_SPENT, message=str(spent))
            break
        if state.trial is not None and state.trial is not last:  # an ending may come without a trial
            best = state.evaluation.value if state.evaluation is not None else np.inf
            history.append(
                iteration(
                    len(history),
                    estimator.forward,
                    state.trial,
                    best,
                    state.accepted,
                    oracle.runs,
                    state.predicted,
                )
            )
            if progress is not None:
                progress(history[-1])
    assert state.ending is not None
    return Solution(
        state.x, state.evaluation, state.ending, state.message, tuple(history), oracle.runs, state
    )


def posterior_covariance(solution: Solution, jacobian: np.ndarray | None = None) -> np.ndarray:
    """(JᵀJ)⁻¹ [n, n] at the solution, in units of x; J holds the prior rows if the cost does.

    `jacobian` [m, n] replaces the estimator's, e.g. by one that real runs have corrected.
    """
    if jacobian is None:
        if solution.evaluation is None or solution.evaluation.tangent is None:
            raise ValueError("the minimisation ended without a tangent linear: no posterior covariance")
        jacobian = to_matrix(solution.evaluation.tangent, solution.x.size)
    return covariance_of(jacobian)


def covariance_of(jacobian: np.ndarray) -> np.ndarray:
    """(JᵀJ)⁻¹ [n, n]; infinite, rather than an exception, where some direction is not constrained at all."""
    values, vectors = np.linalg.eigh(jacobian.T @ jacobian)
    if values[0] <= values[-1] * 1e-14:
        return np.full((jacobian.shape[1],) * 2, np.inf)
    return (vectors / values) @ vectors.T


def iteration(
    number: int,
    forward: Forward,
    trial: Evaluation,
    best_value: float,
    accepted: bool,
    runs: int,
    predicted: float | None = None,
) -> Iteration:
    """The record of one trial."""
    return Iteration(
        number=number,
        x=trial.x,
        params=forward.params(trial.x),
        value=trial.value,
        best_value=best_value,
        accepted=accepted,
        runs=runs,
        gradient=trial.grad,
        predicted=predicted,
        outcome=trial.outcome.kind.value,
    )
