"""No process of a job outlives it: the session that a job runs in, and a guard that ends it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: a shell that becomes the launcher at a word from us, or leaves when we are gone
_AT_THE_WORD = 'read -r word && exec "$0" "$@" < /dev/null'
_FAREWELL = 5.0  # seconds for a guard to leave in peace
_WAITS = (0.0, 3.0)  # seconds before each of the two ends the session: the second finds nothing left to do


class Guard:
    """Ends the job's session if this process dies, however it dies.

    Two processes, so that one is left when somebody ends the other and then us. Each waits on a pipe that the kernel
    closes when we are gone. (Asking the kernel to send mpirun a signal is not enough: mpirun sometimes leaves without
    its ranks.)
    """

    def __init__(self, session: int) -> None:
        self._session = session
        self._processes = [self._posted(wait) for wait in _WAITS]

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, *_: object) -> None:
        self.dismiss()

    def stay_complete(self) -> None:
        """Replace those processes that somebody has ended; called now and then."""
        for number, process in enumerate(self._processes):
            if process.poll() is not None:
                self._processes[number] = self._posted(_WAITS[number])

    def dismiss(self) -> None:
        """The watch is over: say the word that lets them leave in peace. Once more does no harm."""
        for process in self._processes:
            assert process.stdin is not None
            if not process.stdin.closed:
                with contextlib.suppress(OSError), process.stdin as stdin:  # it may be gone
                    stdin.write(b"done")
        for process in self._processes:
            try:
                process.wait(_FAREWELL)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _posted(self, wait: float) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(self._session), str(wait)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )


def start_guarded(
    command: Sequence[str], environment: Mapping[str, str], **options: Any
) -> tuple[subprocess.Popen, Guard]:
    """Start a launcher in a session of its own, and its guard; OSError if there is no such program.

    The launcher begins when the guard is there: nobody would end it if we died between the two.
    """
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    launcher = subprocess.Popen(
        ["/bin/sh", "-c", _AT_THE_WORD, *command],
        env=environment,
        stdin=subprocess.PIPE,
        start_new_session=True,
        **options,
    )
    guard = Guard(launcher.pid)
    assert launcher.stdin is not None
    with contextlib.suppress(BrokenPipeError), launcher.stdin as stdin:
        stdin.write(b"go\n")
    return launcher, guard


def guard(session: int, wait: float) -> None:
    """Body of a guard process: wait for the word, or for the end of the process that should say it."""
    if sys.stdin.buffer.read():
        return
    time.sleep(wait)
    survivors = end_session(session)
    if survivors or not wait:
        print(
            f"nemo-bridge: the launching process died; {survivors} processes of its job were ended",
            file=sys.stderr,
            flush=True,
        )


def end_session(session: int, grace: float = 2.0) -> int:
    """End every process of the session: SIGTERM, then SIGKILL after `grace` seconds. How many there were.

    mpirun gives each rank its own process group, so the group does not reach them: the session does.
    """
    found = session_members(session)
    _signal_all(found, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while (alive := session_members(session)) and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal_all(alive, signal.SIGKILL)
    return len(found)


def session_members(session: int) -> list[int]:
    """Process ids of the living processes of a session."""
    return list(session_states(session))


def session_states(session: int) -> dict[int, str]:
    """The living processes of a session, and in which state the kernel has each (R, S, D, T …)."""
    states = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        if fields[0] != "Z" and int(fields[3]) == session:
            states[int(entry.name)] = fields[0]
    return states


def _signal_all(processes: Sequence[int], number: signal.Signals) -> None:
    for process in processes:
        try:
            os.kill(process, number)
        except (ProcessLookupError, PermissionError):
            pass  # it ended meanwhile; its number may be somebody else's by now


if __name__ == "__main__":  # with nothing imported but what stands above, to be there soon
    guard(int(sys.argv[1]), float(sys.argv[2]))
