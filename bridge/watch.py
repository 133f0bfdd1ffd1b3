"""A running MPI job: started, watched to its end, and its failure explained."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from bridge.launch import Job, mpi_environment, mpirun_command, server_and_models
from bridge.started_job import LAST_WORDS, LOOK, StartedJob

#: seconds between the polite signal and the one that cannot be refused
GRACE = 5.0


def run_job(server_argv: Sequence[str], model_argv: Sequence[str], ranks: int, directory: Path) -> int:
    """Run a server and a model to the end (`server_and_models`, `run`); the job's exit code."""
    return run(server_and_models(server_argv, model_argv, ranks, [directory]))


def run(job: Job, watch: Callable[[], None] | None = None) -> int:
    """Run `job` to its end and return its exit code, non-zero on any failure; `watch` is called twice a second.

    See `run_command`.
    """
    directories = {program.directory for program in job.programs if program.directory}
    environment = mpi_environment(job.ranks) | dict(job.environment)
    return run_command(mpirun_command(job), environment, directories, watch)


def run_command(
    command: Sequence[str],
    environment: Mapping[str, str],
    directories: Collection[Path] = (),
    watch: Callable[[], None] | None = None,
) -> int:
    """Run a command line that starts a job to its end; its exit code, non-zero on any failure.

    The job gets a session of its own. Ctrl-C and SIGTERM are passed on. No process of the job survives its launcher,
    nor this process, however they end. On failure the last lines of the logs in `directories` go to standard error.
    """
    with _Relay() as relay, StartedJob(command, environment, directories) as job:
        relay.target = job.launcher
        while job.poll(LOOK) is None:
            if watch is not None:
                watch()
            if relay.received and time.monotonic() - relay.received_at > GRACE:
                job.launcher.kill()
    return job.verdict(relay.received)


def leave_last_words(text: str) -> None:
    """Tell the process that launched this job why it fails; harmless in a job that somebody else launched."""
    path = os.environ.get(LAST_WORDS)
    if path:
        with contextlib.suppress(OSError):
            Path(path).write_text(text)


class _Relay:
    """Passes SIGINT, SIGTERM and SIGHUP on to the launcher instead of dying of them; those that are ignored (nohup)
    stay so."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.target: subprocess.Popen | None = None
        self.received = 0
        self.received_at = 0.0

    def __enter__(self) -> _Relay:
        heard = [number for number in self.SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        self._previous = {number: signal.signal(number, self._pass_on) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _pass_on(self, number: int, _frame: object) -> None:
        if not self.received:
            self.received, self.received_at = number, time.monotonic()
        if self.target is not None and self.target.poll() is None:
            self.target.send_signal(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)
