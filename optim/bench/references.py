"""What an exchange is compared with: the same bytes in bare messages, contiguous and allocated beforehand.

A round trip sends every rank its part and gets it back. Bare MPI: the model's ranks do it in a step of theirs. Raw
pyzmq: a second Python process sends back what it gets.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Protocol

import numpy as np

from bridge.model import Recording
from bridge.session import Session
from optim.bench.job import free_port, pinned
from optim.bench.timing import seconds_of

_TAG = 7  # of exchange_partner's messages
_TASK_MESSAGES = 1
LEVELS_OF_LINE = 0
LEVELS_OF_HEADER = -1
_HEADER_BYTES = 64


class Reference(Protocol):
    """Seconds of each of `repeats` round trips of an entry's bytes."""

    def round_trips(self, repeats: int) -> list[float]: ...

    def close(self) -> None: ...


class BareMpi:
    """Messages between this process and the model's ranks, 1 to n of the job."""

    def __init__(self, session: Session, name: str | None) -> None:
        from mpi4py import MPI

        self._mpi = MPI
        self._session = session
        parts = _part_bytes(session, name)
        self._out = [np.ones(count // 4, np.int32) for count in parts]
        self._in = [part.copy() for part in (self._out if _is_tiled(session, name) else self._out[:1])]
        self._levels = _levels(session, name)

    def round_trips(self, repeats: int) -> list[float]:
        session, times = self._session, []
        session.set({"bench/task": _TASK_MESSAGES, "bench/repeats": repeats, "bench/levels": self._levels})
        trip = self._trip_of_one if len(self._out) == 1 else self._trip_of_all
        session.advance(1, Recording(()), meanwhile=lambda: times.extend(seconds_of(trip, repeats)))
        session.set({"bench/task": 0})
        return times

    def close(self) -> None:
        pass

    def _trip_of_one(self) -> None:
        self._mpi.COMM_WORLD.Send(self._out[0], 1, _TAG)
        self._mpi.COMM_WORLD.Recv(self._in[0], 1, _TAG)

    def _trip_of_all(self) -> None:
        world = self._mpi.COMM_WORLD
        self._mpi.Request.Waitall([world.Isend(part, 1 + n, _TAG) for n, part in enumerate(self._out)])
        self._mpi.Request.Waitall([world.Irecv(part, 1 + n, _TAG) for n, part in enumerate(self._in)])


class RawZmq:
    """Messages between this process and another in Python, PAIR sockets, without copies on this side."""

    def __init__(self, session: Session, name: str | None, transport: str, folder: Path) -> None:
        import zmq

        address = f"ipc://{folder}/echo" if transport == "ipc" else f"tcp://127.0.0.1:{free_port()}"
        parts = _part_bytes(session, name)
        self._out = [np.ones(count, np.uint8) for count in parts]
        self._back = len(parts) if _is_tiled(session, name) else 1
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PAIR)
        self._socket.bind(address)
        arguments = [address, str(len(parts)), str(self._back)]
        self._echo = subprocess.Popen(pinned([sys.executable, "-m", "optim.bench.echo", *arguments], 1))
        self._trip()  # it is there

    def round_trips(self, repeats: int) -> list[float]:
        return seconds_of(self._trip, repeats)

    def close(self) -> None:
        self._socket.send(b"")
        self._echo.wait(timeout=30)
        self._context.destroy(0)

    def _trip(self) -> None:
        for part in self._out:
            self._socket.send(part.data, copy=False)
        for _ in range(self._back):
            self._socket.recv(copy=False)


def reference_for(session: Session, name: str | None, transport: str, folder: Path) -> Reference:
    """Bare messages of the bytes of entry `name`, or with None of a header, the way the session goes."""
    if transport == "mpi":
        return BareMpi(session, name)
    return RawZmq(session, name, transport, folder)


def _part_bytes(session: Session, name: str | None) -> list[int]:
    """Bytes that go to each rank."""
    tiles = session.registration.decomposition.tiles
    if name is None:
        return [_HEADER_BYTES] * len(tiles)
    entry = session.registration.entry(name)
    if not entry.tiled:
        return [entry.dtype.itemsize * int(np.prod(entry.shape))] * len(tiles)
    levels = int(np.prod(entry.shape[:-2], dtype=int))
    return [entry.dtype.itemsize * levels * tile.nj * tile.ni for tile in tiles]


def _is_tiled(session: Session, name: str | None) -> bool:
    return name is not None and session.registration.entry(name).tiled


def _levels(session: Session, name: str | None) -> int:
    """What exchange_partner calls the size of its bare messages."""
    if name is None:
        return LEVELS_OF_HEADER
    if not _is_tiled(session, name):
        return LEVELS_OF_LINE
    return int(np.prod(session.registration.entry(name).shape[:-2], dtype=int))
