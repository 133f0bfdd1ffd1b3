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
from optim.gradients.linearisation import Needs, ParameterVector, RecordedRun
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

    def flow(self, run: RecordedRun) -> _OtherFlow:
        """Products with d step/du."""
        return _OtherFlow(self, run)

    def forcing(self, run: RecordedRun) -> _OtherForcing:
        """Products with d step/dtheta."""
        return _OtherForcing(self, run)


@dataclass(frozen=True)
class _OtherFlow:
    kind: OtherStep
    run: RecordedRun

    def tangent(self, k: int, change: State) -> State:
        state = self.run.states[k]
        moving, fixed = {"state": fields_of(state), "params": {}}, _fixed(state, self.run.params)
        return _numpy(self.kind._push(moving, fixed, {"state": change, "params": {}}))

    def adjoint(self, k: int, sensitivity: State) -> State:
        state = self.run.states[k]
        moving, fixed = {"state": fields_of(state), "params": {}}, _fixed(state, self.run.params)
        return _numpy(self.kind._pull(moving, fixed, sensitivity)["state"])


@dataclass(frozen=True)
class _OtherForcing:
    kind: OtherStep
    run: RecordedRun

    def tangent(self, k: int, change: ParameterVector) -> State:
        return _numpy(self.kind._push(*self._at(k), {"state": {}, "params": _arrays(change)}))

    def adjoint(self, k: int, sensitivity: State) -> ParameterVector:
        return _numpy(self.kind._pull(*self._at(k), sensitivity)["params"])

    def _at(self, k: int) -> tuple[Any, Any]:
        moving = _arrays({name: self.run.params[name] for name in self.run.names})
        return {"state": {}, "params": moving}, _fixed(self.run.states[k], self.run.params)


def _fixed(state: State, params: Any) -> Any:
    return {"state": dict(state), "params": _arrays(params), "fields": dict.fromkeys(fields_of(state))}


def _arrays(values: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(value, dtype=float) for name, value in values.items()}


def _numpy(tree: Any) -> Any:
    return jax.tree.map(np.asarray, tree)
