"""A job that has been started: followed without waiting, its end explained, none of its processes left."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from bridge.errors import BridgeError
from bridge.guard import end_session, session_states, start_guarded
from bridge.settings import PATIENCE, check_environment

#: environment variable: the file in which the server leaves the reason of its failure
LAST_WORDS = "NEMO_BRIDGE_LAST_WORDS"
#: seconds between looks at a running job
LOOK = 0.5
#: with fewer bytes left, a failed job is told that its disk is full
FULL_DISK = 1_000_000


class StartedJob:
    """A command line that starts a job, in a session of its own, from the beginning of the block.

    At the end of the block, or of this process, none of its processes is left. `directories` are where its logs are.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], directories: Collection[Path] = ()
    ) -> None:
        check_environment()
        self._command = command
        self._environment = environment
        self._directories = directories
        self._next_look = 0.0
        self._survivors = 0
        self._last_words = ""

    def __enter__(self) -> StartedJob:
        self._folder = tempfile.TemporaryDirectory()
        environment = {**self._environment, LAST_WORDS: str(Path(self._folder.name) / "last_words")}
        try:
            self.launcher, self._guard = start_guarded(self._command, environment)
        except OSError as error:
            self._folder.cleanup()
            raise BridgeError(f"cannot start {self._command[0]}: {error}") from error
        self._suspended = _Suspended(self.launcher.pid)
        return self

    def __exit__(self, *_: object) -> None:
        self._survivors = end_session(self.launcher.pid)
        self.launcher.wait()
        self._guard.dismiss()
        self._last_words = _content(Path(self._folder.name) / "last_words")
        self._folder.cleanup()

    def poll(self, seconds: float = 0.0) -> int | None:
        """Its exit code once it has ended, which is waited for up to `seconds`."""
        try:
            return self.launcher.wait(seconds)
        except subprocess.TimeoutExpired:
            if time.monotonic() >= self._next_look:
                self._next_look = time.monotonic() + 0.9 * LOOK
                self._guard.stay_complete()
                if self._suspended.too_long():
                    self.launcher.kill()
            return None

    def verdict(self, received: int = 0) -> int:
        """Exit code of a job that has ended, in the shell's convention (128 + signal); if it failed, says why.

        `received` is the signal that it was ended with, if it was. Why the server gave up comes last of all: mpirun's
        own banner has scrolled it away.
        """
        if received:
            say(f"the job was stopped by {signal.Signals(received).name}")
            return 128 + received
        code = self.launcher.returncode
        if code < 0:
            name = signal.Signals(-code).name
            launcher = Path(self._command[0]).name
            say(
                f"{launcher} was killed ({name}); {self._survivors} surviving processes of the job were ended"
            )
            code = 128 - code
        elif code > 0:
            say(f"the job failed with exit code {code}")
        if code:
            self._show_logs()
        return code

    def _show_logs(self) -> None:
        for directory in self._directories:
            if tail := log_tail(directory):
                say(f"last lines of the logs in {directory}:\n{tail}")
            if directory.is_dir() and shutil.disk_usage(directory).free < FULL_DISK:
                say(
                    f"the file system of {directory} is full: logs and results may be cut short; make room and repeat"
                )
        if self._last_words:
            say(self._last_words)


class _Suspended:
    """Processes of a job that a signal has stopped while this one goes on: all others would wait for them for ever."""

    def __init__(self, session: int) -> None:
        self._session = session
        # Looks in a row at which each was found stopped; counted, not timed: a machine that sleeps, or a scheduler that
        # stops a whole job, stops this process too.
        self._looks: dict[int, int] = {}

    def too_long(self) -> bool:
        """Is one stopped for longer than the patience? Says so. Called at each look."""
        states = session_states(self._session)
        self._looks = {p: self._looks.get(p, 0) + 1 for p, state in states.items() if state in "Tt"}
        for process, looks in self._looks.items():
            if looks * LOOK > PATIENCE.read():
                say(f"process {process} of the job is stopped (suspended by a signal): ending the job")
                return True
        return False


def say(text: str) -> None:
    """A line on standard error."""
    print(f"nemo-bridge: {text}", file=sys.stderr, flush=True)


def _content(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


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
