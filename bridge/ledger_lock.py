"""One owner at a time: a lock file that says which process on which host has a ledger or a run directory."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from pathlib import Path

from bridge.errors import LedgerBusy


class OwnerLock:
    """Exclusive ownership, given up by `release` or by the owner's death.

    The kernel's file lock decides on one host; the pid, start time and host written into the file tell the user who
    it is, and decide where the file system has no locks.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Become the owner, taking over from a dead one; LedgerBusy while another process lives."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            locked = _lock(descriptor)
            owner = _read_owner(descriptor)
            if locked is False:
                raise LedgerBusy(self._busy(owner))
            if owner and owner.get("host") != socket.gethostname():
                raise LedgerBusy(
                    f"{self._busy(owner)}; this is host {socket.gethostname()}, which cannot see whether that process "
                    f"lives: if that job is over, remove {self.path}"
                )
            if locked is None and owner and _alive(owner):
                raise LedgerBusy(self._busy(owner))
            _write_owner(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Give up ownership; harmless when not the owner."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)  # closing drops the kernel's lock
            self._descriptor = None

    def _busy(self, owner: dict) -> str:
        who = f"process {owner.get('pid', '?')} on {owner.get('host', '?')} since {owner.get('since', '?')}"
        return f"{self.path.parent} is in use by {who}"


def _lock(descriptor: int) -> bool | None:
    """True: locked; False: another process has it; None: this file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _read_owner(descriptor: int) -> dict:
    try:
        return json.loads(os.pread(descriptor, 4096, 0) or b"{}")
    except ValueError:
        return {}


def _write_owner(descriptor: int) -> None:
    owner = {
        "pid": os.getpid(),
        "started": _start_time(os.getpid()),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(owner).encode(), 0)
    os.fsync(descriptor)


def _alive(owner: dict) -> bool:
    """Does the very process that wrote `owner` still live? Start times tell a reused pid apart."""
    return _start_time(int(owner.get("pid", 0))) == owner.get("started", "")


def _start_time(pid: int) -> str:
    """Clock ticks from boot to the start of process `pid`; empty when there is no such process."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return status.rpartition(")")[2].split()[19]
