"""A session with ranks that share its memory and ranks that do not: the same values, whichever way they take."""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Generator

import numpy as np
import pytest

from bridge.coupling import Coupling
from bridge.errors import ProtocolError
from bridge.model import Recording
from bridge.protocol import Header, Role, Verb
from bridge.session import Session
from bridge.settings import SHARED_MEMORY
from bridge.shared_memory import ANSWERS_AT, SMALLEST_SHARED
from bridge.transport.loopback import LoopbackRank, LoopbackTransport

NX, NY = 80, 40  # two ranks side by side
HALF = (NY, NX // 2)
BUMP = np.random.default_rng(1).random((NY, NX))
assert BUMP.nbytes > SMALLEST_SHARED


class SharingModel:
    """zos grows by nam/a per step; ranks in `sharers` copy it from and to the places that they are told."""

    def __init__(self, sharers: set[int]) -> None:
        self.sharers = sharers
        self.a, self.zos, self.step = 1.0, [np.zeros(HALF), np.zeros(HALF)], [0, 0]
        self.under_way: dict[int, Generator[None, None, None]] = {}
        self.placed = 0  # how often a place was used
        self.odd_answers = False

    def serve(self, peer: LoopbackRank) -> None:
        """Answer all that has arrived."""
        while peer.requests:
            if peer.rank not in self.under_way:
                request = peer.requests.popleft()
                if request.verb != Verb.RUN:
                    getattr(self, Verb(request.verb).name.lower())(peer, request)
                    continue
                self.under_way[peer.rank] = self.run(peer, request)
            if next(self.under_way[peer.rank], "ended") == "ended":
                del self.under_way[peer.rank]

    def reply(self, peer: LoopbackRank, request: Header, text: str = "") -> None:
        header = Header(Verb.REPLY, argument=request.verb, count=len(text), step=self.step[peer.rank])
        peer.answer(header, *([text.encode() + b" " * (-len(text) % 4)] if text else []))

    def part(self, offset: int, row_stride: int) -> np.ndarray:
        """Values of a rank in the memory that the server shares."""
        self.placed += 1
        return np.ndarray(HALF, np.float64, self.memory, offset, (4 * row_stride, 8))

    def hello(self, peer: LoopbackRank, request: Header) -> None:
        fields = [
            {"name": "nam/a", "role": Role.PARAMETER, "dtype": 1, "extents": [], "point": "", "units": "", "value": 1},
            {"name": "zos", "role": Role.STATE, "dtype": 1, "extents": [*HALF[::-1]], "point": "T", "units": "m"},
        ]  # fmt: skip
        told = {
            "model": "sharing", "version": "0", "time_step": 10.0, "global_shape": [NX, NY, 1],
            "tile_start": [1 + HALF[1] * peer.rank, 1], "tile_shape": [*HALF[::-1]], "fields": fields,
        }  # fmt: skip
        self.reply(peer, request, json.dumps(told))

    def share(self, peer: LoopbackRank, request: Header) -> None:
        peer.incoming.popleft()
        if peer.rank not in self.sharers:
            self.reply(peer, request, "it runs elsewhere")
            return
        file = request.extents[1]  # of this very process
        self.memory = mmap.mmap(file, os.fstat(file).st_size)
        struct.pack_into("=q", self.memory, ANSWERS_AT + 8 * peer.rank, request.step)
        self.reply(peer, request, "shared")

    def get(self, peer: LoopbackRank, request: Header) -> None:
        if not request.count:
            peer.outgoing.append(self.zos[peer.rank].tobytes())
            return
        self.part(request.step, request.count)[...] = self.zos[peer.rank]
        self.reply(peer, request)
        if self.odd_answers:
            self.reply(peer, request)

    def set(self, peer: LoopbackRank, request: Header) -> None:
        if request.count:
            self.zos[peer.rank] = self.part(request.step, request.count).copy()
        else:
            data = np.frombuffer(peer.incoming.popleft())
            self.zos[peer.rank] = data.reshape(HALF).copy()
        self.reply(peer, request)

    def stop(self, peer: LoopbackRank, request: Header) -> None:
        self.reply(peer, request)

    def run(self, peer: LoopbackRank, request: Header) -> Generator[None, None, None]:
        rank, (recorded, _, given, interval, _) = peer.rank, request.extents
        if recorded + given:
            peer.incoming.popleft()
        place = struct.unpack("=qqii", peer.incoming.popleft()[:24]) if request.field else None
        for done in range(request.count):
            if interval and done % interval == 0:
                peer.answer(Header(Verb.COUPLE, argument=1, step=self.step[rank]))
                yield
                forcing = peer.requests.popleft()
                data = peer.incoming.popleft()
                if forcing.argument:
                    offset, _, row_stride, _ = struct.unpack("=qqii", data)
                    self.zos[rank] = self.part(offset, row_stride).copy()
                else:
                    self.zos[rank] = np.frombuffer(data).reshape(HALF).copy()
            self.zos[rank] = self.zos[rank] + self.a
            self.step[rank] += 1
            if recorded and (done + 1) % request.argument == 0:
                record = done // request.argument
                if place is None:
                    peer.answer(Header(Verb.RECORD, step=self.step[rank]), self.zos[rank].tobytes())
                else:
                    self.part(place[0] + record * place[1], place[2])[...] = self.zos[rank]
                    peer.answer(Header(Verb.RECORD, step=self.step[rank]))
        peer.answer(Header(Verb.OUTCOME, step=self.step[rank]))


def session_with(model: SharingModel, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv(SHARED_MEMORY.name, "auto")
    transport = LoopbackTransport(2, model.serve)
    transport.may_share_memory, transport.in_place = True, False
    return Session(transport)


@pytest.mark.parametrize("sharers", [set(), {1}, {0, 1}], ids=["nobody", "one of two", "both"])
def test_values_are_the_same_whoever_shares_memory(
    monkeypatch: pytest.MonkeyPatch, sharers: set[int]
) -> None:
    model = SharingModel(sharers)
    with session_with(model, monkeypatch) as session:
        session.set({"zos": BUMP})
        assert np.array_equal(session.get("zos"), BUMP)
        assert np.array_equal(session.get("zos", out=np.full((NY, NX), 7.0)), BUMP)  # ordinary memory
        run = session.advance(4, Recording(("zos",), 2))
        assert np.array_equal(run.fields["zos"], np.stack([BUMP + 1.0 + 1.0, BUMP + 1.0 + 1.0 + 1.0 + 1.0]))
        forced = session.advance(
            4,
            Recording(("zos",), 4),
            coupling=Coupling(lambda step, fields: {"zos": step * BUMP}, (), ("zos",), every=2),
        )
        assert np.array_equal(forced.fields["zos"][0], 6 * BUMP + 1.0 + 1.0)
    assert (model.placed > 0) == bool(sharers)


def test_answer_too_many_of_a_rank_that_copies_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = SharingModel({1})
    session = session_with(model, monkeypatch)
    model.odd_answers = True
    session.get("zos")
    with pytest.raises(ProtocolError, match="rank 1 of 2 of instance 0: expected"):
        session.set({"zos": BUMP})
    assert session.lost
