"""A model that says what no model should: bytes -> frames for everything in Python that listens to a peer.

Each target takes the bytes of a fuzzer (hypothesis, atheris), turns them into choices, and lets only those errors pass
that are documented. No bytes at all mean an honest model, of which everything has to be understood.
"""

from __future__ import annotations

import copy
import io
import json
import logging
import math
import os
import struct
from collections import Counter, deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import zmq

from bridge.coupling import Coupling
from bridge.description import parse
from bridge.description_checks import LARGEST_FIELD
from bridge.errors import ModelCrashed, PeerTimeout, ProtocolError, RequestRefused
from bridge.model import OutcomeKind, Recording
from bridge.protocol import HEADER_BYTES, Header, Role, Status, Verb, padded_text
from bridge.session import Session
from bridge.transport import neighbour, zmq_instance
from bridge.transport.envelope import ENVELOPE_BYTES, PIECE_BYTES, Envelope, Introduction, Kind
from bridge.transport.zmq_transport import Endpoint

NX, NY, NZ, RANKS, LABEL = 4, 3, 2, 2, 7
REFUSALS = (ProtocolError, PeerTimeout, ModelCrashed, RequestRefused)
#: frames that have been sent to something, by target
frames: Counter[str] = Counter()


class Choices:
    """The bytes of a fuzzer as decisions; when they are used up, every decision is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next bytes, as far as there are any."""
        self._at += count
        return self._data[self._at - count : self._at]

    def byte(self) -> int:
        """0 to 255."""
        return (self.take(1) or b"\0")[0]

    def pick(self, options: Any) -> Any:
        """One of a sequence."""
        return options[self.byte() % len(options)]

    def integer(self) -> int:
        """32 bits, often at an edge."""
        edges = (0, 1, -1, 2, 3, 4, 5, 20, 21, 22, 23, 2**31 - 1, -(2**31), 2**24, 65536)
        return self.pick((*edges, struct.unpack("=i", self.take(4).ljust(4, b"\0"))[0]))

    def long(self) -> int:
        """64 bits, often at an edge."""
        return self.pick((0, 1, -1, 2**63 - 1, -(2**63), self.integer(), self.integer()))


# --- single frames ---


def headers(data: bytes) -> None:
    """Anything as a header, an envelope, an introduction; what is accepted packs to the same bytes."""
    frames["headers"] += 3
    for unpack, again in (
        (Header.unpack, Header.pack),
        (Envelope.unpack, Envelope.pack),
        (Introduction.unpack, None),
    ):
        try:
            told: Any = unpack(data)
        except ProtocolError:
            continue
        if again is Header.pack:
            assert again(told) == data
        elif again is Envelope.pack:
            assert again(told)[:12] == data[:12] and again(told)[16:] == data[16:]
        else:
            assert 0 <= told.rank < told.ranks and told.label >= 0 and told.process > 0 and told.host


def changed_header(data: bytes) -> None:
    """A header, an envelope and an introduction with one word changed, or cut."""
    choices = Choices(data)
    whole = choices.pick(
        (
            Header(Verb.SET, 0, 3, 1, 2, (NX, NY, 0, 0, 0)).pack(),
            Envelope(Kind.PAYLOAD, 3, 2).pack(),
            struct.pack("=4i", LABEL, 0, RANKS, 99) + b"host boot space\n/directory",
        )
    )
    headers(mutilated(choices, whole))


def mutilated(choices: Choices, data: bytes) -> bytes:
    """`data` with a word changed, shorter, or longer."""
    place = 4 * (choices.byte() % max(1, len(data) // 4))
    word = struct.pack("=i", choices.integer())
    return choices.pick(
        (
            data[:place] + word + data[place + 4 :],
            data[:place],
            data + word,
            data[:-1],
            b"",
            choices.take(300),
        )
    )


# --- descriptions ---


def description(rank: int) -> dict[str, Any]:
    """What an honest rank says of itself."""

    def field(name: str, role: Role, extents: list[int], dtype: int = 1, **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "role": role,
            "dtype": dtype,
            "extents": extents,
            "point": "T",
            "units": "m",
        } | more

    return {
        "model": "memory", "version": "0", "time_step": 10.0, "global_shape": [RANKS * NX, NY, NZ],
        "tile_start": [1 + NX * rank, 1], "tile_shape": [NX, NY], "periodic": [True, False], "fold": "T",
        "fields": [
            field("nam/a", Role.PARAMETER, [], value=2.5), field("nam/on", Role.PARAMETER, [], 4, value=True),
            field("nam/n", Role.PARAMETER, [], 3, value=3), field("nam/profile", Role.PARAMETER, [NZ]),
            field("zos", Role.STATE, [NX, NY]), field("thetao", Role.STATE, [NX, NY, NZ], 2),
            field("mask", Role.STATIC, [NX, NY], 4),
        ],
    }  # fmt: skip


def changed_description(data: bytes) -> None:
    """The descriptions of two ranks with something changed in one of them or in both, or no JSON at all."""
    frames["descriptions"] += 1
    choices = Choices(data)
    told = [description(rank) for rank in range(RANKS)]
    for _ in range(choices.byte() % 4):
        victims = choices.pick(([told[0]], [told[1]], told))
        change(choices, victims)
    texts = [json.dumps(rank) for rank in told]
    if choices.byte() == 255:
        texts[0] = choices.take(1000).decode(errors="replace")
    elif choices.byte() == 255:
        texts[0] = texts[0][: choices.byte()]
    try:
        registration = parse(texts)
    except ProtocolError:
        return
    for entry in registration.entries.values():
        assert math.prod(entry.shape) * entry.dtype.itemsize <= LARGEST_FIELD
        assert entry.spec.dims is not None and (entry.shape or entry.value is not None)
        assert not entry.tiled or entry.shape[-2:] == tuple(registration.global_shape[1::-1])
    tiles = registration.decomposition.tiles
    if registration.global_shape[0]:
        inside = sum(tile.ni * tile.nj for tile in tiles)
        assert len(tiles) == RANKS and inside <= registration.global_shape[0] * registration.global_shape[1]


def change(choices: Choices, victims: list[dict[str, Any]]) -> None:
    """Put something else into the same place of all victims."""
    path: list[Any] = []
    place: Any = victims[0]
    while isinstance(place, (dict, list)) and place and (not path or choices.byte() % 4):
        path.append(choices.pick(list(place)) if isinstance(place, dict) else choices.byte() % len(place))
        place = place[path[-1]]
    value: Any = choices.pick(
        (
            None, True, "", "T", "\ud800\n", float("nan"), float("inf"), 1.5, [], {}, [1, 1], [[]], {"a": 1}, 10**400,
            place, copy.deepcopy(place), "x" * 100, 2**62, choices.integer(), choices.integer(), choices.integer(),
        )
    )  # fmt: skip
    for victim in victims:
        target: Any = victim
        try:
            for step in path[:-1]:
                target = target[step]
            if choices.byte() % 8 == 7:
                del target[path[-1]]
            elif isinstance(target, list) and choices.byte() % 8 == 7:
                target.append(value)
            else:
                target[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            pass  # an earlier change has removed it


# --- a whole conversation ---


Said = list[tuple[Kind, bytes]]


class Honest:
    """One rank of an honest model: what it would answer to each message of the server."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.address = f"{LABEL}/{number}/99".encode()
        self.sent = self.taken = 0
        self.waits_for: Header | None = None
        self.coupled: Generator[Said, Any, Said] | None = None  # a run that waits for its forcing
        self.step = 0
        columns = slice(NX * number, NX * (number + 1))
        shared = (np.float64(2.5), np.int32(1), np.int32(3), np.arange(float(NZ)))
        self.values = [*shared, *(np.ascontiguousarray(grid[..., columns]) for grid in TRUTH)]

    def hello(self, choices: Choices) -> tuple[bytes, bytes]:
        """Its first message: it runs elsewhere, or here and has died, or is (which nobody believes) this process."""
        elsewhere, here = b"elsewhere boot space\n/nowhere", neighbour.own_place().encode() + b"\n/"
        process, place = choices.pick(((99, elsewhere), (999_999_999, here), (os.getpid(), here)))
        who = struct.pack("=4i", LABEL, self.number, RANKS, process)
        return Envelope(Kind.HELLO).pack(), who + place

    def hear(self, front: bytes, body: bytes) -> list[tuple[bytes, bytes]]:
        """Its messages after one of the server's."""
        envelope = Envelope.unpack(front)
        if envelope.number != self.taken + 1:
            return []
        self.taken += 1
        if self.coupled is not None:
            answers = self.go_on(body)
        elif envelope.kind == Kind.PAYLOAD:
            assert self.waits_for is not None
            request, self.waits_for = self.waits_for, None
            answers = self.after_payload(request, body)
        else:
            answers = self.obey(Header.unpack(body))
        return [self.counted(kind, part) for kind, part in answers]

    def counted(self, kind: Kind, body: bytes) -> tuple[bytes, bytes]:
        self.sent += 1
        return Envelope(kind, self.sent, self.taken).pack(), body

    def obey(self, request: Header) -> list[tuple[Kind, bytes]]:
        if request.verb in (Verb.SET, Verb.SAVE, Verb.LOAD, Verb.SHARE) or (
            request.verb == Verb.RUN and any(request.extents[:3])
        ):
            self.waits_for = request
            return []
        if request.verb == Verb.HELLO:
            return self.text(request, json.dumps(description(self.number)))
        if request.verb == Verb.GET:
            value = self.values[request.field - 1]
            value = value.astype(np.float32) if request.dtype == 2 else value
            return [(Kind.PAYLOAD, value.tobytes())] if value.ndim > 1 or self.number == 0 else []
        if request.verb == Verb.DROP:
            return self.text(request, "no, thank you", Status.ERROR)
        return self.run(request, b"") if request.verb == Verb.RUN else self.fine(request)

    def after_payload(self, request: Header, body: bytes) -> list[tuple[Kind, bytes]]:
        if request.verb == Verb.RUN and request.extents[3]:
            self.coupled = self.coupled_run(request, struct.unpack(f"={len(body) // 4}i", body))
            return self.go_on(None)
        if request.verb == Verb.RUN:
            return self.run(request, body)
        if request.verb == Verb.SHARE:
            return self.text(request, "it runs elsewhere")
        if request.verb == Verb.SET:
            old = self.values[request.field - 1]
            self.values[request.field - 1] = np.frombuffer(body, old.dtype).reshape(old.shape)
        return self.fine(request)

    def go_on(self, body: bytes | None) -> Said:
        """A coupled run up to the next forcing that it waits for, or to its end."""
        assert self.coupled is not None
        try:
            return self.coupled.send(body)
        except StopIteration as end:
            self.coupled = None
            return end.value

    def coupled_run(self, request: Header, numbers: tuple[int, ...]) -> Generator[Said, Any, Said]:
        """The fields for the closure at each beginning of an interval, then what it made of them."""
        _, shown, _, interval, lag = request.extents
        for done in range(0, request.count, interval):
            asked = (request.count - done - 1) // interval >= lag
            mark = Header(Verb.COUPLE, argument=int(asked), count=shown * asked, step=self.step + done)
            said: Said = [(Kind.ANSWER, mark.pack())]
            said += [(Kind.PAYLOAD, self.values[n - 1].tobytes()) for n in numbers[: shown * asked]]
            forcing = Header.unpack((yield said))
            if forcing.status:
                return [(Kind.ANSWER, Header(Verb.OUTCOME, step=self.step + done).pack())]
            for _ in range(forcing.count):
                yield []  # and the next field comes
        return [(Kind.ANSWER, Header(Verb.OUTCOME, step=self.step + request.count).pack())]

    def run(self, request: Header, body: bytes) -> list[tuple[Kind, bytes]]:
        if request.count == 99:  # more than it can
            return self.text(request, "too far", Status.ERROR)
        blows_up = request.count == 98
        said: list[tuple[Kind, bytes]] = [(Kind.ANSWER, Header(Verb.HEARTBEAT, step=0).pack())]
        for done in range(1, 3 if blows_up else request.count + 1):
            if done % request.argument == 0 and body:
                said.append((Kind.ANSWER, Header(Verb.RECORD, step=self.step + done).pack()))
                for number in struct.unpack(f"={len(body) // 4}i", body):
                    value = self.values[number - 1]
                    if value.ndim > 1 or self.number == 0:
                        said.append((Kind.PAYLOAD, (value + value.dtype.type(done)).tobytes()))
        end = Header(Verb.OUTCOME, step=self.step + request.count)
        if blows_up:
            end = Header(Verb.OUTCOME, Status.BLEW_UP, step=self.step + 3)
        return [*said, (Kind.ANSWER, end.pack())]

    def fine(self, request: Header) -> list[tuple[Kind, bytes]]:
        return [(Kind.ANSWER, Header(Verb.REPLY, argument=request.verb, step=self.step).pack())]

    def text(self, request: Header, text: str, status: int = Status.OK) -> list[tuple[Kind, bytes]]:
        header = Header(Verb.REPLY, status, argument=request.verb, count=len(text), step=self.step)
        return [(Kind.ANSWER, header.pack()), (Kind.PAYLOAD, padded_text(text))]


ZOS = np.arange(float(NY * RANKS * NX)).reshape(NY, RANKS * NX)
THETAO = np.arange(NZ * NY * RANKS * NX, dtype=np.float32).reshape(NZ, NY, RANKS * NX)
MASK = np.ones((NY, RANKS * NX), np.int32)
TRUTH = (ZOS, THETAO, MASK)


class Frame:
    """As much of zmq.Frame as the transport looks at."""

    def __init__(self, data: bytes) -> None:
        self.bytes = data
        self.buffer = memoryview(data)


class Wire:
    """In place of a ROUTER socket: honest ranks at the other end, and `choices` that spoil what they say."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.spoils = False
        self.away: set[bytes] = set()
        self.ranks = {rank.address: rank for rank in map(Honest, range(RANKS))}
        self.incoming: deque[list[bytes]] = deque()
        for address, rank in self.ranks.items():
            self.arrive(address, *rank.hello(choices))

    def send_multipart(self, parts: Any, flags: int = 0, copy: bool = True) -> None:
        """Of the server: heard at once, and answered."""
        address, front, body = (bytes(part) for part in parts)
        rank = self.ranks.get(address)
        if rank is None or address in self.away:
            raise zmq.ZMQError(zmq.EHOSTUNREACH)
        if self.spoils and self.choices.byte() == 255:
            self.away.add(address)  # it has left; what it said before may still arrive
            raise zmq.ZMQError(self.choices.pick((zmq.EHOSTUNREACH, zmq.EAGAIN)))
        kind = Envelope.unpack(front).kind
        if kind in (Kind.REQUEST, Kind.PAYLOAD):
            for answer in rank.hear(front, body):
                self.arrive(address, *answer)
            if rank.taken % 8 == 0:
                self.arrive(address, Envelope(Kind.ACKNOWLEDGE, 0, rank.taken).pack(), b"")

    def recv_multipart(self, flags: int = 0, copy: bool = True) -> list[Frame]:
        """For the server: the next message."""
        if not self.incoming:
            raise zmq.Again
        frames["conversations"] += 1
        return [Frame(part) for part in self.incoming.popleft()]

    def poll(self, milliseconds: int) -> dict[Any, int]:
        """As a poller: nothing more will come."""
        return {}

    def arrive(self, address: bytes, front: bytes, body: bytes) -> None:
        """A message on its way to the server, and what becomes of it there."""
        if not self.spoils or (what := self.choices.byte()) < 200:
            self.incoming.append([address, front, body])
            return
        self.incoming.extend(SPOILED[what % len(SPOILED)](self.choices, address, front, body))

    def spoil_what_is_here(self) -> None:
        """Let what has arrived arrive once more, as it suits the fuzzer."""
        messages = list(self.incoming)
        self.incoming.clear()
        for address, front, body in messages:
            self.arrive(address, front, body)

    def close(self, linger: int = 0) -> None:
        """Nothing to give back."""

    def disable_monitor(self) -> None:
        """There is none."""

    def term(self) -> None:
        """As a context."""


def _changed_answer(choices: Choices, address: bytes, front: bytes, body: bytes) -> list[list[bytes]]:
    """A word of the header of an answer; the values of a field come as they are, but cut anywhere."""
    if len(body) == HEADER_BYTES and Envelope.unpack(front).kind == Kind.ANSWER:
        # 7 and 8 are the hash of a snapshot, which only the model knows
        word = 4 * choices.pick((0, 1, 2, 3, 4, 12, 13, 14, 15))
        return [[address, front, body[:word] + struct.pack("=i", choices.integer()) + body[word + 4 :]]]
    return [[address, front, body[: choices.byte()]]]


def _changed_envelope(choices: Choices, address: bytes, front: bytes, body: bytes) -> list[list[bytes]]:
    told = Envelope.unpack(front)
    return choices.pick(
        (
            [[address, Envelope(choices.integer(), told.number, told.acknowledged).pack(), body]],
            [[address, Envelope(told.kind, choices.long(), told.acknowledged).pack(), body]],
            [[address, Envelope(told.kind, told.number, choices.long()).pack(), body]],
            [[address, mutilated(choices, front), body]],
        )
    )


def _injected(choices: Choices, address: bytes, front: bytes, body: bytes) -> list[list[bytes]]:
    """Something else before, with the next number."""
    told = Envelope.unpack(front)
    envelope = Envelope(choices.pick((*Kind, choices.integer())), told.number, told.acknowledged)
    other = choices.pick((address, b"stranger", b"7/1/99", b""))
    content = choices.pick((b"", body, bytes(64), Header(choices.integer()).pack(), bytes(PIECE_BYTES)))
    return [[other, envelope.pack(), content], [address, front, body]]


SPOILED = (
    _changed_answer,
    _changed_answer,
    _changed_envelope,
    _injected,
    lambda choices, address, front, body: [],
    lambda choices, address, front, body: [[address, front, body]] * 2,
    lambda choices, address, front, body: [[address, front, body + bytes(4)]],
    lambda choices, address, front, body: [[address, front, body], *flood(choices, address, front)],
    lambda choices, address, front, body: [[address, front, body, b""]],
    lambda choices, address, front, body: [[address, front]],
    lambda choices, address, front, body: [[address]],
    lambda choices, address, front, body: [[address, choices.take(ENVELOPE_BYTES), body]],
)


def flood(choices: Choices, address: bytes, front: bytes) -> list[list[bytes]]:
    """Many messages that nobody asked for."""
    told = Envelope.unpack(front)
    kind = choices.pick((Kind.PAYLOAD, Kind.ANSWER))
    return [
        [address, Envelope(kind, told.number + n, told.acknowledged).pack(), bytes(64)]
        for n in range(1, 2 + choices.byte() % 64)
    ]


def endpoint_at(wire: Wire) -> Endpoint:
    """An endpoint that listens to the wire."""
    endpoint = Endpoint.__new__(Endpoint)
    vars(endpoint).update(
        patience=0.0, losses=0, address="ipc://memory", _live={}, _arriving={}, _ranks={}, _refusal=None,
        _turned_away="", _owner=os.getpid(),
        _last_one_closes=False, _closed=False, _authenticator=None, _lock=None, _context=wire, _socket=wire, _news=wire,
        _poller=wire,
    )  # fmt: skip
    return endpoint


def conversation(data: bytes) -> None:
    """A session with a model that an unreliable messenger speaks for: every result is the true one, or refused."""
    choices = Choices(data)
    wire = Wire(choices)
    honest = not data
    early = choices.byte() % 4 == 3  # does it lie from the first word?
    wire.spoils = early
    try:
        if early:
            wire.spoil_what_is_here()
        session = Session(endpoint_at(wire).accept(1e-3))
        wire.spoils = True
        talk(session, choices, truthful=not early)
    except REFUSALS as error:
        assert not honest, error
        assert early or f"instance {LABEL}" in str(error) or "rank" in str(error), error


def talk(session: Session, choices: Choices, truthful: bool) -> None:
    """All the verbs, beginning where the fuzzer wants; `truthful`: the descriptions were those of the model."""
    if not truthful:
        session.describe()
        return
    calls = (_values, _written, _snapshots, _records, _blow_up, _refused, _followed, _coupled)
    first = choices.byte() % len(calls)
    for call in (*calls[first:], *calls[:first]):
        call(session)
    session.stop()


def _values(session: Session) -> None:
    for name, truth in (("zos", ZOS), ("thetao", THETAO), ("mask", MASK.astype(bool))):
        assert np.array_equal(session.get(name), truth)
    assert np.array_equal(session.get("zos", dtype=np.float32), ZOS)
    assert session.get("nam/a") == 2.5 and session.describe().parameters["nam/profile"].tolist() == [0.0, 1.0]


def _written(session: Session) -> None:
    session.set({"zos": ZOS, "nam/a": 2.5, "thetao": THETAO})


def _snapshots(session: Session) -> None:
    start = session.snapshot()
    session.restore(start)
    session.save(start, "/nowhere/file")
    assert session.step == start.step
    session.step = 0


def _records(session: Session) -> None:
    run = session.advance(5, Recording(("zos", "thetao", "nam/n"), 2))
    assert run.steps.tolist() == [2, 4] and run.outcome.kind is OutcomeKind.COMPLETED
    assert np.array_equal(run.fields["zos"], np.stack([ZOS + 2, ZOS + 4]))
    assert np.array_equal(run.fields["thetao"], np.stack([THETAO + 2, THETAO + 4]))
    session.step = 0


def _blow_up(session: Session) -> None:
    run = session.advance(98, Recording(("zos",), 1))
    assert run.outcome.kind is OutcomeKind.BLEW_UP and run.outcome.step == 3
    assert np.array_equal(run.fields["zos"], np.stack([ZOS + 1, ZOS + 2]))
    session.step = 0


def _refused(session: Session) -> None:
    start = session.snapshot()
    for call in (lambda: session.drop(start), lambda: session.advance(99, Recording(()))):
        try:
            call()
        except RequestRefused:
            continue
        raise AssertionError("a refusal was not noticed")


def _followed(session: Session) -> None:
    generator = session.running({}, session.snapshot(), 3, Recording(("zos",), 3))
    while True:
        try:
            next(generator)
        except StopIteration as done:
            assert np.array_equal(done.value.fields["zos"], (ZOS + 3)[None])
            session.step = 0
            return


def _coupled(session: Session) -> None:
    def closure(step: int, fields: Any) -> dict[str, Any]:
        assert np.array_equal(fields["zos"], ZOS)
        return {"thetao": THETAO}

    def fails(step: int, fields: Any) -> dict[str, Any]:
        raise KeyError("a closure that fails")

    for lag in (0, 1):
        coupling = Coupling(closure, ("zos",), ("thetao",), every=2, lag=lag)
        assert session.advance(5, Recording(()), coupling=coupling).outcome.step == 5
        session.step = 0
    try:
        session.advance(5, Recording(()), coupling=Coupling(fails, ("zos",), ("thetao",)))
    except KeyError:
        session.step = 0
        return
    raise AssertionError("the failure of a closure was not noticed")


# --- before and beside a session ---


def meeting(data: bytes) -> None:
    """Anybody comes to an endpoint, in any order: an instance has each of its ranks once, or there is none."""
    choices = Choices(data)
    wire = Wire(choices)
    wire.incoming.clear()
    endpoint = endpoint_at(wire)
    accepted = []
    for _ in range(1 + choices.byte() % 40):
        wire.incoming.append(_of_anybody(choices))
        if choices.byte() % 16 == 15:
            wire.away = {choices.pick(ADDRESSES)} - wire.away
        if choices.byte() % 64 == 63:
            endpoint.close_with_the_last()
        try:
            if choices.byte() % 4 == 3:
                accepted.append(endpoint.accept(0.0))
            elif accepted and choices.byte() % 4 == 3:
                accepted[-1].poll()
            else:
                endpoint.pump(0.0)
        except REFUSALS:
            continue
    for transport in accepted:
        who = [member.introduction for member in transport.members]
        assert [one.rank for one in who] == list(range(transport.ranks))
        assert {one.label for one in who} == {transport.instance}
    endpoint.refuse_arrivals("enough")


ADDRESSES = (b"7/0/99", b"7/1/99", b"8/0/98", b"")
_WHO = ((7, 8, -1), (0, 1, 2), (1, 2, 0, 3), (99, 98, 0))  # label, rank, ranks, process


def _of_anybody(choices: Choices) -> list[bytes]:
    """A message of one of a few peers, most often an introduction."""
    address = choices.pick(ADDRESSES)
    kind = choices.pick((Kind.HELLO, Kind.HELLO, Kind.HELLO, *Kind))
    front = Envelope(kind, choices.byte() % 4, -(choices.byte() % 2)).pack()
    if choices.byte() % 8 == 7:
        front = mutilated(choices, front)
    who = struct.pack("=4i", *(choices.pick(options) for options in _WHO)) + b"elsewhere"
    body = who if kind == Kind.HELLO else choices.pick((b"", bytes(64), Header(Verb.REPLY).pack()))
    return [address, front, mutilated(choices, body) if choices.byte() % 8 == 7 else body]


TARGETS = (headers, changed_header, changed_description, conversation, meeting)


@contextmanager
def harmless() -> Iterator[None]:
    """While it lasts, no process is ended, nobody is waited for, and nothing is said of it."""
    with (
        mock.patch.object(zmq_instance, "_FAREWELL", 1e-4),
        mock.patch.object(zmq_instance, "_SETTLE", 1e-4),
        mock.patch.object(neighbour, "end", lambda process, place: None),
        mock.patch.object(zmq_instance, "sys", SimpleNamespace(stderr=io.StringIO())),
        mock.patch.object(logging.getLogger("nemo-bridge"), "disabled", True),
    ):
        yield


def one_input(data: bytes) -> None:
    """What a fuzzer calls: the first byte chooses the target."""
    TARGETS[data[0] % len(TARGETS) if data else 0](data[1:])
