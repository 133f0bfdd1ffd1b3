"""A model that is started anew for every run: for what a running model cannot change.

`RelaunchedModel` answers like a Session. Each run writes the scalars of its parameters into the model's namelist
and starts an MPI job of a small server (this module as a program) and the model. Field parameters,
which no namelist can hold, are set by the server before the first step.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bridge import watch
from bridge.errors import ModelCrashed
from bridge.model import (
    ModelDescription,
    Outcome,
    OutcomeKind,
    Params,
    Recording,
    Snapshot,
    Trajectory,
    require_finite,
)
from bridge.trajectory_file import trajectory_from_bytes, trajectory_to_bytes

REQUEST, DESCRIPTION, RESULT = "request.pickle", "description.pickle", "result.nc"
_START = "the start of the namelist"


@dataclass
class RelaunchedModel:
    """Runs of `argv` in `folder`, each a job of its own.

    `prepare(folder, scalars)` fills the folder, with the scalars {group: {entry: value}} in the namelist. All runs
    start where the namelist says, so the only snapshot is that start; its `step` is the first that the
    server sees (NEMO computes one step before).
    """

    folder: Path
    prepare: Callable[[Path, Params], None]
    argv: Sequence[str]
    ranks: int
    timeout: float = 300.0
    _description: ModelDescription | None = field(default=None, init=False, repr=False)
    _first_step: int = field(default=0, init=False)

    def describe(self) -> ModelDescription:
        """Grid, fields and parameters as the namelist sets them; the first call starts the model once."""
        if self._description is None:
            self._job({}, 0, Recording((), 1))
            self._description, self._first_step = pickle.loads((self.folder / DESCRIPTION).read_bytes())
        assert self._description is not None
        return self._description

    def snapshot(self) -> Snapshot:
        """The start of every run."""
        self.describe()
        return Snapshot(_START, None, self._first_step)

    def run(self, params: Params, snapshot: Snapshot, steps: int, record: Recording) -> Trajectory:
        """Start the model with `params`, run `steps` steps and record; a job that fails is an outcome."""
        if snapshot.id != _START:
            raise ValueError(f"a relaunched model starts where its namelist says, not from {snapshot.id!r}")
        code = self._job(params, steps, record)
        result = self.folder / RESULT
        if code != 0 or not result.is_file():
            return self._crashed(code, params, snapshot)
        return trajectory_from_bytes(result.read_bytes())

    def _job(self, params: Params, steps: int, record: Recording) -> int:
        """Run one job; its exit code. ModelCrashed when not even the description can be had."""
        scalars, arrays = _split(params)
        self.prepare(self.folder, scalars)
        for name in (DESCRIPTION, RESULT):
            (self.folder / name).unlink(missing_ok=True)
        request = {"params": params, "arrays": arrays, "steps": steps, "record": record}
        (self.folder / REQUEST).write_bytes(pickle.dumps(request | {"timeout": self.timeout}))
        server = [sys.executable, "-m", "bridge.relaunch", str(self.folder.resolve())]
        code = watch.run_job(server, list(self.argv), self.ranks, self.folder.resolve())
        if code > 128:
            raise KeyboardInterrupt(f"the job was ended by signal {code - 128}")
        if steps == 0 and code != 0:
            raise ModelCrashed("the model could not be started", self.folder, watch.log_tail(self.folder))
        return code

    def _crashed(self, code: int, params: Params, snapshot: Snapshot) -> Trajectory:
        message = f"the job failed with exit code {code}"
        outcome = Outcome(OutcomeKind.CRASHED, snapshot.step, message)
        return Trajectory(np.zeros(0, int), self.describe().time_step, {}, params, outcome, snapshot)


def _split(params: Params) -> tuple[Params, dict[str, np.ndarray]]:
    """Scalars for the namelist, and {"group/entry": array} for the running model; all must be finite (ValueError)."""
    scalars: Params = {}
    arrays: dict[str, np.ndarray] = {}
    for group, entries in params.items():
        for entry, value in entries.items():
            require_finite(f"{group}/{entry}", np.asarray(value))
            if np.ndim(value):
                arrays[f"{group}/{entry}"] = np.asarray(value)
            else:
                scalars.setdefault(group, {})[entry] = float(value)
    return scalars, arrays


def serve(folder: Path) -> None:
    """The server of one job: do what the request in `folder` asks for."""
    from bridge.session import Session

    request: dict[str, Any] = pickle.loads((folder / REQUEST).read_bytes())
    with Session.over_mpi(request["timeout"]) as session:
        described = (session.describe(), session.step)
        (folder / DESCRIPTION).write_bytes(pickle.dumps(described))
        if request["steps"]:
            session.set(request["arrays"])
            start = Snapshot(_START, None, session.step)
            trajectory = session.advance(request["steps"], request["record"], request["params"], start)
            (folder / RESULT).write_bytes(trajectory_to_bytes(trajectory))


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
