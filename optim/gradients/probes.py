"""Parameter columns from single perturbed steps of the real model: B = (Psi(u_k, theta + d) − Psi(u_k, theta)) / d.

The second half of every long-window gradient, and the cheap one: a column costs a step per parameter and step of the
run. Columns change slowly along a run, so that `every` m-th step can do, linearly in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from optim.gradients.linearisation import Forcing, Needs, ParameterVector, RecordedRun
from optim.gradients.step_model import State, StepModel, difference, step_each


@dataclass(frozen=True)
class OneStepProbes:
    """Columns of scalar parameters, each perturbed by its `spread` (in its own units) at every `every`-th step.

    `central` perturbs to both sides: twice the cost, an error of second order.
    """

    model: StepModel
    spread: Mapping[str, float]
    every: int = 1
    central: bool = False
    needs: Needs = Needs(state_access=True, probes=True)

    def __post_init__(self) -> None:
        wrong = {name: size for name, size in self.spread.items() if not size > 0.0}
        if wrong or self.every < 1:
            raise ValueError(f"expected positive spreads and every >= 1, got {wrong or self.every}")

    def steps_per_run(self, run: RecordedRun) -> int:
        """Steps of the model that `forcing` takes."""
        return len(self._places(run)) * len(run.names) * (2 if self.central else 1)

    def forcing(self, run: RecordedRun) -> Forcing:
        """The columns along `run`."""
        for name in run.names:
            if name not in self.spread or np.ndim(run.params[name]):
                raise ValueError(
                    f"expected a scalar parameter with a spread, got {name!r}; spreads are given for "
                    f"{', '.join(self.spread) or 'none'}. Maps need another kind of forcing"
                )
        places = self._places(run)
        columns = {name: self._columns(run, name, places) for name in run.names}
        return _Columns(run, places, columns)

    def _places(self, run: RecordedRun) -> list[int]:
        places = list(range(0, run.steps, self.every))
        return places if places[-1] == run.steps - 1 else [*places, run.steps - 1]

    def _columns(self, run: RecordedRun, name: str, places: list[int]) -> list[State]:
        size, value = self.spread[name], float(run.params[name])
        states = [run.states[k] for k in places]
        upper = step_each(self.model, states, [{**run.params, name: value + size}] * len(places))
        if self.central:
            lower = step_each(self.model, states, [{**run.params, name: value - size}] * len(places))
        else:
            lower = [run.states[k + 1] for k in places]
        width = 2.0 * size if self.central else size
        pairs = zip(upper, lower, strict=True)
        return [{field: d / width for field, d in difference(high, low).items()} for high, low in pairs]


@dataclass(frozen=True)
class _Columns:
    run: RecordedRun
    places: list[int]
    columns: dict[str, list[State]]

    def tangent(self, k: int, change: ParameterVector) -> State:
        total = self.run.no_change()
        for name, size in change.items():
            for weight, column in self._near(k, name):
                total = {field: total[field] + weight * size * column[field] for field in total}
        return total

    def adjoint(self, k: int, sensitivity: State) -> ParameterVector:
        return {
            name: np.array(
                sum(
                    weight * float(np.vdot(column[field], value))
                    for weight, column in self._near(k, name)
                    for field, value in sensitivity.items()
                )
            )
            for name in self.run.names
        }

    def _near(self, k: int, name: str) -> list[tuple[float, State]]:
        """The probed columns around step k with their weights."""
        after = int(np.searchsorted(self.places, k))
        if self.places[after] == k:
            return [(1.0, self.columns[name][after])]
        first, last = self.places[after - 1], self.places[after]
        share = (k - first) / (last - first)
        return [(1.0 - share, self.columns[name][after - 1]), (share, self.columns[name][after])]
