"""What stands in for the derivative of a step map along a recorded real trajectory.

With u_{k+1} = Psi(u_k, theta) the exact derivatives are A_k = dPsi/du and B_k = dPsi/dtheta at the recorded u_k. A
*linearisation* offers products with estimates of both. How they were come by is its own affair, except for two rules:
it is taken about the states that the real model recorded, and no derivative of the real model goes into it.

It has two parts that can be mixed freely: the flow A and the forcing B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from optim.gradients.step_model import State, StepModel, Values, fields_of

#: {"group/entry": tangent or sensitivity, shaped as the parameter}
ParameterVector = dict[str, np.ndarray]


@dataclass(frozen=True)
class RecordedRun:
    """A real run: states u_0 … u_n, its parameters, and the names of those that derivatives are wanted for."""

    states: Sequence[State]
    params: Values
    names: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, model: StepModel, start: State, params: Values, steps: int, names: Sequence[str] = ()
    ) -> RecordedRun:
        """Run the real model; costs `steps` steps."""
        return cls(model.roll(start, params, steps), dict(params), tuple(names))

    @property
    def steps(self) -> int:
        """Number of steps n."""
        return len(self.states) - 1

    def no_tangent(self) -> ParameterVector:
        """Zeros shaped as the named parameters."""
        return {name: np.zeros(np.shape(self.params[name])) for name in self.names}

    def no_change(self) -> State:
        """Zeros shaped as the fields."""
        return {name: np.zeros_like(value) for name, value in fields_of(self.states[0]).items()}


@dataclass(frozen=True)
class Needs:
    """What an estimator asks of the real model besides the recorded run."""

    state_access: bool = False  # states that the model did not come to by itself
    probes: bool = False  # perturbed single steps
    tendency: bool = False  # a tendency function or another model that can be differentiated
    training: bool = False  # runs made beforehand

    def __str__(self) -> str:
        words = [name.replace("_", " ") for name, needed in vars(self).items() if needed]
        return ", ".join(words) or "nothing"


class Flow(Protocol):
    """Products with A_k, k = 0 … n−1."""

    def tangent(self, k: int, change: State) -> State:
        """A_k du."""
        ...

    def adjoint(self, k: int, sensitivity: State) -> State:
        """A_kᵀ lambda."""
        ...


class Forcing(Protocol):
    """Products with B_k, k = 0 … n−1."""

    def tangent(self, k: int, change: ParameterVector) -> State:
        """B_k dtheta."""
        ...

    def adjoint(self, k: int, sensitivity: State) -> ParameterVector:
        """B_kᵀ lambda."""
        ...


class FlowKind(Protocol):
    """A way to come by a flow: frozen settings; what it learned or drew is in what it was made with."""

    @property
    def needs(self) -> Needs: ...

    def flow(self, run: RecordedRun) -> Flow:
        """The flow along a recorded run; may spend steps of the model."""
        ...


class ForcingKind(Protocol):
    """A way to come by the forcing."""

    @property
    def needs(self) -> Needs: ...

    def forcing(self, run: RecordedRun) -> Forcing:
        """The forcing along a recorded run; may spend steps of the model."""
        ...


class Linearisation(Protocol):
    """What the sweeps take: products with A_k and B_k together."""

    def tangent(self, k: int, change: State, parameters: ParameterVector) -> State:
        """A_k du + B_k dtheta."""
        ...

    def adjoint(self, k: int, sensitivity: State) -> tuple[State, ParameterVector]:
        """A_kᵀ lambda and B_kᵀ lambda."""
        ...


@runtime_checkable
class JointKind(FlowKind, ForcingKind, Protocol):
    """A kind that knows both parts and gives their products for less together than apart."""

    def joint(self, run: RecordedRun) -> Linearisation:
        """Flow and forcing along a recorded run."""
        ...


@dataclass(frozen=True)
class Composed:
    """The flow of one kind and the forcing of another."""

    flow: Flow
    forcing: Forcing

    def tangent(self, k: int, change: State, parameters: ParameterVector) -> State:
        """A_k du + B_k dtheta."""
        forced = self.forcing.tangent(k, parameters)
        return {name: value + forced[name] for name, value in self.flow.tangent(k, change).items()}

    def adjoint(self, k: int, sensitivity: State) -> tuple[State, ParameterVector]:
        """A_kᵀ lambda and B_kᵀ lambda."""
        return self.flow.adjoint(k, sensitivity), self.forcing.adjoint(k, sensitivity)


def linearise(flow: FlowKind, forcing: ForcingKind, run: RecordedRun) -> Linearisation:
    """The linearisation along `run` with the flow of one kind and the forcing of another (or of the same)."""
    if flow is forcing and isinstance(flow, JointKind):
        return flow.joint(run)
    return Composed(flow.flow(run), forcing.forcing(run))
