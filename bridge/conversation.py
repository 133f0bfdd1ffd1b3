"""Requests to all ranks of a model and their answers: what the verbs of a Session are made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from bridge.decomposition import Tile
from bridge.description import Entry, Registration, parse
from bridge.errors import PeerTimeout, ProtocolError, RequestRefused
from bridge.model import Outcome, OutcomeKind
from bridge.protocol import Header, Status, Verb, padded_extents, padded_text
from bridge.transport.base import Transport, Window


class Conversation:
    """One model instance behind a transport: each method is one complete exchange with all of its ranks."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.open = True
        #: in the middle of an exchange; stays so after a failure, when nobody knows what is still on the wire
        self.interrupted = False
        self.refusals: list[str] = []
        self._exchange = _Exchange(self)
        self._requests: dict[tuple[Verb, int, int], bytes] = {}
        self.registration: Registration = self._hello()

    def ask(self, header: Header, text: str | None = None) -> list[Header]:
        """One request to all ranks; their answers in the order of ranks."""
        payload = None
        if text is not None:
            header.count = len(text.encode())
            payload = padded_text(text)
        with self._exchange:
            self._to_all(header, payload)
            return self._answers()

    def put(self, values: Sequence[tuple[Entry, np.ndarray]]) -> None:
        """Write C-contiguous global arrays; all are on their way before the first answer is awaited."""
        with self._exchange:
            for entry, array in values:
                for rank in range(self.transport.ranks):
                    self._send_field(rank, entry, array)
            self._answers(len(values))

    def fetch(self, entry: Entry, array: np.ndarray) -> None:
        """Read an entry into a C-contiguous global array of its shape. The values alone are the answer."""
        with self._exchange:
            request = self._request(Verb.GET, entry)
            for rank in range(self.transport.ranks):
                self._receive_field(rank, entry, array)
                self.transport.send_request(rank, request)

    def run(
        self,
        first: int,
        steps: int,
        every: int,
        entries: Sequence[Entry],
        fields: dict[str, np.ndarray],
        meanwhile: Callable[[], None] | None = None,
    ) -> Outcome:
        """Run from step `first`; records go straight into `fields[name][record number]`.

        `meanwhile` is what this side does while the model begins to compute.
        """
        with self._exchange:
            progress = self._started(first, steps, every, entries, fields)
            if meanwhile is not None:
                meanwhile()
            while progress.waiting:
                self._take(progress, *self.transport.next_answer())
            return progress.outcome

    def running(
        self, first: int, steps: int, every: int, entries: Sequence[Entry], fields: dict[str, np.ndarray]
    ) -> Generator[float, None, Outcome]:
        """As `run`, without waiting: yields while there is nothing to do, so that one thread can follow many.

        Yields when (`time.monotonic`) it last heard of the model.
        """
        with self._exchange:
            progress = self._started(first, steps, every, entries, fields)
            heard = time.monotonic()
            while progress.waiting:
                answer = self.transport.poll()
                if answer is not None:
                    self._take(progress, *answer)
                    heard = time.monotonic()
                elif time.monotonic() - heard > (patience := self.transport.timeout):
                    who = f"instance {self.transport.instance}"
                    raise PeerTimeout(f"{who}: waited {patience:g} s in vain for an answer of the model")
                else:
                    yield heard
            return progress.outcome

    def close(self) -> None:
        """Let the model finish in its own way."""
        self.ask(Header(Verb.STOP))
        self.open = False
        self.transport.close()

    def _hello(self) -> Registration:
        texts = [""] * self.transport.ranks

        def keep(rank: int, header: Header) -> None:
            texts[rank] = self._receive_text(rank, header)

        with self._exchange:
            self._to_all(Header(Verb.HELLO))
            answers = self._answers(then=keep)
        self.first_step = answers[0].step
        return parse(texts)

    def _answers(self, per_rank: int = 1, then: Callable[[int, Header], None] | None = None) -> list[Header]:
        """Wait for answers of all ranks; the last of each rank. `then` takes what follows a good answer."""
        last = [Header(0)] * self.transport.ranks
        for _ in range(per_rank * self.transport.ranks):
            rank, header = self.transport.next_answer()
            last[rank] = header
            if header.status == Status.ERROR:
                self._refused(rank, header)
            elif then is not None:
                then(rank, header)
        return last

    def _started(
        self, first: int, steps: int, every: int, entries: Sequence[Entry], fields: dict[str, np.ndarray]
    ) -> _Progress:
        """Ask all ranks to run."""
        numbers = np.array([entry.number for entry in entries], dtype=np.int32)
        request = Header(Verb.RUN, count=steps, argument=every, extents=padded_extents((len(entries),)))
        self._to_all(request, Window(numbers) if entries else None)
        waiting = set(range(self.transport.ranks))
        return _Progress(first, every, entries, fields, waiting, Outcome(OutcomeKind.COMPLETED, first))

    def _take(self, progress: _Progress, rank: int, header: Header) -> None:
        """What a rank says during a run: begin to receive a record, or note how the run ended."""
        if header.verb == Verb.RECORD:
            index = (header.step - progress.first) // progress.every - 1
            for entry in progress.entries:
                self._receive_field(rank, entry, progress.fields[entry.name][index : index + 1])
        elif header.verb == Verb.OUTCOME:
            progress.waiting.discard(rank)
            progress.outcome = _outcome(header)
        elif header.status == Status.ERROR:
            progress.waiting.discard(rank)
            self._refused(rank, header)

    def _refused(self, rank: int, header: Header) -> None:
        self.refusals.append(f"rank {rank} of the model refused: {self._receive_text(rank, header)}")

    def _to_all(self, header: Header, payload: Window | bytes | None = None) -> None:
        request = header.pack()
        for rank in range(self.transport.ranks):
            self.transport.send_request(rank, request)
            if payload is not None:
                self.transport.send(rank, payload)

    def _receive_text(self, rank: int, header: Header) -> str:
        buffer = np.empty(-(-header.count // 4) * 4, dtype=np.uint8)
        self.transport.receive(rank, Window(buffer))
        self.transport.finish()
        return buffer.tobytes()[: header.count].decode(errors="replace")

    def _request(self, verb: Verb, entry: Entry, rank: int = 0) -> bytes:
        """The packed header that asks for a field or announces it to a rank; made once."""
        key = (verb, entry.number, rank)
        if key not in self._requests:
            tile = self._tile(rank, entry)
            shape = (*entry.shape[:-2], tile.nj, tile.ni) if tile else entry.shape
            header = Header(verb, 0, entry.number, entry.dtype_code, len(shape), padded_extents(shape))
            self._requests[key] = header.pack()
        return self._requests[key]

    def _tile(self, rank: int, entry: Entry) -> Tile | None:
        return self.registration.decomposition.tiles[rank] if entry.tiled else None

    def _send_field(self, rank: int, entry: Entry, array: np.ndarray) -> None:
        self.transport.send_request(rank, self._request(Verb.SET, entry, rank))
        self.transport.send(rank, Window(array, self._tile(rank, entry)))

    def _receive_field(self, rank: int, entry: Entry, array: np.ndarray) -> None:
        """Begin to receive a rank's part; what all ranks share comes from the first."""
        if entry.tiled or rank == 0:
            self.transport.receive(rank, Window(array, self._tile(rank, entry)))


@dataclass
class _Progress:
    """A run under way: where its records go, which ranks have not told the outcome yet."""

    first: int
    every: int
    entries: Sequence[Entry]
    fields: dict[str, np.ndarray]
    waiting: set[int]
    outcome: Outcome


class _Exchange:
    """The time during which the two sides are in the middle of something; all transfers are done at its end."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def __enter__(self) -> None:
        conversation = self._conversation
        if not conversation.open:
            raise ProtocolError("this session is stopped: open another one")
        if conversation.interrupted:
            raise ProtocolError("an earlier exchange with this model failed half-way: start the job again")
        conversation.interrupted = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return
        conversation = self._conversation
        conversation.transport.finish()
        conversation.interrupted = False
        if conversation.refusals:
            refusals, conversation.refusals = conversation.refusals, []
            raise RequestRefused(refusals[0])


def _outcome(header: Header) -> Outcome:
    if header.status == Status.BLEW_UP:
        return Outcome(OutcomeKind.BLEW_UP, header.step, f"the model blew up at step {header.step}")
    return Outcome(OutcomeKind.COMPLETED, header.step)
