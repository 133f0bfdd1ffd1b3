"""A live model as a StepModel: whatever can be restored, set, run and read through the bridge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from bridge.errors import ModelBlewUp
from bridge.model import ModelDescription, Recording, Snapshot, Trajectory
from optim.gradients.step_model import CLOCK, State, Values, fields_of


class LiveModel(Protocol):
    """The verbs that it takes: those of a Session."""

    def describe(self) -> ModelDescription: ...

    def set(self, values: Mapping[str, Any]) -> None: ...

    def get(self, name: str) -> Any: ...

    def snapshot(self) -> Snapshot: ...

    def restore(self, snapshot: Snapshot) -> None: ...

    def drop(self, snapshot: Snapshot) -> None: ...

    def advance(self, steps: int, record: Recording) -> Trajectory: ...


class LiveStepModel:
    """A live model, one step at a time: restored to the right step number, its `fields` set, run, read.

    `fields` are its prognostic fields. Their step number travels in the state as `CLOCK`. The time of year, and
    whatever else the model remembers that is not a field, are those of a run from `start`: snapshots of it are kept,
    one for each step that is asked for, until `close`. `parameters` are values that hold unless a call says otherwise.
    """

    def __init__(
        self, model: LiveModel, start: Snapshot, fields: Sequence[str], parameters: Values | None = None
    ) -> None:
        self._model = model
        self._record = Recording(tuple(fields))
        self._first = start
        self._remembered = {start.step: start}
        self._own = {**model.describe().parameters, **(parameters or {})}
        self._in_model: dict[str, Any] = {}
        self.steps_spent = 0

    def start(self) -> State:
        """The state that `start` remembers."""
        self._model.restore(self._first)
        fields = {name: np.array(self._model.get(name)) for name in self._record.fields}
        return {**fields, CLOCK: np.array(self._first.step)}

    def step(self, state: State, params: Values) -> State:
        """The state after one step; ModelBlewUp if the model left its range."""
        number = int(state[CLOCK])
        self._model.restore(self._snapshot_at(number))
        self._model.set(fields_of(state))
        return self._advance(number, params)

    def roll(self, state: State, params: Values, steps: int) -> list[State]:
        """The states 0, 1, …, `steps`, from `state`."""
        states = [state]
        for number in range(steps):
            states.append(self.step(states[number], params))
            self._remember(int(states[-1][CLOCK]))
        return states

    def close(self) -> None:
        """Drop what was remembered, except `start`."""
        for number, snapshot in self._remembered.items():
            if number != self._first.step:
                self._model.drop(snapshot)
        self._remembered = {self._first.step: self._first}

    def _advance(self, number: int, params: Values) -> State:
        self._apply(params)
        run = self._model.advance(1, self._record)
        self.steps_spent += 1
        if not run.outcome.completed:
            raise ModelBlewUp(run.outcome.message or "the model blew up", run.outcome.step, dict(params))
        fields = {name: np.array(values[0]) for name, values in run.fields.items()}
        return {**fields, CLOCK: np.array(number + 1)}

    def _apply(self, params: Values) -> None:
        """Set `params` and put back what an earlier call had set."""
        wanted = {**{name: self._own[name] for name in self._in_model}, **params}
        changed = {n: v for n, v in wanted.items() if not np.array_equal(v, self._in_model.get(n, np.nan))}
        if changed:
            self._model.set(changed)
        self._in_model = wanted

    def _remember(self, number: int) -> None:
        if number not in self._remembered:
            self._remembered[number] = self._model.snapshot()

    def _snapshot_at(self, number: int) -> Snapshot:
        """The model at that step; it runs there from the last step before that is remembered, and that is counted."""
        if number not in self._remembered:
            earlier = [known for known in self._remembered if known < number]
            if not earlier:
                raise ValueError(
                    f"expected a state of step {self._first.step} or later, got one of step {number}: "
                    "the model is known from its start on"
                )
            nearest = max(earlier)
            self._model.restore(self._remembered[nearest])
            run = self._model.advance(number - nearest, Recording(()))
            self.steps_spent += number - nearest
            if not run.outcome.completed:
                raise ModelBlewUp(run.outcome.message or "the model blew up", run.outcome.step)
            self._remember(number)
        return self._remembered[number]
