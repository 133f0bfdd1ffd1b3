"""The window of a VEROS case for estimators that see the model step by step, and the exact gradient by its T field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from optim.bench.gradients.problem import Field, Problem, StepProblem
from optim.bench.gradients.veros_runs import VerosRuns, observed
from optim.bench.gradients.veros_steps import VerosSteps, continued, folded
from optim.forward import Forward

if TYPE_CHECKING:
    from emulator.veros.gradient import Gradient

#: the initial field that gradients are compared for
FIELD = "temp"
_OBSERVED = ("temp", "salt", "psi")  # what the records are functions of


@dataclass(frozen=True)
class SteppedVeros:
    """`runs` as a step model, with the derivative of what is observed: an operator, no part of the model."""

    runs: VerosRuns
    model: VerosSteps
    start: dict[str, np.ndarray]
    see: Callable[[Any], Any]
    pull: Callable[[Any, Any], Any]

    @classmethod
    def of(cls, runs: VerosRuns) -> SteppedVeros:
        """Steps from where the windows begin."""
        veros, whole = runs.veros, continued(runs.state)

        def see(state: Mapping[str, Any]) -> Any:
            return observed(veros, whole(state))

        def pull(state: Mapping[str, Any], weights: Any) -> Any:
            seen = {name: state[name] for name in _OBSERVED}
            return jax.vjp(lambda u: see({**state, **u}), seen)[1](weights)[0]

        model = VerosSteps(veros, runs.state)
        return cls(runs, model, model.seen(runs.state), jax.jit(see), jax.jit(pull))

    def problem(self, case: str, forward: Forward, points: np.ndarray, linearisations: Mapping) -> Problem:
        """The window of `forward` as the benchmark takes it."""
        window = _Window(self, forward)
        controls = forward.controls
        steps = StepProblem(
            self.model,
            self.start,
            controls.names,
            window.values,
            controls.slopes,
            window.weights,
            linearisations=linearisations,
        )
        return Problem(
            case,
            forward.window.steps,
            controls.names,
            points,
            window.exact,
            forward,
            steps,
            window.exact_field,
        )


@dataclass(frozen=True)
class _Window:
    stepped: SteppedVeros
    forward: Forward
    _found: dict[bytes, Gradient] = field(default_factory=dict)

    def values(self, x: np.ndarray) -> dict[str, Any]:
        """Parameters "veros/<setting>" of a run at x."""
        controls = self.forward.controls
        return dict(zip(controls.names, map(float, controls.to_values(x)), strict=True))

    def weights(self, states: Sequence[Field]) -> list[Field | None]:
        """dJ/du_k of the cost, k = 0 … n."""
        every = self.forward.window.recording.every
        runs = self.stepped.runs
        fields = [self.stepped.see(dict(state)) for state in states[every::every]]
        stacked = {name: np.stack([np.asarray(record[name]) for record in fields]) for name in fields[0]}
        found: list[Field | None] = [None] * len(states)
        for number, weights in enumerate(runs.record_weights(self.forward, stacked)):
            k = (number + 1) * every
            found[k] = {n: np.asarray(v) for n, v in self.stepped.pull(states[k], weights).items()}
        return found

    def exact(self, x: np.ndarray) -> np.ndarray:
        """Of the parameters, [P]."""
        found, controls = self._exact(x).params, self.forward.controls
        return np.array([float(found[c.entry]) for c in controls.controls]) * controls.slopes(x)

    def exact_field(self, x: np.ndarray) -> Field:
        """Of the initial temperature [k, j, i]."""
        return {FIELD: folded(np.asarray(self._exact(x).state[FIELD]))}

    def _exact(self, x: np.ndarray) -> Gradient:
        key = np.asarray(x, float).tobytes()
        if key not in self._found:
            self._found[key] = self.stepped.runs.exact_gradient(self.forward, x)
        return self._found[key]
