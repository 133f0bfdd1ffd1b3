"""The derivative of another step map, taken at the real model's states: a wrong twin, an Euler step, a network.

    A = d step/du,   B = d step/dtheta      at the recorded u_k

The other map never runs by itself; where it goes from u_k does not matter, only how it responds there. Fields and
parameters that it does not know pass unchanged and have no influence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from emulator.precision import require_float64
from optim.gradients.linearisation import Flow, Forcing, Needs, ParameterVector, RecordedRun
from optim.gradients.step_model import State, fields_of

#: (state, parameters) -> state, in JAX
Step = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class OtherStep:
    """Flow and forcing from a JAX step function. Compiled once per kind, for all runs."""

    step: Step
    needs: Needs = Needs(tendency=True)
    _push: Callable = field(init=False, repr=False, compare=False)
    _pull: Callable = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_float64()

        def advanced(moving: Any, fixed: Any) -> Any:
            state = {**fixed["state"], **moving["state"]}
            after = self.step(state, {**fixed["params"], **moving["params"]})
            return {name: after.get(name, state[name]) for name in fixed["fields"]}

        def push(moving: Any, fixed: Any, change: Any) -> Any:
            return jax.jvp(lambda at: advanced(at, fixed), (moving,), (change,))[1]

        def pull(moving: Any, fixed: Any, sensitivity: Any) -> Any:
            return jax.vjp(lambda at: advanced(at, fixed), moving)[1](sensitivity)[0]

        object.__setattr__(self, "_push", jax.jit(push))
        object.__setattr__(self, "_pull", jax.jit(pull))

    def flow(self, run: RecordedRun) -> Flow:
        """Products with d step/du."""
        return _Flow(self.joint(run))

    def forcing(self, run: RecordedRun) -> Forcing:
        """Products with d step/dtheta."""
        return _Forcing(self.joint(run))

    def joint(self, run: RecordedRun) -> Both:
        """Both, in one sweep through the step."""
        return Both(self, run)


@dataclass(frozen=True)
class Both:
    """Derivatives of the other step along one run."""

    kind: OtherStep
    run: RecordedRun

    def tangent(self, k: int, change: State, parameters: ParameterVector) -> State:
        """A_k du + B_k dtheta."""
        return _numpy(self.kind._push(*self._at(k), {"state": change, "params": _arrays(parameters)}))

    def adjoint(self, k: int, sensitivity: State) -> tuple[State, ParameterVector]:
        """A_kᵀ lambda and B_kᵀ lambda."""
        pulled = _numpy(self.kind._pull(*self._at(k), sensitivity))
        return pulled["state"], pulled["params"]

    def _at(self, k: int) -> tuple[Any, Any]:
        """What is differentiated and what is not, at step k."""
        state, params = self.run.states[k], _arrays(self.run.params)
        fields = fields_of(state)
        moving = {"state": fields, "params": {name: params[name] for name in self.run.names}}
        return moving, {"state": dict(state), "params": params, "fields": dict.fromkeys(fields)}


@dataclass(frozen=True)
class _Flow:
    both: Both

    def tangent(self, k: int, change: State) -> State:
        return self.both.tangent(k, change, self.both.run.no_tangent())

    def adjoint(self, k: int, sensitivity: State) -> State:
        return self.both.adjoint(k, sensitivity)[0]


@dataclass(frozen=True)
class _Forcing:
    both: Both

    def tangent(self, k: int, change: ParameterVector) -> State:
        return self.both.tangent(k, self.both.run.no_change(), change)

    def adjoint(self, k: int, sensitivity: State) -> ParameterVector:
        return self.both.adjoint(k, sensitivity)[1]


def _arrays(values: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(value, dtype=float) for name, value in values.items()}


def _numpy(tree: Any) -> Any:
    return jax.tree.map(np.asarray, tree)
