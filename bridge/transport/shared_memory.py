"""Payloads through memory that this process shares with the ranks of a model on the same machine.

Twin of `fortran_stubs/src/bridge_shared_memory.f90`, which tells how a mailbox is laid out and why semaphores guard it.
Control stays with the transport underneath, and so do small payloads and ranks that run elsewhere. The file behind
the mailboxes is anonymous: nobody finds it by name, and nothing is left of it when the last process has gone.
"""

from __future__ import annotations

import ctypes
import fcntl
import logging
import mmap
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

from bridge.errors import ConfigurationError, PeerTimeout, ProtocolError
from bridge.protocol import Header, Verb, padded_extents, padded_text
from bridge.settings import SHARED_MEMORY
from bridge.transport.base import Transport, Window
from bridge.transport.neighbour import own_place
from bridge.transport.pieces import Assembly, parts, size_of

# Bytes from the beginning of a mailbox.
NONCE_AT = 0
HELLO_AT = 64  # semaphores: we posted this one
REPLY_AT = 128  # … and the model this one
TO_MODEL_AT = 192  # semaphores of a ring: filled, free
TO_SERVER_AT = 320
SEMAPHORE_STRIDE = 64
LENGTHS_AT = 512  # of the pieces, of each ring in turn
CONTROL_BYTES = 4096
# Of a ring.
MAILBOX_PIECES = 8
MAILBOX_PIECE_BYTES = 262144
SMALLEST_SHARED = 16384  # bytes; less travels as before

_RING_BYTES = MAILBOX_PIECES * MAILBOX_PIECE_BYTES
_MAILBOX_BYTES = CONTROL_BYTES + 2 * _RING_BYTES

# A wait spins, then sleeps until a piece is handed over: seconds of both.
_SPIN = 150e-6
_NAP = 2e-3

_log = logging.getLogger("nemo-bridge")


class _Moment(ctypes.Structure):
    """`struct timespec`."""

    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Semaphores:
    """Semaphores of POSIX, by their addresses. Their functions are the only ones here that order memory."""

    def __init__(self) -> None:
        library = ctypes.PyDLL(None, use_errno=False)  # keeps the lock of Python: none of these calls waits
        kind = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
        self.post: Callable[[int], int] = kind(("sem_post", library))
        self.try_wait: Callable[[int], int] = kind(("sem_trywait", library))
        start = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint)
        self._start = start(("sem_init", library))
        wait = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_Moment))
        self._wait = wait(("sem_timedwait", ctypes.CDLL(None)))  # lets other threads of Python run

    def wait(self, address: int, seconds: float) -> bool:
        """Count a semaphore down, asleep for so long until that can be done; was it?"""
        whole, rest = divmod(time.time_ns() + int(1e9 * seconds), 1_000_000_000)
        return self._wait(address, _Moment(whole, rest)) == 0

    def start(self, address: int, value: int) -> None:
        """Make a semaphore that processes share."""
        if self._start(address, 1, value):
            raise OSError("semaphores cannot be shared by processes here")


class Ring:
    """One direction of a mailbox as one side sees it: pieces in turn, written by one, read by the other."""

    def __init__(self, semaphores: _Semaphores, memory: np.ndarray, number: int, writing: bool) -> None:
        self._semaphores = semaphores
        self._post, self._try = semaphores.post, semaphores.try_wait
        at = memory.ctypes.data + (TO_MODEL_AT, TO_SERVER_AT)[number]
        filled, free = at, at + SEMAPHORE_STRIDE
        self._mine, self._theirs = (free, filled) if writing else (filled, free)
        lengths = LENGTHS_AT + 8 * MAILBOX_PIECES * number
        self._lengths = memory[lengths : lengths + 8 * MAILBOX_PIECES].view(np.int64)
        start = CONTROL_BYTES + number * _RING_BYTES
        self._pieces = memory[start : start + _RING_BYTES].reshape(MAILBOX_PIECES, MAILBOX_PIECE_BYTES)
        self._next = 0
        self._ours = False

    def ours(self) -> bool:
        """Is the next piece ours, to write or to read?"""
        self._ours = self._ours or self._try(self._mine) == 0
        return self._ours

    def sleep(self, seconds: float) -> None:
        """Wait for so long until the next piece is ours."""
        self._ours = self._ours or self._semaphores.wait(self._mine, seconds)

    def write(self, part: np.ndarray) -> None:
        """Fill the piece and hand it over."""
        piece = self._pieces[self._next, : part.nbytes]
        piece.view(part.dtype).reshape(part.shape)[...] = part
        self._lengths[self._next] = part.nbytes
        self._hand_over()

    def read(self, assembly: Assembly) -> None:
        """Empty the piece into a window and give it back; ProtocolError if it does not fit."""
        length = int(self._lengths[self._next])
        if not 0 < length <= MAILBOX_PIECE_BYTES:
            raise ProtocolError(
                f"the model shared a piece of {length} bytes; {MAILBOX_PIECE_BYTES} have room"
            )
        assembly.add(self._pieces[self._next, :length].data)
        self._hand_over()

    def _hand_over(self) -> None:
        self._ours = False
        self._next = (self._next + 1) % MAILBOX_PIECES
        self._post(self._theirs)


class Mailbox:
    """What is on its way through shared memory to and from one rank."""

    def __init__(self, semaphores: _Semaphores, memory: np.ndarray) -> None:
        self._to_model = Ring(semaphores, memory, 0, writing=True)
        self._to_server = Ring(semaphores, memory, 1, writing=False)
        self._outgoing: deque[Iterator[np.ndarray]] = deque()
        self._part: np.ndarray | None = None  # the next to be written
        self._incoming: deque[Assembly] = deque()

    @property
    def busy(self) -> bool:
        """Is anything to be sent or received?"""
        return self._part is not None or bool(self._incoming)

    @property
    def sending(self) -> bool:
        """Is anything to be sent?"""
        return self._part is not None

    def send(self, payload: Window | bytes) -> None:
        """Begin to send."""
        self._outgoing.append(parts(payload, MAILBOX_PIECE_BYTES))
        if self._part is None:
            self._advance()

    def receive(self, window: Window) -> None:
        """Begin to receive."""
        self._incoming.append(Assembly(window))

    def move(self) -> bool:
        """Write and read a piece each, if they are ours; did anything move?"""
        moved = False
        if self._part is not None and self._to_model.ours():
            self._to_model.write(self._part)
            self._advance()
            moved = True
        if self._incoming and self._to_server.ours():
            self._to_server.read(self._incoming[0])
            if self._incoming[0].complete:
                self._incoming.popleft()
            moved = True
        return moved

    def sleep(self, seconds: float) -> None:
        """Wait for so long until something can be moved."""
        (self._to_server if self._incoming else self._to_model).sleep(seconds)

    def _advance(self) -> None:
        self._part = None
        while self._part is None and self._outgoing:
            self._part = next(self._outgoing[0], None)
            if self._part is None:
                self._outgoing.popleft()


class Offer:
    """Memory for the mailboxes of all ranks, until they have said whether they take it."""

    def __init__(self, ranks: int) -> None:
        """OSError where the system does not give what is needed."""
        self._semaphores = _Semaphores()
        self._file = os.memfd_create("nemo-bridge", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self._file, ranks * _MAILBOX_BYTES)
            # Nobody can take memory away under the feet of the other.
            fcntl.fcntl(
                self._file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            )
            memory = np.frombuffer(mmap.mmap(self._file, ranks * _MAILBOX_BYTES), np.uint8)
        except BaseException:
            os.close(self._file)
            raise
        self._memory = memory.reshape(ranks, _MAILBOX_BYTES)
        self._nonce = secrets.randbits(63)
        for mailbox in self._memory:
            self._prepare(mailbox)

    @property
    def place(self) -> bytes:
        """Where the request means what it says, as a payload."""
        return padded_text(own_place())

    @property
    def request(self) -> Header:
        """What the ranks are asked: to open this file of this process."""
        where = padded_extents((self._file, os.getpid()))
        return Header(Verb.SHARE, extents=where, count=len(own_place().encode()), step=self._nonce)

    def _prepare(self, mailbox: np.ndarray) -> None:
        mailbox[NONCE_AT : NONCE_AT + 8].view(np.int64)[0] = self._nonce
        for at, value in (
            (HELLO_AT, 1),
            (REPLY_AT, 0),
            (TO_MODEL_AT, 0),
            (TO_MODEL_AT + SEMAPHORE_STRIDE, MAILBOX_PIECES),
            (TO_SERVER_AT, 0),
            (TO_SERVER_AT + SEMAPHORE_STRIDE, MAILBOX_PIECES),
        ):
            self._semaphores.start(mailbox.ctypes.data + at, value)

    def taken(self, transport: Transport, answers: list[str]) -> Transport:
        """The transport with the mailboxes of those ranks that have taken them; the file is closed."""
        os.close(self._file)
        boxes: list[Mailbox | None] = []
        for memory, answer in zip(self._memory, answers, strict=True):
            box = Mailbox(self._semaphores, memory) if answer == "shared" else None
            if box is not None and self._semaphores.try_wait(memory.ctypes.data + REPLY_AT):
                raise ProtocolError(
                    "a rank of the model took our shared memory, but its word does not arrive there: "
                    f"set {SHARED_MEMORY.name}=off"
                )
            boxes.append(box)
        refusals = sorted({answer for answer in answers if answer != "shared"})
        if refusals:
            _log.debug(
                "%d of %d ranks share no memory: %s", boxes.count(None), len(boxes), "; ".join(refusals)
            )
            if SHARED_MEMORY.read() == "on":
                raise ConfigurationError(
                    f"{SHARED_MEMORY.name}=on, but the model refused: {'; '.join(refusals)}"
                )
        return SharedMemory(transport, boxes) if len(refusals) == 0 or any(boxes) else transport


def offer_for(transport: Transport) -> Offer | None:
    """Memory to be offered to the ranks of this transport, where that is wanted and can be."""
    switch = SHARED_MEMORY.read()
    if switch == "off" or (switch == "auto" and not transport.gains_from_shared_memory):
        return None
    try:
        return Offer(transport.ranks)
    except (OSError, AttributeError) as error:  # no memfd_create or no semaphores in this system
        if switch == "on":
            raise ConfigurationError(
                f"{SHARED_MEMORY.name}=on, but this system does not give any: {error}"
            ) from error
        _log.debug("no shared memory: %s", error)
        return None


class SharedMemory:
    """A Transport whose larger payloads take mailboxes, and everything else the transport underneath."""

    def __init__(self, transport: Transport, boxes: list[Mailbox | None]) -> None:
        self.ranks = transport.ranks
        self.instance = transport.instance
        self.independent = transport.independent
        self.gains_from_shared_memory = False  # it has it
        self._transport = transport
        self._boxes = boxes
        self._busy: list[Mailbox] = []
        self._answers: deque[tuple[int, Header]] = deque()  # heard while waiting for something else

    @property
    def timeout(self) -> float:
        """Longest silence, in seconds."""
        return self._transport.timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._transport.timeout = seconds  # type: ignore[misc]

    def send_request(self, rank: int, header: bytes) -> None:
        self._let_payloads_go(rank)
        self._transport.send_request(rank, header)

    def send(self, rank: int, payload: Window | bytes) -> None:
        if (box := self._box(rank, payload)) is None:
            self._let_payloads_go(rank)
            self._transport.send(rank, payload)
        else:
            box.send(payload)
            self._begin(box)

    def receive(self, rank: int, window: Window) -> None:
        if (box := self._box(rank, window)) is None:
            self._transport.receive(rank, window)
        else:
            box.receive(window)
            self._begin(box)

    def next_answer(self) -> tuple[int, Header]:
        self._wait(lambda: bool(self._answers), "an answer of the model")
        return self._answers.popleft() if self._answers else self._transport.next_answer()

    def poll(self) -> tuple[int, Header] | None:
        self._move_on()
        return self._answers.popleft() if self._answers else self._transport.poll()

    def rest(self, seconds: float) -> None:
        self._transport.rest(0.0 if self._busy else seconds)

    def finish(self) -> None:
        self._wait(lambda: False, "a field to be exchanged with the model")
        self._transport.finish()

    def abort(self, reason: str) -> None:
        self._transport.abort(reason)

    def close(self) -> None:
        self._transport.close()

    def _box(self, rank: int, payload: Window | bytes) -> Mailbox | None:
        return self._boxes[rank] if size_of(payload) >= SMALLEST_SHARED else None

    def _let_payloads_go(self, rank: int) -> None:
        """A rank in the middle of a payload takes no messages, of which only so many may be on their way."""
        box = self._boxes[rank]
        if box is not None and box.sending:
            self._wait(lambda: not box.sending, f"rank {rank} to take what was sent")

    def _begin(self, box: Mailbox) -> None:
        box.move()
        if box.busy and box not in self._busy:
            self._busy.append(box)

    def _move(self) -> bool:
        """Move a piece of each mailbox that has any; did anything move?"""
        moved = False
        for box in self._busy:
            moved |= box.move()
        if moved:
            self._busy = [box for box in self._busy if box.busy]
        return moved

    def _move_on(self) -> None:
        """Move all that the model has at hand: a piece follows the other within microseconds."""
        last = time.perf_counter()
        while self._busy and time.perf_counter() - last < _SPIN:
            if self._move():
                last = time.perf_counter()

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        """Move pieces until `done` or there are none left; PeerTimeout, or what the transport says of a dead model."""
        last = time.perf_counter()
        while self._busy and not done():
            if self._move():
                last = time.perf_counter()
                continue
            waited = time.perf_counter() - last
            if waited < _SPIN:
                continue
            if (answer := self._transport.poll()) is not None:
                self._answers.append(answer)
                last = time.perf_counter()
            elif waited < self.timeout:
                self._transport.rest(0.0)  # which looks after the model
                self._busy[0].sleep(_NAP / len(self._busy))
                self._busy.append(self._busy.pop(0))  # another one next time
            else:
                raise PeerTimeout(f"instance {self.instance}: waited {self.timeout:g} s in vain for {what}")
