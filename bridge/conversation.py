"""Requests to all ranks of a model and their answers: what the verbs of a Session are made of."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np

from bridge.decomposition import Tile
from bridge.description import Entry, Registration, parse
from bridge.errors import PeerTimeout, ProtocolError, RequestRefused
from bridge.model import Outcome, OutcomeKind
from bridge.protocol import LONGEST_PATH, LONGEST_TEXT, Header, Status, Verb, padded_extents, padded_text
from bridge.transport.base import Transport, Window

_LARGEST_STEP = 2**31  # the model's step is a default integer


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
        """One request to all ranks, with a path if `text` is given; their answers in the order of ranks."""
        payload = None
        if text is not None:
            header.count = len(text.encode())
            if header.count > LONGEST_PATH or "\0" in text:
                raise ValueError(
                    f"expected a path of at most {LONGEST_PATH} bytes without NUL, got {text!r:.200}"
                )
            payload = padded_text(text)
        with self._exchange:
            self._to_all(header, payload)
            return self._answers(header.verb)

    def put(self, values: Sequence[tuple[Entry, np.ndarray]]) -> None:
        """Write C-contiguous global arrays; all are on their way before the first answer is awaited."""
        with self._exchange:
            for entry, array in values:
                for rank in range(self.transport.ranks):
                    self._send_field(rank, entry, array)
            self._answers(Verb.SET, len(values))

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
            answers = self._answers(Verb.HELLO, then=keep)
        self.first_step = answers[0].step
        try:
            return parse(texts)
        except ProtocolError as error:
            raise ProtocolError(f"instance {self.transport.instance}: {error}") from error

    def _answers(
        self, verb: int, per_rank: int = 1, then: Callable[[int, Header], None] | None = None
    ) -> list[Header]:
        """Wait for so many answers to `verb` of each rank; the last of each. `then` takes what follows a good one.

        ProtocolError for an answer that is none, that came once too often, or from ranks at different steps.
        """
        last = [Header(0)] * self.transport.ranks
        missing = [per_rank] * self.transport.ranks
        for _ in range(per_rank * self.transport.ranks):
            rank, header = self.transport.next_answer()
            if not _is_answer_to(verb, header) or not missing[rank]:
                raise self._broken(rank, f"{missing[rank]} answers to {Verb(verb).name}", header)
            missing[rank] -= 1
            last[rank] = header
            if header.status == Status.ERROR:
                self._refused(rank, header)
            elif then is not None:
                then(rank, header)
        for rank, header in enumerate(last):
            if header.step != last[0].step and not self.refusals:
                raise self._broken(rank, f"step {last[0].step}, where rank 0 is", header)
        return last

    def _broken(self, rank: int, expected: str, header: Header) -> ProtocolError:
        """For an answer that makes no sense where it came."""
        who = f"rank {rank} of {self.transport.ranks} of instance {self.transport.instance}"
        return ProtocolError(f"{who}: expected {expected}, got {header}: the two sides are out of step")

    def _started(
        self, first: int, steps: int, every: int, entries: Sequence[Entry], fields: dict[str, np.ndarray]
    ) -> _Progress:
        """Ask all ranks to run."""
        numbers = np.array([entry.number for entry in entries], dtype=np.int32)
        request = Header(Verb.RUN, count=steps, argument=every, extents=padded_extents((len(entries),)))
        self._to_all(request, Window(numbers) if entries else None)
        waiting = set(range(self.transport.ranks))
        return _Progress(first, steps, every, entries, fields, waiting)

    def _take(self, progress: _Progress, rank: int, header: Header) -> None:
        """What a rank says during a run: begin to receive a record, or note how the run ended."""
        if not progress.fits(rank, header):
            raise self._broken(rank, f"{progress}", header)
        if header.verb == Verb.RECORD:
            index = progress.records[rank]
            progress.records[rank] += 1
            for entry in progress.entries:
                self._receive_field(rank, entry, progress.fields[entry.name][index : index + 1])
        elif header.verb == Verb.OUTCOME:
            progress.waiting.discard(rank)
            progress.ended = _outcome(header)
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
        if not 0 <= header.count <= LONGEST_TEXT:
            raise self._broken(rank, f"a text of at most {LONGEST_TEXT} bytes", header)
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
    """A run under way: where its records go, how many came of each rank, which ranks have not told the outcome yet."""

    first: int
    steps: int
    every: int
    entries: Sequence[Entry]
    fields: dict[str, np.ndarray]
    waiting: set[int]
    records: Counter[int] = field(default_factory=Counter)
    ended: Outcome | None = None  # as the first rank told

    def __str__(self) -> str:
        return f"records and the outcome of {self.steps} steps from step {self.first}, every {self.every}"

    @property
    def outcome(self) -> Outcome:
        """How the run ended."""
        return self.ended or Outcome(OutcomeKind.COMPLETED, self.first)

    def fits(self, rank: int, header: Header) -> bool:
        """Is this what the rank may say next? Each record once and in order, then the outcome that all ranks tell."""
        if rank not in self.waiting:
            return False
        done = header.step - self.first
        if header.verb == Verb.RECORD:
            expected = self.every * (self.records[rank] + 1)
            return bool(self.entries) and header.status == Status.OK and done == expected <= self.steps
        if header.verb == Verb.OUTCOME:
            return self._is_end(rank, header.status, done) and self.ended in (None, _outcome(header))
        return header.verb == Verb.HEARTBEAT or _is_refusal_of_run(header)

    def _is_end(self, rank: int, status: int, done: int) -> bool:
        """Can a run end in this way after `done` steps? No record may be missing; a blow-up's own step has none."""
        if status == Status.BLEW_UP:
            recorded, possible = (done - 1) // self.every, 0 < done <= self.steps
        else:
            recorded, possible = done // self.every, status == Status.OK and done == self.steps
        return possible and (not self.entries or self.records[rank] == recorded)


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


def _is_answer_to(verb: int, header: Header) -> bool:
    return (
        header.verb == Verb.REPLY
        and header.argument == verb
        and header.status in (Status.OK, Status.ERROR)
        and abs(header.step) <= _LARGEST_STEP
    )


def _is_refusal_of_run(header: Header) -> bool:
    return _is_answer_to(Verb.RUN, header) and header.status == Status.ERROR
