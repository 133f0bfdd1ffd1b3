"""A running MPI job: started, watched to its end, and its failure explained."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from bridge.errors import BridgeError
from bridge.guard import Guard, end_session, session_states
from bridge.launch import Job, mpi_environment, mpirun_command, server_and_models
from bridge.patience import patience

#: seconds between the polite signal and the one that cannot be refused
GRACE = 5.0
#: environment variable: the file in which the server leaves the reason of its failure
LAST_WORDS = "NEMO_BRIDGE_LAST_WORDS"
#: seconds between looks at a running job
_LOOK = 0.5
#: with fewer bytes left, a failed job is told that its disk is full
FULL_DISK = 1_000_000


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
    with _Relay() as relay, tempfile.TemporaryDirectory() as folder:
        last_words = Path(folder) / "last_words"
        try:
            launcher = subprocess.Popen(
                command, env={**environment, LAST_WORDS: str(last_words)}, start_new_session=True
            )
        except OSError as error:
            raise BridgeError(f"cannot start {command[0]}: {error}") from error
        relay.target = launcher
        try:
            with Guard(launcher.pid):
                code = _wait(launcher, relay, watch)
        finally:
            survivors = end_session(launcher.pid)
        reason = _last_words(last_words)
    name = Path(command[0]).name
    return _verdict(name, code, survivors, relay, directories, reason)


def _wait(launcher: subprocess.Popen, relay: _Relay, watch: Callable[[], None] | None) -> int:
    suspended = _Suspended(launcher.pid)
    while True:
        try:
            return launcher.wait(timeout=_LOOK)
        except subprocess.TimeoutExpired:
            if watch is not None:
                watch()
            if suspended.too_long():
                launcher.kill()
            if relay.received and time.monotonic() - relay.received_at > GRACE:
                launcher.kill()


def _verdict(
    launcher: str, code: int, survivors: int, relay: _Relay, directories: Collection[Path], last_words: str
) -> int:
    """The job's exit code in the shell's convention (128 + signal), with a message on standard error if it failed.

    `last_words`, why the server gave up, come last of all: mpirun's own banner has scrolled them away.
    """
    if relay.received:
        _say(f"the job was stopped by {signal.Signals(relay.received).name}")
        return 128 + relay.received
    if code < 0:
        name = signal.Signals(-code).name
        _say(f"{launcher} was killed ({name}); {survivors} surviving processes of the job were ended")
        code = 128 - code
    elif code > 0:
        _say(f"the job failed with exit code {code}")
    if code:
        for directory in directories:
            tail = log_tail(directory)
            if tail:
                _say(f"last lines of the logs in {directory}:\n{tail}")
            if directory.is_dir() and shutil.disk_usage(directory).free < FULL_DISK:
                _say(
                    f"the file system of {directory} is full: logs and results may be cut short; make room and repeat"
                )
        if last_words:
            _say(last_words)
    return code


def leave_last_words(text: str) -> None:
    """Tell the process that launched this job why it fails; harmless in a job that somebody else launched."""
    path = os.environ.get(LAST_WORDS)
    if path:
        with contextlib.suppress(OSError):
            Path(path).write_text(text)


def _last_words(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _say(text: str) -> None:
    print(f"nemo-bridge: {text}", file=sys.stderr, flush=True)


class _Suspended:
    """Processes of a job that a signal has stopped while this one goes on: all others would wait for them for ever."""

    def __init__(self, session: int) -> None:
        self._session = session
        self._looks: dict[
            int, int
        ] = {}  # at which each was found stopped, without a break; counted, not timed:
        # a machine that sleeps, or a scheduler that stops a whole job, stops this process too

    def too_long(self) -> bool:
        """Is one stopped for longer than the patience? Says so. Called at each look."""
        states = session_states(self._session)
        self._looks = {p: self._looks.get(p, 0) + 1 for p, state in states.items() if state in "Tt"}
        for process, looks in self._looks.items():
            if looks * _LOOK > patience():
                _say(f"process {process} of the job is stopped (suspended by a signal): ending the job")
                return True
        return False


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


def log_tail(directory: Path, lines: int = 15) -> str:
    """Last lines of the logs in `directory` (`*.log*`, `ocean.output`); of several ranks, each different text once."""
    logs = sorted({*directory.glob("*.log*"), *directory.glob("ocean.output*")})
    pieces: dict[str, list[str]] = {}
    for log in logs:
        text = "\n".join(_last_lines(log, lines))
        if text:
            pieces.setdefault(text, []).append(log.name)
    return "\n".join(f"--- {', '.join(names)}\n{text}" for text, names in pieces.items())


def _last_lines(path: Path, lines: int) -> list[str]:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 200 * lines))
        return stream.read().decode(errors="replace").splitlines()[-lines:]
