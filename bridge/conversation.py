"""Requests to all ranks of a model and their answers: what the verbs of a Session are made of."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Sequence
from types import TracebackType

import numpy as np

from bridge.coupling import CoupledRun
from bridge.description import Registration, parse
from bridge.errors import PeerTimeout, ProtocolError, RequestRefused
from bridge.field_routes import FieldRoutes, payload_of
from bridge.forked_copies import weakly
from bridge.model import LARGEST_STEP
from bridge.protocol import LONGEST_PATH, LONGEST_TEXT, Header, Status, Verb, padded_text
from bridge.run import Run, outcome_of
from bridge.shared_memory import Sharing, offer_for
from bridge.transport.base import Transport, Window
from bridge.wire_field import WireField


class Conversation:
    """One model instance behind a transport: each method is one complete exchange with all of its ranks."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.open = True
        #: in the middle of an exchange; stays so after a failure, when nobody knows what is still on the wire
        self.interrupted = False
        self._turn = threading.Lock()  # held in the middle of an exchange that may still end well
        self.in_closure = False
        self.left_behind = False  # in a copy of the process whose model this is
        os.register_at_fork(after_in_child=weakly(self._leave_to_parent))
        self.refusals: list[str] = []
        self._exchange = _Exchange(self)
        self.registration: Registration = self._hello()
        self.routes = FieldRoutes(transport, self.registration.decomposition, self._share_memory())

    @property
    def under_way(self) -> bool:
        """In the middle of an exchange that may still end well?"""
        return self._turn.locked()

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

    def put(self, values: Sequence[tuple[WireField, np.ndarray]]) -> None:
        """Write C-contiguous global arrays; all are on their way before the first answer is awaited."""
        routes = self.routes
        with self._exchange:
            lent = [(wire, routes.to_read(wire, array)) for wire, array in values]
            for wire, array in lent:
                for rank in range(self.transport.ranks):
                    request, placed = routes.request(Verb.SET, wire, rank, array)
                    self.transport.send_request(rank, request)
                    if not placed:
                        routes.send(rank, wire, array)
            self._answers(Verb.SET, len(values))

    def number(self, wire: WireField) -> np.ndarray:
        """Read an entry without dimensions; what is returned is overwritten by the next call."""
        begin, value = self.routes.number(wire)
        with self._exchange:
            begin()
        return value

    def fetch(self, wire: WireField, array: np.ndarray) -> None:
        """Read an entry into a C-contiguous global array of its shape. Values that travel are the answer themselves."""
        routes = self.routes
        with self._exchange:
            there = routes.to_write(wire, array)
            helped = []  # ranks that copy their part themselves
            for rank in range(self.transport.ranks):
                request, placed = routes.request(Verb.GET, wire, rank, there)
                if placed:
                    helped.append(rank)
                else:
                    routes.receive(rank, wire, array)
                self.transport.send_request(rank, request)
            if helped:
                self._answers(Verb.GET, ranks=helped)
        if there is not array:
            routes.copy_parts(wire, there, array, helped)
        wire.close_edges(array, self.registration.decomposition.edges)

    def run(self, run: Run, meanwhile: Callable[[], None] | None = None) -> None:
        """Make a run to its end; `meanwhile` is what this side does while the model begins to compute."""
        with self._exchange:
            self._start(run)
            if meanwhile is not None:
                meanwhile()
            while run.waiting:
                self._take(run, *self.transport.next_answer())

    def running(self, run: Run) -> Generator[float, None, None]:
        """As `run`, without waiting: yields while there is nothing to do, so that one thread can follow many.

        Yields when (`time.monotonic`) it last heard of the model.
        """
        with self._exchange:
            self._start(run)
            heard = time.monotonic()
            while run.waiting:
                answer = self.transport.poll()
                if answer is not None:
                    self._take(run, *answer)
                    heard = time.monotonic()
                elif time.monotonic() - heard > (patience := self.transport.timeout):
                    who = f"instance {self.transport.instance}"
                    raise PeerTimeout(f"{who}: waited {patience:g} s in vain for an answer of the model")
                else:
                    yield heard

    def close(self) -> None:
        """Let the model finish in its own way."""
        self.ask(Header(Verb.STOP))
        self.open = False
        self.transport.close()

    def _leave_to_parent(self) -> None:
        """In a forked copy of this process: what it says would come between its parent and the model."""
        self.open, self.interrupted, self.left_behind = False, False, True

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

    def array(self, shape: Sequence[int], dtype: np.dtype, halo: bool) -> np.ndarray:
        """An array for a field, where the model's ranks reach it if they can; zero where none will write."""
        # After a failure half-way a rank may still write to where an array has been.
        if self.interrupted and not self.under_way:
            return np.zeros(shape, dtype)
        return self.routes.array(shape, dtype, halo)

    def _share_memory(self) -> Sharing:
        """Offer memory to all ranks; those that run here copy fields from and to arrays that lie in it."""
        if (offer := offer_for(self.transport)) is None:
            return Sharing()
        texts = [""] * self.transport.ranks

        def keep(rank: int, header: Header) -> None:
            texts[rank] = self._receive_text(rank, header)

        with self._exchange:
            self._to_all(offer.request, offer.place)
            self._answers(Verb.SHARE, then=keep)
        return offer.taken(texts)

    def _answers(
        self,
        verb: int,
        per_rank: int = 1,
        then: Callable[[int, Header], None] | None = None,
        ranks: Sequence[int] | None = None,
    ) -> list[Header]:
        """Wait for so many answers to `verb` of each rank, or of `ranks`; the last of each in their order.

        `then` takes what follows a good one. ProtocolError for an answer that is none, that came once too often, or
        from ranks at different steps.
        """
        missing = dict.fromkeys(range(self.transport.ranks) if ranks is None else ranks, per_rank)
        last: dict[int, Header] = dict.fromkeys(missing, Header(0))
        for _ in range(per_rank * len(missing)):
            rank, header = self.transport.next_answer()
            if not _is_answer_to(verb, header) or not missing.get(rank):
                raise self._broken(rank, f"{missing.get(rank, 0)} answers to {Verb(verb).name}", header)
            missing[rank] -= 1
            last[rank] = header
            if header.status == Status.ERROR:
                self._refused(rank, header)
            elif then is not None:
                then(rank, header)
        answers = list(last.values())
        if (
            verb == Verb.LOAD
        ):  # the files of different saves may be of different steps: who loads looks at that
            return answers
        for rank, header in zip(missing, answers, strict=True):
            if header.step != answers[0].step and not self.refusals:
                raise self._broken(rank, f"step {answers[0].step}, where others are", header)
        return answers

    def _broken(self, rank: int, expected: str, header: Header) -> ProtocolError:
        """For an answer that makes no sense where it came."""
        who = f"rank {rank} of {self.transport.ranks} of instance {self.transport.instance}"
        return ProtocolError(f"{who}: expected {expected}, got {header}: the two sides are out of step")

    def _start(self, run: Run) -> None:
        """Ask all ranks to run, and tell those that share memory where what they show belongs."""
        numbers = run.numbers
        for rank in range(self.transport.ranks):
            places = [self.routes.place(rank, wire, array) for wire, array in run.shown]
            request = run.request
            request.field = int(any(places))
            self.transport.send_request(rank, request.pack())
            if len(numbers):
                self.transport.send(rank, Window(numbers))
            if request.field:
                self.transport.send(rank, payload_of(places))
            run.travel(rank, [place is None for place in places])
        run.waiting = set(range(self.transport.ranks))

    def _take(self, run: Run, rank: int, header: Header) -> None:
        """What a rank says during a run: begin to receive a record, couple, or note how the run ended."""
        if not run.fits(rank, header):
            raise self._broken(rank, f"{run}", header)
        if header.verb == Verb.RECORD:
            index = run.records[rank]
            run.records[rank] += 1
            for wire in run.travelling[rank]:
                self.routes.receive(rank, wire, run.fields[wire.entry.name][index : index + 1])
        elif header.verb == Verb.COUPLE and run.coupled is not None:
            self._couple(run.coupled, rank, header)
        elif header.verb == Verb.OUTCOME:
            run.waiting.discard(rank)
            run.ended = outcome_of(header)
        elif header.status == Status.ERROR:
            run.waiting.discard(rank)
            self._refused(rank, header)

    def _couple(self, coupled: CoupledRun, rank: int, header: Header) -> None:
        """A rank begins an interval; once all have, let the closure compute and give out what is due."""
        asked = header.argument == 1
        for wire in coupled.travelling[rank] if asked else ():
            self.routes.receive(rank, wire, coupled.next_fields[wire.entry.name])
        coupled.here.add(rank)
        if len(coupled.here) < self.transport.ranks:
            return
        self.transport.finish()
        coupled.begin()
        if coupled.coupling.lag:
            self._force(coupled)  # the model runs on with it while the closure computes
        if asked:
            for wire in coupled.receive:
                wire.close_edges(coupled.fields[wire.entry.name], self.registration.decomposition.edges)
            self.in_closure = True
            coupled.compute(header.step)
            self.in_closure = False
        if not coupled.coupling.lag:
            self._force(coupled)

    def _force(self, coupled: CoupledRun) -> None:
        """Give all ranks the forcing that is due, or end the run if the closure failed."""
        # The ranks have taken what was lent to them before: all have begun another interval.
        coupled.lent = [(wire, self.routes.to_read(wire, array)) for wire, array in coupled.due()]
        status = Status.OK if coupled.failure is None else Status.ERROR
        for rank in range(self.transport.ranks):
            places = [self.routes.place(rank, wire, array) for wire, array in coupled.lent]
            answer = Header(Verb.FORCING, status, count=len(places), argument=int(any(places)))
            self.transport.send_request(rank, answer.pack())
            if answer.argument:
                self.transport.send(rank, payload_of(places))
            for place, (wire, array) in zip(places, coupled.lent, strict=True):
                if place is None:
                    self.routes.send(rank, wire, array)
        self.transport.finish()

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


class _Exchange:
    """The time during which the two sides are in the middle of something; all transfers are done at its end."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def __enter__(self) -> None:
        conversation = self._conversation
        if not conversation.open:
            raise ProtocolError("this session is stopped, or another process has it: open another one")
        if not conversation._turn.acquire(blocking=False):
            raise ValueError(
                "this session is in the middle of a run: a closure sees the fields that the coupling receives; "
                "ask for them there. And it serves one thread at a time"
            )
        if conversation.interrupted:
            conversation._turn.release()
            raise ProtocolError("an earlier exchange with this model failed half-way: start the job again")
        conversation.interrupted = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        conversation = self._conversation
        refusals: list[str] = []
        try:
            if kind is None:
                conversation.transport.finish()
                conversation.interrupted = False
                if conversation.refusals:
                    refusals, conversation.refusals = conversation.refusals, []
        finally:
            conversation._turn.release()
        if refusals:
            raise RequestRefused(refusals[0])


def _is_answer_to(verb: int, header: Header) -> bool:
    return (
        header.verb == Verb.REPLY
        and header.argument == verb
        and header.status in (Status.OK, Status.ERROR)
        and abs(header.step) <= LARGEST_STEP
    )
