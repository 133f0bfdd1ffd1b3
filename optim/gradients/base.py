"""What every gradient estimator offers, and how a misfit Jacobian becomes an `Evaluation`."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from emulator.tangent_linear import TangentLinear
from optim.cost import Evaluation, half_square
from optim.forward import Forward, Observed

State = Any


class GradientEstimator(Protocol):
    """Value, gradient and Jacobian products of the cost at x, from real runs.

    The state (ensembles, trained weights, random keys) is explicit: `init` makes it, `evaluate` returns the next one.
    """

    @property
    def forward(self) -> Forward:
        """The real model."""
        ...

    def init(self, key: int) -> State:
        """State before the first evaluation; `key` seeds whatever is random."""
        ...

    def runs_needed(self, x: np.ndarray, state: State) -> int:
        """Model runs that `evaluate(x, state)` will ask for."""
        ...

    def evaluate(self, x: np.ndarray, state: State) -> tuple[Evaluation, State]:
        """Evaluation at x. A failed run at x gives an `Evaluation` with value inf, not an exception."""
        ...


def value_at(forward: Forward, x: np.ndarray) -> Evaluation:
    """Value and residual at x without derivatives: one run, none if x is known."""
    before = forward.runs
    observed = forward.observe(x)
    return _evaluation(forward, x, observed, forward.runs - before)


def evaluation_at(
    forward: Forward,
    x: np.ndarray,
    misfit_tangent: TangentLinear,
    runs: int,
    standard_error: np.ndarray | None = None,
) -> Evaluation:
    """Evaluation at a known x from the tangent linear of the misfit with respect to x."""
    plain = _evaluation(forward, x, forward.observe(x), runs)
    assert plain.residual is not None
    tangent = forward.cost.residual_tangent(misfit_tangent)
    grad = np.asarray(tangent.rmv(plain.residual))
    return Evaluation(
        plain.x, plain.value, plain.residual, plain.outcome, grad, tangent, standard_error, runs
    )


def _evaluation(forward: Forward, x: np.ndarray, observed: Observed, runs: int) -> Evaluation:
    x = np.array(x, dtype=float)
    if observed.misfit is None:
        return Evaluation(x, np.inf, None, observed.outcome, runs=runs)
    residual = forward.cost.residual(observed.misfit, x)
    return Evaluation(x, half_square(residual), residual, observed.outcome, runs=runs)
