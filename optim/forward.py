"""The real model as a function of the control vector; the one place where a model run is paid for.

Every run is looked up in the ledger before it is made and stored after, so a resumed job repeats none.
`runs` counts the distinct runs asked for, whether made now or found in the ledger: a budget counted that
way ends a resumed job where the uninterrupted one would have ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bridge.ledger import Ledger
from bridge.ledger_key import content_hash, run_key
from bridge.model import BatchModel, Model, Outcome, OutcomeKind, Params, Recording, Snapshot, Trajectory
from optim.control import ControlVector
from optim.cost import Cost

#: how a run ends by what it computes, and not by what happened to its processes
_ENDS = (OutcomeKind.COMPLETED, OutcomeKind.BLEW_UP)


@dataclass(frozen=True)
class Window:
    """One model run: from `snapshot`, `steps` steps, recording as `recording` says."""

    snapshot: Snapshot
    steps: int
    recording: Recording


@dataclass(frozen=True)
class Identity:
    """What else a run's result depends on, for the ledger: the program, its namelist, its input files.

    Each as `bridge.ledger_key.run_key` takes it (a file counts by its bytes). `start` is the recipe of the initial
    state where its content is not the same at every start of the model; without it the snapshot's own id counts.
    """

    executable: str | Path
    namelist: Any = ""
    forcing: Any = None
    start: str = ""


@dataclass(frozen=True)
class Observed:
    """What the observation operators saw of one run; `misfit` [m] is None when the run failed."""

    misfit: np.ndarray | None
    outcome: Outcome


@dataclass
class Forward:
    """x -> run of the model -> misfit.

    `fixed` are namelist values that are set in every run and not tuned.
    """

    model: Model
    controls: ControlVector
    cost: Cost
    window: Window
    ledger: Ledger | None = None
    identity: Identity = Identity("in-process model")
    fixed: Params = field(default_factory=dict)
    runs: int = 0
    live_runs: int = 0
    _seen: dict[str, Observed] = field(default_factory=dict, repr=False)
    _latest: tuple[str, Trajectory] | None = field(default=None, repr=False)

    def params(self, x: np.ndarray) -> Params:
        """Namelist values of a run at x: the fixed ones and the controls."""
        params = {group: dict(entries) for group, entries in self.fixed.items()}
        for group, entries in self.controls.to_params(x).items():
            params.setdefault(group, {}).update(entries)
        return params

    def key(self, x: np.ndarray) -> str:
        """Identity of the run at x, as the ledger knows it."""
        return run_key(
            executable=self.identity.executable,
            namelist=self.identity.namelist,
            snapshot=self.identity.start or self.window.snapshot,
            params=self.params(x),
            steps=self.window.steps,
            recording=self.window.recording,
            forcing=self.identity.forcing,
        )

    def fingerprint(self) -> str:
        """Identity of what misfits and their Jacobians depend on besides the run: data and controls."""
        blocks = [
            (
                b.operator.field,
                b.operator.time_weights,
                b.operator.index,
                b.operator.point_weights,
                b.values,
                b.sigma,
            )
            for b in self.cost.blocks
        ]
        return content_hash([blocks, [repr(control) for control in self.controls.controls]])[:16]

    def known(self, x: np.ndarray) -> bool:
        """True if observing x asks for no further run in this job."""
        return self.key(x) in self._seen

    def observe(self, x: np.ndarray) -> Observed:
        """Misfit of the run at x (at most one run)."""
        key = self.key(x)
        if key not in self._seen:
            self.trajectory(x)
        return self._seen[key]

    def observe_all(self, points: Iterable[np.ndarray]) -> None:
        """Make the runs at `points` that are not known yet, all at once if the model can; `observe` then knows them.

        For points that will be observed in any case. With a model that makes one run at a time this does nothing.
        """
        if not isinstance(self.model, BatchModel):
            return
        missing = {key: x for x in points if (key := self.key(x)) not in self._seen}
        for key in list(missing):
            found = self._found(key)
            if found is not None:
                self._note(key, found)
                del missing[key]
        keys, window = list(missing), self.window

        def finished(position: int, trajectory: Trajectory) -> None:
            key = keys[position]
            self._pay(key, missing[key], trajectory)
            self._note(key, trajectory)

        if missing:
            params = [self.params(x) for x in missing.values()]
            self.model.map(params, window.snapshot, window.steps, window.recording, finished)

    def trajectory(self, x: np.ndarray) -> Trajectory:
        """Recorded fields of the run at x (at most one run)."""
        key = self.key(x)
        if self._latest is not None and self._latest[0] == key:
            return self._latest[1]
        trajectory = self._found(key)
        if trajectory is None:
            trajectory = self._run(key, x)
        self._latest = (key, trajectory)
        self._note(key, trajectory)
        return trajectory

    def _found(self, key: str) -> Trajectory | None:
        """The run as the ledger has it, if it came to an end of its own: what killed a model may not do so again."""
        found = self.ledger.lookup(key) if self.ledger is not None else None
        if found is None or key in self._seen or found.outcome.kind in _ENDS:
            return found
        return None

    def _note(self, key: str, trajectory: Trajectory) -> None:
        self.runs += key not in self._seen
        self._seen.setdefault(key, self._observed(trajectory))

    def _run(self, key: str, x: np.ndarray) -> Trajectory:
        window = self.window
        trajectory = self.model.run(self.params(x), window.snapshot, window.steps, window.recording)
        self._pay(key, x, trajectory)
        return trajectory

    def _pay(self, key: str, x: np.ndarray, trajectory: Trajectory) -> None:
        self.live_runs += 1
        if self.ledger is not None:
            self.ledger.store(key, trajectory, {"x": [float(component) for component in x]})

    def _observed(self, trajectory: Trajectory) -> Observed:
        if trajectory.outcome.kind is not OutcomeKind.COMPLETED:
            return Observed(None, trajectory.outcome)
        misfit = self.cost.misfit(trajectory.fields)
        if not np.all(np.isfinite(misfit)):
            step = int(trajectory.steps[-1])
            return Observed(None, Outcome(OutcomeKind.BLEW_UP, step, "observed fields are not finite"))
        return Observed(misfit, trajectory.outcome)
