"""One model instance at an `Endpoint`: the Transport of a Session, and the ranks behind it."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bridge.errors import BridgeError, ModelCrashed, PeerTimeout, ProtocolError, with_log
from bridge.protocol import HEADER_BYTES, Header
from bridge.started_job import log_tail
from bridge.transport import neighbour
from bridge.transport.base import Window, plain_question
from bridge.transport.delivery import Delivery
from bridge.transport.envelope import Envelope, Introduction, Kind
from bridge.transport.neighbour import Life
from bridge.transport.pieces import Assembly, cut

if TYPE_CHECKING:
    from bridge.transport.zmq_transport import Endpoint

_SLICE = 0.2  # s of waiting between looks at the ranks
_SHORTEST_POLL = 1e-3  # s, what libzmq counts in
_BEAT_INTERVAL = 1.0  # s
_FAREWELL = 2.0  # s for a model to end by itself
_SETTLE = 0.3  # s for the reason of an end to arrive


class Rank:
    """One rank of a model: what it said of itself, what is on its way to and from it."""

    def __init__(self, address: bytes, introduction: Introduction) -> None:
        self.address = address
        self.introduction = introduction
        self.delivery = Delivery()
        self.assemblies: deque[Assembly] = deque()  # windows that wait for their pieces
        self.lost_since: float | None = None  # when its connection was found to be lost
        self.goodbye: str | None = None  # why it gave up
        self.failure: BridgeError | None = None

    @property
    def name(self) -> str:
        """For messages: which rank of which instance, and where it runs."""
        who = self.introduction
        return f"rank {who.rank} of {who.ranks} of instance {who.label} (process {who.process} on {who.host})"

    @property
    def life(self) -> Life:
        """What the system says of its process."""
        return neighbour.life_of(self.introduction.process, self.introduction.place)

    def agrees_with(self, newcomer: Rank) -> bool:
        """Can both be ranks of one model?"""
        mine, theirs = self.introduction, newcomer.introduction
        return mine.rank != theirs.rank and mine.ranks == theirs.ranks

    def take(self, envelope: Envelope, body: memoryview) -> bool:
        """Take in a message; True if the rank wants to hear something in return. ProtocolError if it makes no sense."""
        self.lost_since = None
        self.delivery.acknowledged(envelope.acknowledged)
        if envelope.kind == Kind.RESUME:
            return True
        if envelope.kind == Kind.GOODBYE:
            self.goodbye = bytes(body[:2000]).decode(errors="replace")
        elif envelope.kind in (Kind.ANSWER, Kind.PAYLOAD):
            if envelope.kind == Kind.ANSWER and len(body) != HEADER_BYTES:
                raise ProtocolError(f"a header has {HEADER_BYTES} bytes, not {len(body)}")
            self.delivery.arrived(envelope, body)
            self.settle()
            return self.delivery.owes_acknowledgement
        elif envelope.kind not in (Kind.ACKNOWLEDGE, Kind.BEAT):
            raise ProtocolError(f"it sent a message of unknown kind {envelope.kind}")
        return False

    def settle(self) -> None:
        """Put pieces that have arrived into the windows that wait for them."""
        inbox = self.delivery.inbox
        while inbox and self.assemblies:
            kind, body = inbox[0]
            if kind != Kind.PAYLOAD:
                raise ProtocolError("expected values of a field, got an answer")
            self.assemblies[0].add(body)
            inbox.popleft()
            if self.assemblies[0].complete:
                self.assemblies.popleft()

    @property
    def speaks_out_of_turn(self) -> bool:
        """Are values of a field here that no answer has announced?"""
        inbox = self.delivery.inbox
        return bool(inbox) and inbox[0][0] == Kind.PAYLOAD and not self.assemblies

    def fails(self, error: ProtocolError) -> None:
        """Remember the first thing that made no sense; whoever waits for this rank raises it."""
        self.failure = self.failure or ProtocolError(f"{self.name}: {error}")


class ZmqTransport:
    """Transport to the ranks of one model instance, a job of its own that meets us at an endpoint."""

    def __init__(self, endpoint: Endpoint, instance: int, members: list[Rank], timeout: float) -> None:
        self.ranks = len(members)
        self.instance = instance
        self.independent = True
        self.may_share_memory = True
        self.in_place = False
        self.members = members
        self.timeout = timeout
        self._endpoint = endpoint
        self._answers: deque[tuple[int, Header]] = deque()  # taken, and not yet asked for
        self._over = False
        self._next_beat = 0.0
        self._losses = -1

    def send_request(self, rank: int, header: bytes) -> None:
        self._post(self.members[rank], Kind.REQUEST, header)

    def send(self, rank: int, payload: Window | bytes) -> None:
        for piece, borrowed in cut(payload):
            self._post(self.members[rank], Kind.PAYLOAD, piece, borrowed)

    def receive(self, rank: int, window: Window) -> None:
        member = self.members[rank]
        member.assemblies.append(Assembly(window))
        try:
            member.settle()
        except ProtocolError as error:
            member.fails(error)
        self._acknowledge(member)

    def question(self, header: bytes, window: Window) -> Callable[[], None]:
        return plain_question(self, header, window)

    def next_answer(self) -> tuple[int, Header]:
        self._wait(self._answer_is_here, "an answer of the model")
        answer = self._taken_answer()
        assert answer is not None  # it was here a moment ago
        return answer

    def poll(self) -> tuple[int, Header] | None:
        arrived = self._endpoint.pump(0.0)
        if (answer := self._taken_answer()) is None:
            if not arrived:
                self._beat()
            self._judge()
        return answer

    def rest(self, seconds: float) -> None:
        self._endpoint.pump(max(seconds, _SHORTEST_POLL) if seconds > 0 else 0.0)

    def _taken_answer(self) -> tuple[int, Header] | None:
        return self._answers.popleft() if self._answers else self._answer_out_of_inbox()

    def _answer_out_of_inbox(self) -> tuple[int, Header] | None:
        for number, member in enumerate(self.members):
            inbox = member.delivery.inbox
            if inbox and inbox[0][0] == Kind.ANSWER:
                try:
                    header = Header.unpack(inbox.popleft()[1])
                except ProtocolError as error:
                    self._fail(ProtocolError(f"{member.name}: {error}"))
                self._acknowledge(member)
                return number, header
        return None

    def finish(self) -> None:
        self._wait(self._all_is_done, "a field to be exchanged with the model")

    def abort(self, reason: str) -> None:
        """Tell the model why, give it a moment to end by itself, then end those processes that are within reach."""
        if self._over:
            return
        self._over = True
        sys.stderr.write(f"nemo-bridge: {reason}; ending instance {self.instance}\n")
        for member in self.members:
            self._endpoint.transmit(member, Envelope(Kind.GOODBYE), reason.encode()[:2000])
        deadline = time.monotonic() + _FAREWELL
        while time.monotonic() < deadline and not all(self._has_left(member) for member in self.members):
            self._endpoint.pump(0.1)
        for member in self.members:
            neighbour.end(member.introduction.process, member.introduction.place)
        self._endpoint.forget(self)

    def close(self) -> None:
        self._over = True
        self._endpoint.forget(self)

    # --- waiting ---

    def _post(self, member: Rank, kind: Kind, body: bytes | memoryview, borrowed: bool = False) -> None:
        delivery = member.delivery
        if not delivery.has_room:
            self._wait(lambda: self._room_made(delivery), f"{member.name} to take what was sent")
        self._endpoint.transmit(member, delivery.post(kind, body, borrowed), body)

    def _room_made(self, delivery: Delivery) -> bool:
        """May more be sent? A rank whose answers nobody takes stops, so they are taken; one each was asked for."""
        while len(self._answers) < delivery.sent and (answer := self._answer_out_of_inbox()) is not None:
            self._answers.append(answer)
        return delivery.has_room

    def _acknowledge(self, member: Rank) -> None:
        if member.delivery.owes_acknowledgement:
            self._endpoint.transmit(member, member.delivery.envelope(Kind.ACKNOWLEDGE), b"")

    def _answer_is_here(self) -> bool:
        return bool(self._answers) or any(
            m.delivery.inbox and m.delivery.inbox[0][0] == Kind.ANSWER for m in self.members
        )

    def _all_is_done(self) -> bool:
        return not any(member.assemblies or member.delivery.lends for member in self.members)

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        """Take in what arrives until `done`; ModelCrashed or PeerTimeout if that cannot be any more."""
        if done():
            return
        start = time.monotonic()
        while True:
            arrived = self._endpoint.pump(_SLICE)
            if done():
                return
            if not arrived:
                self._beat()
            self._judge()
            if time.monotonic() - start > self.timeout:
                waited = f"instance {self.instance}: waited {self.timeout:g} s in vain for {what}"
                raise PeerTimeout(self._with_log(waited))

    def _beat(self) -> None:
        """A sign of life to each rank now and then, and at once when some connection broke: whose was it?"""
        now = time.monotonic()
        if now < self._next_beat and self._losses == self._endpoint.losses:
            return
        self._next_beat = now + _BEAT_INTERVAL
        self._losses = self._endpoint.losses
        for member in self.members:
            self._endpoint.transmit(member, member.delivery.envelope(Kind.BEAT), b"")

    def _judge(self) -> None:
        """Raise what is to be said of the ranks, if anything."""
        for member in self.members:
            if member.speaks_out_of_turn:
                member.fails(ProtocolError("expected an answer, got values that nobody asked for"))
            if member.failure is not None:
                self._fail(member.failure)
            if member.goodbye is not None:
                self._fail(self._crashed(f"{member.name} gave up: {member.goodbye}"))
        lost = [member for member in self.members if member.lost_since is not None]
        if not lost:
            return
        if any(member.life is Life.GONE for member in lost):
            self._explain_end()
        for member in lost:
            if time.monotonic() - (member.lost_since or 0.0) > self._endpoint.patience / 2:
                self._fail(self._out_of_reach(member))

    def _explain_end(self) -> None:
        """Processes are gone: wait a moment for the reason, which may be on its way, and for the others."""
        deadline = time.monotonic() + _SETTLE
        while time.monotonic() < deadline:
            self._endpoint.pump(0.05)
        for member in self.members:
            if member.goodbye is not None:
                self._fail(self._crashed(f"{member.name} gave up: {member.goodbye}"))
        gone = [member for member in self.members if member.life is Life.GONE]
        names = "; ".join(member.name for member in gone[:4]) + ("; …" if len(gone) > 4 else "")
        self._fail(self._crashed(f"the model has ended or died: {names}"))

    def _out_of_reach(self, member: Rank) -> BridgeError:
        reason = {
            Life.STOPPED: "its process is stopped (suspended by a signal)",
            Life.RUNNING: "its process runs, but the connection is lost",
        }.get(member.life, "it has died, or the network is down")
        return PeerTimeout(self._with_log(f"no sign of life from {member.name}: {reason}"))

    def _crashed(self, message: str) -> ModelCrashed:
        return ModelCrashed(self._with_log(message))

    def _with_log(self, message: str) -> str:
        """The message with the run directory, and the end of the log where it is on this machine."""
        who = self.members[0].introduction
        directory = Path(who.directory)
        if who.place != neighbour.own_place() or not directory.is_dir():
            return f"{message} (it ran in {who.directory} on {who.host})"
        return with_log(message, directory, log_tail(directory))

    def _fail(self, error: BridgeError) -> NoReturn:
        """The instance is lost: see that nothing of it stays behind, and raise."""
        self.abort(str(error).splitlines()[0])
        raise error

    def _has_left(self, member: Rank) -> bool:
        if member.life is Life.UNKNOWN:
            self._endpoint.transmit(member, Envelope(Kind.BEAT), b"")
            return member.lost_since is not None
        return member.life is Life.GONE
