"""Model instances that we start ourselves, each a job of its own over ZMQ: watched, and started again when they die."""

from __future__ import annotations

import logging
import math
import signal
import subprocess
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from bridge.errors import BridgeError, ModelCrashed
from bridge.guard import Guard, end_session, start_guarded
from bridge.launch import Job, mpi_environment, mpirun_command
from bridge.started_job import LOOK, log_tail

#: in a model's folder: what mpirun itself says
LAUNCHER_LOG = "mpirun.log"
_FAILED_STARTS = 2  # in a row, after which an instance is not started any more
_FAREWELL = 5.0  # s for models that were told to stop
_log = logging.getLogger("nemo-bridge")


class ModelJobs:
    """`instances` jobs, of which `prepare(instance)` fills the folder and tells the command.

    One that ends while its server still wants it is started again, at most `restarts` times. One that has not met its
    server `timeout` seconds after its start is ended. Nothing survives the block, nor this process.
    """

    def __init__(
        self, prepare: Callable[[int], Job], instances: int, restarts: int = 10, timeout: float = 300.0
    ) -> None:
        self._jobs = [_ModelJob(instance, prepare) for instance in range(instances)]
        self._restarts = restarts
        self._timeout = timeout
        self._next_look = 0.0

    def tend(self, connected: Collection[int]) -> None:
        """Start what is not there; `connected` are the labels of the instances that the server has.

        ModelCrashed when an instance cannot be started, or when none is left. Cheap enough for each turn of a loop.
        """
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK
            for job in self._jobs:
                job.keep_guarded()
        for job in self._jobs:
            if job.given_up:
                continue
            if not job.started:
                job.start()
            elif job.instance in connected:
                job.has_joined()
            elif (reason := job.lost(self._timeout)) is not None:
                self._again(job, reason)
        if all(job.given_up for job in self._jobs):
            raise ModelCrashed(f"no instance of the model is left; {self.summary()}")

    def summary(self) -> str:
        """How often instances had to be started again; empty if none."""
        parts = [
            f"instance {job.instance} was started again {_times(job.restarts)}"
            + (" and then given up" if job.given_up else "")
            for job in self._jobs
            if job.restarts or job.given_up
        ]
        return "; ".join(parts)

    def __enter__(self) -> ModelJobs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait a moment for models that were told to stop (not after an error), and end what is left."""
        deadline = time.monotonic() + (_FAREWELL if error is None else 0.0)
        for job in self._jobs:
            job.wait(deadline)
        for job in self._jobs:
            job.end()

    def _again(self, job: _ModelJob, reason: str) -> None:
        job.end()
        _log.warning("%s", reason)
        if job.failed_starts >= _FAILED_STARTS and not job.ever_joined:
            raise ModelCrashed(f"{reason}; it cannot be started", job.folder, log_tail(job.folder))
        if job.failed_starts >= _FAILED_STARTS or job.restarts >= self._restarts:
            job.given_up = True
            _log.warning("instance %d is given up after %s", job.instance, _times(job.restarts, "restart"))
            return
        job.restarts += 1
        job.start()
        _log.warning("instance %d is started again (%d of %d)", job.instance, job.restarts, self._restarts)


@dataclass
class _ModelJob:
    """One instance: its job, and what has become of it so far."""

    instance: int
    prepare: Callable[[int], Job]
    restarts: int = 0
    failed_starts: int = 0  # in a row
    ever_joined: bool = False
    given_up: bool = False
    folder: Path = field(default_factory=Path)
    _joined: bool = False  # in its present life
    _since: float = math.inf
    _process: subprocess.Popen | None = None
    _guard: Guard | None = None

    @property
    def started(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        job = self.prepare(self.instance)
        self.folder = job.programs[0].directory or Path()
        command = mpirun_command(job)
        environment = mpi_environment(job.ranks) | dict(job.environment)
        with self._launcher_log() as log:
            try:
                self._process, self._guard = start_guarded(command, environment, stdout=log, stderr=log)
            except OSError as error:
                raise BridgeError(f"cannot start {command[0]}: {error}") from error
        self._joined, self._since = False, time.monotonic()

    def has_joined(self) -> None:
        self._joined = self.ever_joined = True
        self.failed_starts = 0

    def lost(self, timeout: float) -> str | None:
        """Why the job is of no use any more, if so."""
        assert self._process is not None
        code = self._process.poll()
        where = f"the job of instance {self.instance} (process {self._process.pid}, log {self.folder / LAUNCHER_LOG})"
        if self._joined:
            return f"{where} {'has lost its server' if code is None else 'ended: ' + _ending(code)}"
        waited = time.monotonic() - self._since
        if code is None and waited <= timeout:
            return None  # on its way
        self.failed_starts += 1
        if code is None:
            return f"{where} has not met its server within {timeout:g} s"
        return f"{where} ended before it met its server: {_ending(code)}"

    def keep_guarded(self) -> None:
        """See that its guard lives."""
        if self._guard is not None:
            self._guard.stay_complete()

    def wait(self, deadline: float) -> None:
        """Wait for its end by itself."""
        if self._process is not None:
            try:
                self._process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass

    def end(self) -> None:
        """See that nothing of it is left."""
        if self._process is None:
            return
        end_session(self._process.pid)
        self._process.wait()
        if self._guard is not None:
            self._guard.dismiss()
        self._process = self._guard = None

    def _launcher_log(self) -> IO[bytes]:
        return open(self.folder / LAUNCHER_LOG, "ab")


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _times(count: int, what: str = "time") -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")
