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

#: becomes the launcher at a word from us, or leaves when we are gone; then the kernel ends the launcher when we die
_AT_THE_WORD = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores, and the launcher would go on ignoring
    signal.signal(number, signal.SIG_DFL)
if sys.stdin.readline() and os.getppid() == int(sys.argv[1]):
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.execvp(sys.argv[2], sys.argv[2:])
"""
_FAREWELL = 5.0  # seconds for the guard to leave in peace


class Guard:
    """A process that ends the job's session if this process dies, however it dies.

    It waits on a pipe that the kernel closes when we are gone. (The signal that the kernel then sends to mpirun is not
    enough: mpirun sometimes leaves without its ranks. It is for the moment in which a guard was killed too.)
    """

    def __init__(self, session: int) -> None:
        self._session = session
        code = f"from bridge.guard import guard; guard({session})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, *_: object) -> None:
        self.dismiss()

    def at_post(self) -> Guard:
        """This guard, or another one if somebody has ended it."""
        return self if self._process.poll() is None else Guard(self._session)

    def dismiss(self) -> None:
        """The watch is over: say the word that lets the guard leave in peace. Once more does no harm."""
        assert self._process.stdin is not None
        if not self._process.stdin.closed:
            with contextlib.suppress(OSError), self._process.stdin as stdin:  # it may be gone
                stdin.write(b"done")
        try:
            self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def start_guarded(
    command: Sequence[str], environment: Mapping[str, str], **options: Any
) -> tuple[subprocess.Popen, Guard]:
    """Start a launcher in a session of its own, and its guard; OSError if there is no such program.

    The launcher begins when the guard is there: nobody would end it if we died between the two. It gets SIGTERM at the
    end of the thread that calls this.
    """
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    launcher = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _AT_THE_WORD, str(os.getpid()), *command],
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


def guard(session: int) -> None:
    """Body of the guard process: wait for the word, or for the end of the process that should say it."""
    if not sys.stdin.buffer.read():
        survivors = end_session(session)
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
