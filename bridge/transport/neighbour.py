"""Processes of the other side, where they run on this machine: do they live, and can they be ended?"""

from __future__ import annotations

import os
import signal
import socket
from enum import Enum
from pathlib import Path


class Life(Enum):
    """What the system says of a process."""

    RUNNING = "running"
    STOPPED = "stopped"
    GONE = "gone"
    UNKNOWN = "unknown"  # on another machine, or in another container


def own_place() -> str:
    """Where process ids mean what they mean here: host, boot and namespace of process ids.

    The same text as `own_place` of bridge_process.f90 in the same place.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        return f"{socket.gethostname()} ? {os.getpid()}"
    return f"{socket.gethostname()} {boot} {namespace}"


def life_of(process: int, place: str) -> Life:
    """State of a process that calls its place `place`."""
    if place != own_place() or process <= 0:
        return Life.UNKNOWN
    try:
        state = _stat(process)[0]
    except (OSError, IndexError):
        return Life.GONE
    if state in "ZX":
        return Life.GONE
    return Life.STOPPED if state in "Tt" else Life.RUNNING


def parent_of(process: int) -> int:
    """Process id of the parent of a process of this place; 0 if there is no such process."""
    try:
        return int(_stat(process)[1])
    except (OSError, IndexError, ValueError):
        return 0


def _stat(process: int) -> list[str]:
    """What the system says of a process, after its name: state, parent, …"""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def end(process: int, place: str) -> None:
    """Kill a process of this place, if it lives; never this one, whatever a peer says of itself."""
    if process != os.getpid() and life_of(process, place) in (Life.RUNNING, Life.STOPPED):
        try:
            os.kill(process, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
