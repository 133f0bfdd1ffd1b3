"""The real model seen one step at a time: u_{k+1} = Psi(u_k, theta). No derivative of it is ever used.

A state is complete: a step depends on it and on the parameters alone. Whole numbers among its entries (a clock) are
carried along; only the real-valued entries, its *fields*, are perturbed and have derivatives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from bridge.errors import ModelBlewUp

#: {field: array}; clocks and counters are arrays of whole numbers
State = dict[str, np.ndarray]
#: {"group/entry": number or map}; what is not named keeps the model's own value
Values = Mapping[str, Any]

#: entry of a state that holds the step number of a model whose forcing depends on time
CLOCK = "step"


class StepModel(Protocol):
    """A model that can be put into any state. Its steps are the unit in which everything is paid for."""

    steps_spent: int

    def step(self, state: State, params: Values) -> State:
        """The state after one step; ModelBlewUp if there is none."""
        ...

    def roll(self, state: State, params: Values, steps: int) -> list[State]:
        """The states 0, 1, …, `steps`, the first being `state`."""
        ...


@runtime_checkable
class BatchStepModel(StepModel, Protocol):
    """A model that can make many independent steps at once."""

    def step_each(self, states: Sequence[State], params: Sequence[Values]) -> list[State]:
        """One step from each of `states`, with the parameters at the same place of `params`."""
        ...


def step_each(model: StepModel, states: Sequence[State], params: Sequence[Values]) -> list[State]:
    """One step from each of `states` with its own parameters, all at once where the model can."""
    if isinstance(model, BatchStepModel):
        return model.step_each(states, params)
    return [model.step(state, values) for state, values in zip(states, params, strict=True)]


def fields_of(state: State) -> State:
    """The entries that have derivatives: those of real numbers."""
    return {name: value for name, value in state.items() if np.issubdtype(value.dtype, np.floating)}


def displaced(state: State, change: Mapping[str, np.ndarray]) -> State:
    """`state` with `change` added to the fields that it names."""
    return {**state, **{name: state[name] + value for name, value in change.items()}}


def difference(state: State, reference: State) -> State:
    """The fields of `state` less those of `reference`."""
    return {name: value - reference[name] for name, value in fields_of(state).items()}


def checked(state: State, params: Values) -> State:
    """`state` if all its fields are finite, else ModelBlewUp."""
    for name, value in fields_of(state).items():
        if not np.all(np.isfinite(value)):
            raise ModelBlewUp(f"{name} is not finite", int(state.get(CLOCK, np.array(0))), {"": dict(params)})
    return state
