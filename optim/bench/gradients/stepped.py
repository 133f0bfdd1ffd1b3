"""A StepModel behind the interface of a Model, and a case made of one: what the Lorenz cases share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bridge.errors import ModelBlewUp
from bridge.fields import lookup
from bridge.model import Grid, ModelDescription, Outcome, OutcomeKind, Params, Recording, Snapshot, Trajectory
from optim.bench.gradients.problem import Field, Problem, StepProblem
from optim.control import ControlVector
from optim.forward import Forward
from optim.gradients.linearisation import RecordedRun
from optim.gradients.other_step import OtherStep
from optim.gradients.step_function import FunctionStepModel
from optim.gradients.step_model import State
from optim.gradients.trajectory_adjoint import Gradient, gradient


@dataclass
class SteppedModel:
    """Runs of a step model from one state; fields keep their shapes, [.., j, i]."""

    name: str
    model: FunctionStepModel
    start: State
    parameters: Mapping[str, Any]
    time_step: float

    def describe(self) -> ModelDescription:
        """Its fields and parameters."""
        shape = max((value.shape for value in self.start.values()), key=len)
        grid = Grid(shape[-1], shape[-2], shape[0] if len(shape) > 2 else 1)
        fields = {name: lookup(name) for name in self.start}
        return ModelDescription(self.name, "1", self.time_step, grid, fields, dict(self.parameters))

    def run(self, params: Params, snapshot: Snapshot, steps: int, record: Recording) -> Trajectory:
        """A run from `start`, whatever the snapshot: it knows no other state."""
        flat = {
            f"{group}/{entry}": value for group, values in params.items() for entry, value in values.items()
        }
        try:
            states = self.model.roll(self.start, {**self.parameters, **flat}, steps)
        except ModelBlewUp as error:
            outcome = Outcome(OutcomeKind.BLEW_UP, steps, str(error))
            return Trajectory(np.zeros(0, int), self.time_step, {}, params, outcome, snapshot)
        kept = np.arange(record.every, steps + 1, record.every)
        fields = {name: np.stack([states[k][name] for k in kept]) for name in record.fields}
        return Trajectory(
            kept, self.time_step, fields, params, Outcome(OutcomeKind.COMPLETED, steps), snapshot
        )


@dataclass(frozen=True)
class SteppedProblem:
    """A window of a step model with a cost of its fields, recorded every `forward.window.recording.every` steps."""

    stepped: SteppedModel
    forward: Forward
    step: Callable[[Any, Any], Any]

    @property
    def controls(self) -> ControlVector:
        """Of the forward."""
        return self.forward.controls

    def values(self, x: np.ndarray) -> dict[str, Any]:
        """Parameters "group/entry" of a run at x."""
        params = self.controls.to_params(x)
        flat = {f"{group}/{entry}": v for group, values in params.items() for entry, v in values.items()}
        return {**self.stepped.parameters, **flat}

    def weights(self, states: Sequence[Field]) -> list[Field | None]:
        """dJ/du_k of the cost, k = 0 … n."""
        steps, every = self.forward.window.steps, self.forward.window.recording.every
        kept = list(range(every, steps + 1, every))
        cost = self.forward.cost
        recorded = {name: np.stack([states[k][name] for k in kept]) for name in cost.fields}
        shapes = {name: values.shape for name, values in recorded.items()}
        slopes = cost.misfit_adjoint(cost.misfit(recorded), shapes)
        found: list[Field | None] = [None] * (steps + 1)
        for number, k in enumerate(kept):
            found[k] = {name: values[number] for name, values in slopes.items()}
        return found

    def exact(self, x: np.ndarray) -> Gradient:
        """The referee: the derivative of the real step itself, which no estimator may use."""
        names = tuple(self.controls.names)
        model = FunctionStepModel(self.step)  # its steps are the referee's own
        run = RecordedRun.of(model, self.stepped.start, self.values(x), self.forward.window.steps, names)
        return gradient(self._referee().joint(run), run, self.weights(run.states))

    def _referee(self) -> OtherStep:
        if self.step not in _REFEREES:
            _REFEREES[self.step] = OtherStep(self.step)
        return _REFEREES[self.step]

    def problem(self, case: str, points: np.ndarray, linearisations: Mapping[str, Any]) -> Problem:
        """As the benchmark takes it."""
        names = tuple(self.controls.names)

        def exact(x: np.ndarray) -> np.ndarray:
            found = self.exact(x).parameters
            return np.array([float(found[name]) for name in names]) * self.controls.slopes(x)

        step_problem = StepProblem(
            self.stepped.model,
            self.stepped.start,
            names,
            self.values,
            self.controls.slopes,
            self.weights,
            linearisations=linearisations,
        )
        return Problem(
            case,
            self.forward.window.steps,
            names,
            points,
            exact,
            self.forward,
            step_problem,
            lambda x: self.exact(x).initial,
        )


#: compiled once per step function
_REFEREES: dict[Callable, OtherStep] = {}
