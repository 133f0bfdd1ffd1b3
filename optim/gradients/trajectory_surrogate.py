"""Any linearisation of the step map as a field surrogate: Gauss-Newton on the misfit, with the existing minimisers.

Every state of the run is recorded, so that the real model runs once, as it does for any surrogate; what the kinds spend
beyond that (probes, ensembles) they spend on the step model that they were made with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bridge.model import Recording, Trajectory
from emulator.tangent_linear import TangentLinear
from optim.gradients.linearisation import FlowKind, ForcingKind, RecordedRun, linearise
from optim.gradients.step_model import CLOCK, State, Values, fields_of
from optim.gradients.trajectory_adjoint import gradient, tangents


@dataclass(frozen=True)
class TrajectorySurrogate:
    """Tangents of recorded fields along runs from `start`; `parameters` are those that a run does not set.

    `name` goes into the keys of cached Jacobians: name kinds with other settings differently.
    """

    name: str
    flow: FlowKind
    forcing: ForcingKind
    start: State
    parameters: Values = field(default_factory=dict)

    @property
    def recording(self) -> Recording:
        """All fields at every step."""
        return Recording(tuple(fields_of(self.start)), 1)

    def linearise(self, trajectory: Trajectory, names: Sequence[str], fields: Sequence[str]) -> TangentLinear:
        """Tangents [P] of scalar parameters -> {field: tangents at the records}."""
        run = self._recorded(trajectory, names)
        linearisation = linearise(self.flow, self.forcing, run)

        def mv(change: np.ndarray) -> dict[str, np.ndarray]:
            parameters = {name: np.array(float(value)) for name, value in zip(names, change, strict=True)}
            moved = list(tangents(linearisation, run, {"parameters": parameters}))[1:]
            return {name: np.stack([state[name] for state in moved]) for name in fields}

        def rmv(weights: Mapping[str, np.ndarray]) -> np.ndarray:
            by_state = [None, *({name: weights[name][k] for name in fields} for k in range(run.steps))]
            found = gradient(linearisation, run, by_state).parameters
            return np.array([float(found[name]) for name in names])

        return TangentLinear(mv, rmv)

    def _recorded(self, trajectory: Trajectory, names: Sequence[str]) -> RecordedRun:
        flat = {f"{g}/{e}": value for g, entries in trajectory.params.items() for e, value in entries.items()}
        params: dict[str, Any] = {**self.parameters, **flat}
        states = [self.start, *(self._state(trajectory, k) for k in range(len(trajectory.steps)))]
        return RecordedRun(states, params, tuple(names))

    def _state(self, trajectory: Trajectory, k: int) -> State:
        clock = {CLOCK: np.array(trajectory.steps[k])} if CLOCK in self.start else {}
        return {**{name: np.asarray(values[k]) for name, values in trajectory.fields.items()}, **clock}
