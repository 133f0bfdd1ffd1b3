"""Messages over MPI: this process and the ranks of a model, programs of one `mpirun` (or `srun`) job.

mpi4py is imported only when a job is opened, so that everything else works without MPI. Nothing here blocks
inside MPI: every wait tests, spins for a moment, then yields the core, then sleeps.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from bridge.decomposition import Tile
from bridge.errors import ModelCrashed, PeerTimeout, ProtocolError
from bridge.protocol import (
    HEADER_BYTES,
    MAGIC,
    MPI_TAG_ANSWER,
    MPI_TAG_PAYLOAD,
    MPI_TAG_REQUEST,
    PROCESS_SERVER,
    TAG_WORDS,
    VERSION,
    Header,
)
from bridge.settings import PATIENCE, SPIN, check_environment
from bridge.transport.base import Window
from bridge.transport.siblings import Siblings, siblings

# How a wait grows patient: seconds since it began, then seconds of sleep. In the middle of an exchange the model is
# at work on it, and messages need both sides to move: no sleep.
_IDLE_YIELD = 2e-3
_EXCHANGE_YIELD = 0.5
_FIRST_SLEEP = 20e-6
_LONGEST_SLEEP = 1e-3
_LOOKS = 8  # between looks at the time, which take longer
_MANY_PENDING = 256  # finished transfers are forgotten when there are so many


def open_job(timeout: float = 300.0) -> list[MpiTransport]:
    """Meet the models of this MPI job; one transport per instance, in the order of their labels.

    Collective with `bridge_open` of every model rank. From here on an uncaught exception ends the whole job with
    a non-zero code. Raises ProtocolError when there is no model or it speaks another version, PeerTimeout when
    some process of the job does not take part, ConfigurationError for a setting that makes no sense.
    """
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    _abort_on_uncaught_exception(MPI)
    check_environment()
    tags = np.zeros((world.size, TAG_WORDS), dtype=np.int32)
    tags[world.rank, :5] = MAGIC, VERSION, PROCESS_SERVER, -1, os.getpid()
    request = world.Iallgather(MPI.IN_PLACE, tags)
    _Waiter(timeout, lambda: None).wait(
        request.Test, "the other programs of the MPI job to call bridge_open", lambda: False
    )
    for rank in range(world.size):
        if tuple(tags[rank, :2]) != (MAGIC, VERSION):
            raise ProtocolError(
                f"rank {rank} speaks protocol version {tags[rank, 1]}, this server speaks {VERSION}: "
                "rebuild the model and reinstall the Python package from one release"
            )
    if np.count_nonzero(tags[:, 2] == PROCESS_SERVER) > 1:
        raise ProtocolError("more than one process of the MPI job is a server: start one")
    labels = sorted({int(tag[3]) for tag in tags if tag[2] != PROCESS_SERVER})
    if not labels:
        raise ProtocolError(
            f"there is no model in this MPI job of {world.size} process(es): start both with one command, "
            "mpirun -n 1 <this program> : -n N <model>, and use the same MPI library for both"
        )
    private = world.Dup()
    world.Split(MPI.UNDEFINED, world.rank)
    ranks = {label: [r for r in range(world.size) if tags[r, 3] == label] for label in labels}
    processes = {label: [int(tags[rank, 4]) for rank in ranks[label]] for label in labels}
    job = siblings(processes, PATIENCE.read())
    _raise_when_terminated(job)
    return [MpiTransport(private, label, ranks[label], timeout, job) for label in labels]


class MpiTransport:
    """Transport to the ranks of one model instance in the same MPI job."""

    def __init__(self, comm: Any, instance: int, peers: list[int], timeout: float, job: Siblings) -> None:
        from mpi4py import MPI

        self.ranks = len(peers)
        self.instance = instance
        self.independent = False  # whatever dies, the launcher ends the whole job
        self.may_share_memory = True
        self.in_place = True
        self._job = job
        self._waiter = _Waiter(timeout, job.look)
        self._mpi = MPI
        self._comm = comm
        self._peers = peers
        self._types: dict[tuple[tuple[int, ...], int, Tile], Any] = {}
        self._pending: list[Any] = []
        self._questions: list[Any] = []  # persistent requests
        self._buffers = [bytearray(HEADER_BYTES) for _ in peers]
        self._answers = [
            comm.Recv_init([buffer, MPI.INTEGER], peer, MPI_TAG_ANSWER)
            for buffer, peer in zip(self._buffers, peers, strict=True)
        ]
        MPI.Prequest.Startall(self._answers)
        self._next = 0

    @property
    def timeout(self) -> float:
        """Longest silence, in seconds."""
        return self._waiter.timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._waiter.timeout = seconds

    def send_request(self, rank: int, header: bytes) -> None:
        self._begin(self._comm.Isend([header, self._mpi.INTEGER], self._peers[rank], MPI_TAG_REQUEST))

    def send(self, rank: int, payload: Window | bytes) -> None:
        buffer = [payload, self._mpi.INTEGER] if isinstance(payload, bytes) else self._buffer(payload)
        self._begin(self._comm.Isend(buffer, self._peers[rank], MPI_TAG_PAYLOAD))

    def receive(self, rank: int, window: Window) -> None:
        self._begin(self._comm.Irecv(self._buffer(window), self._peers[rank], MPI_TAG_PAYLOAD))

    def question(self, header: bytes, window: Window) -> Callable[[], None]:
        send, receive = self._comm.Send_init, self._comm.Recv_init
        asked = [receive(self._buffer(window), self._peers[0], MPI_TAG_PAYLOAD)]
        asked += [send([header, self._mpi.INTEGER], peer, MPI_TAG_REQUEST) for peer in self._peers]
        self._questions += asked

        def begin() -> None:
            for request in asked:
                request.Start()
            self._pending += asked

        return begin

    def next_answer(self) -> tuple[int, Header]:
        self._wait(self._answer_is_here, "an answer of the model", self._transferring)
        return self._taken_answer()

    def poll(self) -> tuple[int, Header] | None:
        return self._taken_answer() if self._answer_is_here() else None

    def rest(self, seconds: float) -> None:
        self._waiter.look_around()
        if seconds < _FIRST_SLEEP or self._transferring():
            os.sched_yield()
        else:
            time.sleep(min(seconds, _LONGEST_SLEEP))

    def finish(self) -> None:
        if not self._all_is_done():
            self._wait(self._all_is_done, "a field to be exchanged with the model", lambda: True)

    def abort(self, reason: str) -> None:
        sys.stderr.write(f"nemo-bridge: {reason}; ending the MPI job\n")
        _end_job(self._mpi)

    def close(self) -> None:
        for request in self._answers:
            request.Cancel()
            request.Wait()
            request.Free()
        for request in self._questions:
            request.Free()
        for datatype in self._types.values():
            datatype.Free()
        self._types.clear()

    def _wait(self, done: Callable[[], bool], what: str, exchanging: Callable[[], bool]) -> None:
        try:
            self._waiter.wait(done, what, exchanging)
        except _InVain as silence:
            raise PeerTimeout(
                self._job.with_log(f"instance {self.instance}: {silence}", self.instance)
            ) from None

    def _taken_answer(self) -> tuple[int, Header]:
        rank = self._next
        header = Header.unpack(self._buffers[rank])
        self._answers[rank].Start()
        return rank, header

    def _begin(self, request: Any) -> None:
        self._pending.append(request)
        if len(self._pending) > _MANY_PENDING:
            self._pending = [r for r in self._pending if not r.Test()]

    def _transferring(self) -> bool:
        return not self._all_is_done()

    def _all_is_done(self) -> bool:
        # One cheap test at a time (Testall rebuilds its arrays each time): large messages move only while tested.
        pending = self._pending
        while pending and pending[-1].Test():
            pending.pop()
        return not pending

    def _answer_is_here(self) -> bool:
        if self.ranks == 1:
            return self._answers[0].Test()
        self._next, here = self._mpi.Request.Testany(self._answers)
        return here

    def _buffer(self, window: Window) -> list[Any]:
        """The window as MPI describes memory: words in place, through a subarray type where it has gaps."""
        array, tile = window.array, window.tile
        if tile is None or array.shape[-2:] == (tile.nj, tile.ni):
            return [array, array.nbytes // 4, self._mpi.INTEGER]
        return [array, 1, self._subarray(array.shape, array.itemsize, tile)]

    def _subarray(self, shape: tuple[int, ...], itemsize: int, tile: Tile) -> Any:
        key = (shape, itemsize, tile)
        if key not in self._types:
            words = itemsize // 4
            self._types[key] = self._mpi.INTEGER.Create_subarray(
                [*shape[:-1], shape[-1] * words],
                [*shape[:-2], tile.nj, tile.ni * words],
                [*(0 for _ in shape[:-2]), tile.j, tile.i * words],
            ).Commit()
        return self._types[key]


class _InVain(PeerTimeout):
    """A wait that was in vain; who it was for is known to others."""


class _Waiter:
    """Waits without burning the core, and not longer than `timeout` seconds or than the launcher lives."""

    def __init__(self, timeout: float, look: Callable[[], None]) -> None:
        self.timeout = timeout
        self._look = look
        self._launcher = os.getppid()
        self._spin = 1e-6 * SPIN.read()

    def wait(self, done: Callable[[], bool], what: str, exchanging: Callable[[], bool]) -> None:
        """Call `done` until it says so; PeerTimeout or ModelCrashed if it never does. `exchanging`: is it at work?"""
        if done():
            return
        start = time.perf_counter()
        pause = _FIRST_SLEEP
        while True:
            for _ in range(_LOOKS):
                if done():
                    return
            waited = time.perf_counter() - start
            if waited < self._spin:
                continue
            if waited < (_EXCHANGE_YIELD if exchanging() else _IDLE_YIELD):
                os.sched_yield()
                continue
            if waited > self.timeout:
                raise _InVain(f"waited {self.timeout:g} s in vain for {what}")
            self.look_around()
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_SLEEP)

    def look_around(self) -> None:
        """ModelCrashed if mpirun is gone; what `look` raises."""
        self._look()
        if os.getppid() != self._launcher:
            raise ModelCrashed("the launcher of the MPI job is gone")


def _end_job(mpi: Any) -> None:
    """End every process of the job with a non-zero code."""
    sys.stdout.flush()
    sys.stderr.flush()
    mpi.COMM_WORLD.Abort(1)
    os._exit(1)


def _abort_on_uncaught_exception(mpi: Any) -> None:
    """An exception that nobody catches would leave the model waiting for ever: end the job instead."""

    owner = os.getpid()

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        _say_at_once(kind, error, trace)
        if os.getpid() != owner:
            return  # a forked copy
        if isinstance(error, ModelCrashed):
            # The launcher is ending the job already; MPI would wait for it.
            sys.stdout.flush()
            os._exit(1)
        _end_job(mpi)

    sys.excepthook = hook


def _say_at_once(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What failed, then where, each in one write: a launcher that ends the job may read once more, or never again."""
    reason = "".join(traceback.format_exception_only(kind, error))
    sys.stderr.write(reason)
    sys.stderr.flush()
    sys.stderr.write("".join(traceback.format_exception(kind, error, trace)).removesuffix(reason))
    sys.stderr.flush()


def _raise_when_terminated(job: Siblings) -> None:
    """When a process of the job dies, mpirun ends the others: say so as ModelCrashed.

    Open MPI sends SIGCONT, waits a second and sends SIGTERM, and SIGKILL milliseconds after it: the first of them
    leaves time for a message.
    """

    def crash(message: str) -> ModelCrashed:
        signal.signal(
            signal.SIGCONT, lambda number, frame: None
        )  # one that has come already may not meet SIG_DFL
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return job.crash(message)

    def continued(number: int, frame: FrameType | None) -> None:
        if job.gone():
            raise crash("a process of the model died, and the launcher ends the job")

    def terminated(number: int, frame: FrameType | None) -> None:
        raise crash(
            "the launcher ended the job (SIGTERM): it was interrupted, or a process of the model died"
        )

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCONT, continued)
        signal.signal(signal.SIGTERM, terminated)
