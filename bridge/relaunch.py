"""A model that is started anew for every run: for what a running model cannot change.

`RelaunchedModel` answers like a Session. Each run writes the scalars of its parameters into the model's namelist
and starts an MPI job of a small server (this module as a program) and the model. Field parameters,
which no namelist can hold, are set by the server before the first step.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bridge.errors import ModelCrashed
from bridge.launch import model_over_zmq, mpi_environment, mpirun_command, server_and_models
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
from bridge.started_job import StartedJob, log_tail
from bridge.trajectory_file import trajectory_from_bytes, trajectory_to_bytes

if TYPE_CHECKING:
    from bridge.session import Session

REQUEST, DESCRIPTION, RESULT = "request.pickle", "description.pickle", "result.nc"
_START = "the start of the namelist"
_ATTEMPTS = 2  # jobs for one run: what killed the first one may have been no fault of the parameters
_LOOK = 0.05  # s between looks at a job
Ended = TypeVar("Ended")


@dataclass(eq=False)
class RelaunchedModel:
    """Runs of `argv` in `folder`, each a job of its own; one that fails is started once more.

    A job is a server and the model over MPI, or with `endpoint` a server that starts the model over ZMQ.

    `prepare(folder, scalars)` fills the folder, with the scalars {group: {entry: value}} in the namelist. All runs
    start where the namelist says, so the only snapshot is that start; its `step` is the first that the
    server sees (NEMO computes one step before).
    """

    folder: Path
    prepare: Callable[[Path, Params], None]
    argv: Sequence[str]
    ranks: int
    timeout: float = 300.0
    endpoint: str = ""
    keys: Path | None = None
    _description: ModelDescription | None = field(default=None, init=False, repr=False)
    _first_step: int = field(default=0, init=False)

    def describe(self) -> ModelDescription:
        """Grid, fields and parameters as the namelist sets them; the first call starts the model once."""
        if self._description is None:
            if _to_the_end(self._job({}, 0, Recording((), 1))) != 0:
                raise ModelCrashed("the model could not be started", self.folder, log_tail(self.folder))
            self._description, self._first_step = pickle.loads((self.folder / DESCRIPTION).read_bytes())
        assert self._description is not None
        return self._description

    def snapshot(self) -> Snapshot:
        """The start of every run."""
        self.describe()
        return Snapshot(_START, None, self._first_step)

    def run(self, params: Params, snapshot: Snapshot, steps: int, record: Recording) -> Trajectory:
        """Start the model with `params`, run `steps` steps and record; a job that fails twice is an outcome."""
        return _to_the_end(self.running(params, snapshot, steps, record))

    def running(
        self, params: Params, snapshot: Snapshot, steps: int, record: Recording
    ) -> Generator[float, None, Trajectory]:
        """As `run`, as a generator that yields now and then, so that one thread can follow several."""
        if snapshot.id != _START:
            raise ValueError(f"a relaunched model starts where its namelist says, not from {snapshot.id!r}")
        code = 0
        for _ in range(_ATTEMPTS):
            code = yield from self._job(params, steps, record)
            if code == 0 and (self.folder / RESULT).is_file():
                return trajectory_from_bytes((self.folder / RESULT).read_bytes())
        return self._crashed(code, params, snapshot)

    def rest(self, seconds: float) -> None:
        """Let others have the core."""
        time.sleep(max(seconds, _LOOK))

    @property
    def lost(self) -> bool:
        """Never: a job that fails is no loss of what starts the next one."""
        return False

    @property
    def independent(self) -> bool:
        """Yes: its end leaves this process alone."""
        return True

    def _job(self, params: Params, steps: int, record: Recording) -> Generator[float, None, int]:
        """Run one job; its exit code."""
        folder = self.folder.resolve()
        scalars, arrays = _split(params)
        self.prepare(self.folder, scalars)
        for name in (DESCRIPTION, RESULT):
            (folder / name).unlink(missing_ok=True)
        request = {"params": params, "arrays": arrays, "steps": steps, "record": record}
        request |= {"timeout": self.timeout, "endpoint": self.endpoint, "keys": self.keys}
        server = [sys.executable, "-m", "bridge.relaunch", str(folder)]
        command, environment = server, dict(os.environ)
        if self.endpoint:
            request["model"] = model_over_zmq(self.argv, self.ranks, folder, self.endpoint, 0, self.keys)
        else:
            job = server_and_models(server, self.argv, self.ranks, [folder])
            command = mpirun_command(job)
            environment = mpi_environment(job.ranks) | dict(job.environment)
        (folder / REQUEST).write_bytes(pickle.dumps(request))
        with StartedJob(command, environment, [folder]) as started:
            while started.poll() is None:
                yield time.monotonic()
        return started.verdict()

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


def _to_the_end(job: Generator[float, None, Ended]) -> Ended:
    """Follow one job, waiting."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            ended: Ended = end.value
            return ended
        time.sleep(_LOOK)


def serve(folder: Path) -> None:
    """The server of one job: do what the request in `folder` asks for."""
    request: dict[str, Any] = pickle.loads((folder / REQUEST).read_bytes())
    with _over_zmq(request) if request["endpoint"] else _over_mpi(request) as session:
        described = (session.describe(), session.step)
        (folder / DESCRIPTION).write_bytes(pickle.dumps(described))
        if request["steps"]:
            session.set(request["arrays"])
            start = Snapshot(_START, None, session.step)
            trajectory = session.advance(request["steps"], request["record"], request["params"], start)
            (folder / RESULT).write_bytes(trajectory_to_bytes(trajectory))


def _over_mpi(request: dict[str, Any]) -> Session:
    from bridge.session import Session

    return Session.over_mpi(request["timeout"])


@contextmanager
def _over_zmq(request: dict[str, Any]) -> Iterator[Session]:
    """The model as a job of its own, in our session, so that whoever ends that ends both."""
    from bridge.session import Session
    from bridge.transport.zmq_transport import Endpoint

    job = request["model"]
    endpoint = Endpoint(request["endpoint"], request["keys"])
    launcher = subprocess.Popen(mpirun_command(job), env=mpi_environment(job.ranks) | dict(job.environment))

    def still_there() -> None:
        if launcher.poll() is not None:
            raise ModelCrashed(f"the model ended before it met its server (exit code {launcher.returncode})")

    transport = endpoint.accept(request["timeout"], still_there)
    endpoint.close_with_the_last()
    with Session.with_model(transport) as session:
        yield session
    if launcher.wait() != 0:
        raise ModelCrashed(f"the model ended with exit code {launcher.returncode}")


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
