"""A model that also records what can be computed from its fields, as if it were a field of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bridge.model import BatchModel, Model, ModelDescription, Params, Recording, Snapshot, Trajectory


@dataclass(frozen=True)
class Diagnostic:
    """`compute(field)` is a JAX function of one recorded field [..., (k,) j, i]."""

    name: str
    field: str
    compute: Callable[[Any], Any]


@dataclass(frozen=True)
class Diagnosed:
    """`model` with diagnostics; implements `bridge.model.BatchModel`."""

    model: Model
    diagnostics: tuple[Diagnostic, ...]

    def describe(self) -> ModelDescription:
        """The model's own."""
        return self.model.describe()

    def run(self, params: Params, snapshot: Snapshot, steps: int, record: Recording) -> Trajectory:
        """One run; diagnostics that `record` names are computed from their fields."""
        return self._with_diagnostics(self.model.run(params, snapshot, steps, self._asked(record)), record)

    def map(
        self,
        params_batch: Iterable[Params],
        snapshot: Snapshot,
        steps: int,
        record: Recording,
        finished: Callable[[int, Trajectory], None] | None = None,
    ) -> list[Trajectory]:
        """One run for each of `params_batch`, at once if the model can."""
        if not isinstance(self.model, BatchModel):
            runs = (self.run(params, snapshot, steps, record) for params in params_batch)
            return [_told(finished, position, run) for position, run in enumerate(runs)]

        def end(position: int, trajectory: Trajectory) -> None:
            if finished is not None:
                finished(position, self._with_diagnostics(trajectory, record))

        made = self.model.map(params_batch, snapshot, steps, self._asked(record), end)
        return [self._with_diagnostics(trajectory, record) for trajectory in made]

    def adjoint(self, records: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Sensitivities to all recorded fields -> those to the model's own, at its `records`."""
        total = {name: np.asarray(value) for name, value in weights.items()}
        for item in self.diagnostics:
            if item.name in total:
                _, pull = jax.vjp(item.compute, jnp.asarray(records[item.field]))
                (share,) = pull(jnp.asarray(total.pop(item.name)))
                total[item.field] = total.get(item.field, 0.0) + np.asarray(share)
        return total

    def complete(self, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The fields and every diagnostic that can be computed from them."""
        there = [item for item in self.diagnostics if item.field in fields]
        return {**fields, **{item.name: np.asarray(item.compute(fields[item.field])) for item in there}}

    def _asked(self, record: Recording) -> Recording:
        """What the model itself has to record."""
        sources = {item.name: item.field for item in self.diagnostics}
        return replace(record, fields=tuple(dict.fromkeys(sources.get(f, f) for f in record.fields)))

    def _with_diagnostics(self, trajectory: Trajectory, record: Recording) -> Trajectory:
        if not trajectory.fields:
            return trajectory
        fields = self.complete(trajectory.fields)
        return replace(trajectory, fields={name: fields[name] for name in record.fields})


def _told(finished: Callable[[int, Trajectory], None] | None, position: int, run: Trajectory) -> Trajectory:
    if finished is not None:
        finished(position, run)
    return run
