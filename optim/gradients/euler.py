"""Euler gradient approximations: the step map is differentiated as u + h F(u, theta), whatever scheme the model uses.

    flow      static             A = I
              straight-through   A = I + h dM/du          M a differentiable closure, one part of F
              Euler-Jacobian     A = I + h dF/du          F all of the tendency, e.g. that of a twin
    forcing   B = h dM/dtheta

Source: Ouala et al. (2024), Commun. Phys. 7:402, theorem 2.1 and corollary 2.1.2. The error of the static kind vanishes
with h at a fixed number of steps n. For a fixed window T = n h it stays, of the order of T |dF/du| / 2 for small T.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optim.gradients.linearisation import Flow, FlowKind, Needs, RecordedRun
from optim.gradients.other_step import OtherStep
from optim.gradients.step_model import State

#: (state, parameters) -> {field: rate of change}, in JAX; fields that it leaves out do not change
Tendency = Callable[[Any, Any], Any]


def euler(tendency: Tendency, time_step: float) -> OtherStep:
    """Derivatives of u + h F(u, theta): straight-through if F is the closure alone, Euler-Jacobian if it is all."""

    def step(state: Any, params: Any) -> Any:
        rates = tendency(state, params)
        return {name: value + time_step * rates.get(name, 0.0) for name, value in state.items()}

    return OtherStep(step)


@dataclass(frozen=True)
class Static:
    """A = I: sensitivities stay as they are (Static-EGA)."""

    needs: Needs = Needs()

    def flow(self, run: RecordedRun) -> Flow:
        """The identity."""
        return _Scaled(None, 1.0)


@dataclass(frozen=True)
class Damped:
    """(1 − h gamma) times another flow: bounded sensitivities over windows beyond predictability.

    `rate` is gamma, per unit of `time_step`. It sets the size of the gradient, not only its direction: check the size
    with a finite difference or two.
    """

    kind: FlowKind
    rate: float
    time_step: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate * self.time_step < 1.0:
            raise ValueError(
                f"expected 0 <= rate * time_step < 1, got {self.rate} * {self.time_step}: sensitivities would grow "
                "or change sign"
            )

    @property
    def needs(self) -> Needs:
        """What the damped flow needs."""
        return self.kind.needs

    def flow(self, run: RecordedRun) -> Flow:
        """The other flow, scaled."""
        return _Scaled(self.kind.flow(run), 1.0 - self.rate * self.time_step)


@dataclass(frozen=True)
class _Scaled:
    """`factor` times `flow`, or times the identity."""

    inner: Flow | None
    factor: float

    def tangent(self, k: int, change: State) -> State:
        moved = change if self.inner is None else self.inner.tangent(k, change)
        return {name: self.factor * value for name, value in moved.items()}

    def adjoint(self, k: int, sensitivity: State) -> State:
        moved = sensitivity if self.inner is None else self.inner.adjoint(k, sensitivity)
        return {name: self.factor * value for name, value in moved.items()}
