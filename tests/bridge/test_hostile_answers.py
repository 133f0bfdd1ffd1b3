"""What a model may not say: each is refused with a ProtocolError that names the instance, and spoils the session."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from bridge.errors import ConfigurationError, ProtocolError
from bridge.model import Recording
from bridge.protocol import LONGEST_TEXT, Header, Role, Status, Verb
from bridge.session import Session
from bridge.transport.loopback import LoopbackRank, LoopbackTransport

NX, NY = 4, 3


def description(rank: int) -> dict:
    """Two ranks beside each other."""
    return {
        "model": "memory", "version": "0", "time_step": 10.0, "global_shape": [2 * NX, NY, 1],
        "tile_start": [1 + NX * rank, 1], "tile_shape": [NX, NY],
        "fields": [
            {"name": "nam/a", "role": Role.PARAMETER, "dtype": 1, "extents": [], "point": "", "units": "m", "value": 2},
            {"name": "zos", "role": Role.STATE, "dtype": 1, "extents": [NX, NY], "point": "T", "units": "m"},
        ],
    }  # fmt: skip


class Model:
    """Describes itself as `texts` say, and answers everything else with what `answers` holds for a rank."""

    def __init__(self, texts: list[str] | None = None) -> None:
        self.texts = texts or [json.dumps(description(rank)) for rank in range(2)]
        self.answers: dict[int, list[Header]] = {}

    def serve(self, peer: LoopbackRank) -> None:
        """Answer what has arrived."""
        while peer.requests:
            request = peer.requests.popleft()
            if request.verb == Verb.HELLO:
                data = self.texts[peer.rank].encode()
                peer.answer(
                    Header(Verb.REPLY, argument=Verb.HELLO, count=len(data)), data + b" " * (-len(data) % 4)
                )
            else:
                for answer in self.answers.get(peer.rank, []):
                    peer.answer(answer, np.full((NY, NX), float(answer.step)).tobytes())


def session_with(model: Model) -> Session:
    transport = LoopbackTransport(2, model.serve)
    transport.instance = 7
    return Session(transport)


def ok(verb: Verb, step: int = 0) -> Header:
    return Header(Verb.REPLY, argument=verb, step=step)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([ok(Verb.SNAPSHOT)] * 2, [], "0 answers to SNAPSHOT"),
        ([ok(Verb.SNAPSHOT)], [ok(Verb.RESTORE)], "1 answers to SNAPSHOT"),
        ([ok(Verb.SNAPSHOT)], [Header(Verb.OUTCOME)], "1 answers to SNAPSHOT"),
        ([ok(Verb.SNAPSHOT)], [Header(Verb.REPLY, 9, argument=Verb.SNAPSHOT)], "1 answers to SNAPSHOT"),
        ([ok(Verb.SNAPSHOT, 3)], [ok(Verb.SNAPSHOT, 4)], "step 3, where others are"),
        ([Header(Verb.REPLY, Status.ERROR, argument=Verb.SNAPSHOT, count=2**31 - 1)], [], str(LONGEST_TEXT)),
        ([Header(Verb.REPLY, Status.ERROR, argument=Verb.SNAPSHOT, count=-1)], [], str(LONGEST_TEXT)),
    ],
    ids=[
        "twice",
        "another verb",
        "no reply",
        "odd status",
        "other step",
        "2 GB of text",
        "less than no text",
    ],
)
def test_answers_that_make_no_sense_are_refused(
    first: list[Header], second: list[Header], expected: str
) -> None:
    model = Model()
    session = session_with(model)
    model.answers = {0: first, 1: second}
    with pytest.raises(ProtocolError, match=f"of instance 7: expected .*{expected}"):
        session.snapshot()
    assert session.lost


def test_a_restored_state_is_that_of_its_snapshot() -> None:
    model = Model()
    session = session_with(model)
    model.answers = {rank: [ok(Verb.SNAPSHOT, 3)] for rank in range(2)}
    start = session.snapshot()
    model.answers = {rank: [ok(Verb.RESTORE, 4)] for rank in range(2)}
    with pytest.raises(ProtocolError, match="instance 7: expected to be back at step 3, got step 4"):
        session.restore(start)
    assert session.lost


def record(step: int, status: int = Status.OK) -> Header:
    return Header(Verb.RECORD, status, step=step)


def end(step: int, status: int = Status.OK) -> Header:
    return Header(Verb.OUTCOME, status, step=step)


HONEST = [record(2), record(4), Header(Verb.HEARTBEAT, step=5), end(5)]


@pytest.mark.parametrize(
    "odd",
    [
        [record(4)],
        [record(2), record(2)],
        [record(2), record(4), record(6)],
        [record(-2)],
        [record(3)],
        [record(2**62)],
        [record(2, Status.ERROR)],
        [record(2), end(5)],
        [record(2), record(4), end(4)],
        [record(2), record(4), end(6)],
        [record(2), record(4), end(6, Status.BLEW_UP)],
        [record(2), record(4), end(3, Status.BLEW_UP)],
        [end(0, Status.BLEW_UP)],
        [record(2), record(4), end(5, Status.ERROR)],
        [record(2), record(4), end(5), end(5)],
        [record(2), record(4), end(5), record(2)],
        [record(2), record(4), end(5, Status.BLEW_UP)],
        [ok(Verb.RUN)],
        [Header(99)],
    ],
    ids=lambda odd: " ".join(f"{header.verb}:{header.status}@{header.step}" for header in odd),
)
def test_what_does_not_belong_into_a_run_is_refused(odd: list[Header]) -> None:
    model = Model()
    session = session_with(model)
    model.answers = {0: HONEST, 1: HONEST}
    run = session.advance(5, Recording(("zos",), 2))
    assert run.fields["zos"][:, 0, 0].tolist() == [2.0, 4.0]
    session.step = 0
    model.answers = {0: odd, 1: HONEST}
    with pytest.raises(
        ProtocolError, match="of 2 of instance 7: expected records and the outcome of 5 steps"
    ):
        session.advance(5, Recording(("zos",), 2))
    assert session.lost


def edited(change: Callable[[dict], None]) -> str:
    told = description(0)
    change(told)
    return json.dumps(told)


def field(**changes) -> Callable[[dict], None]:
    return lambda told: told["fields"][1].update(changes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        "7",
        '{"model": "m"}',
        edited(lambda told: told.update(time_step=float("nan"))),
        edited(lambda told: told.update(time_step=10**400)),
        edited(lambda told: told.update(global_shape=[2**40, NY, 1])),
        edited(lambda told: told.update(global_shape=[8, 3])),
        edited(lambda told: told.update(tile_start=[0, 1])),
        edited(lambda told: told.update(tile_start=[True, 1])),
        edited(lambda told: told.update(periodic=["yes", False])),
        edited(lambda told: told.update(fold="Q")),
        edited(lambda told: told.update(model="\ud800")),
        edited(lambda told: told["fields"].append(told["fields"][0])),
        edited(lambda told: told["fields"].append(None)),
        edited(lambda told: told["fields"][0].update(value="much")),
        edited(lambda told: told["fields"][0].pop("value")),
        edited(field(role=9)),
        edited(field(dtype=7)),
        edited(field(dtype=[])),
        edited(field(extents=[NX + 1, NY])),
        edited(field(extents=[NX, NY, 2**31 - 1, 2**31 - 1])),
        edited(field(extents=[NX, NY, -1])),
        edited(field(extents=[NX, NY, 1, 1, 1, 1])),
        edited(field(name="")),
    ],
    ids=lambda text: text[:20],
)
def test_descriptions_that_make_no_sense_are_refused(text: str) -> None:
    session_with(Model())
    with pytest.raises(ProtocolError, match="instance 7: .*rank 0"):
        session_with(Model([text, json.dumps(description(1))]))


def test_edges_that_contradict_each_other_are_refused() -> None:
    texts = [json.dumps(description(rank) | {"fold": "T", "periodic": [False, False]}) for rank in range(2)]
    with pytest.raises(
        ProtocolError, match="instance 7: the model's bridge_grid: a grid with a north fold is periodic"
    ):
        session_with(Model(texts))


def test_names_that_the_model_does_not_know_are_not_sent() -> None:
    session = session_with(Model())
    with pytest.raises(ConfigurationError, match="memory has no field or parameter 'zoz': did you mean zos"):
        session.get("zoz")
    with pytest.raises(ConfigurationError, match="has no field or parameter 'q': it has nam/a, zos"):
        session.get("q")
    with pytest.raises(ConfigurationError, match="'zos' is a state of memory, not a parameter"):
        session.registration.entry("zos", (Role.PARAMETER,))


def test_a_grid_of_which_we_hear_for_the_first_time_costs_nothing() -> None:
    """One tile of a grid of 10^18 cells: checked without an array of that size."""
    odd = description(0) | {"global_shape": [2**30, 2**30, 1], "fields": []}
    session = Session(LoopbackTransport(1, Model([json.dumps(odd)]).serve))
    assert session.registration.global_shape == (2**30, 2**30, 1)


def test_paths_that_the_model_would_not_understand_are_not_sent() -> None:
    session = session_with(Model())
    for path in ("x" * 5000, "half\0way"):
        with pytest.raises(ValueError, match="4096 bytes without NUL"):
            session.load(f"/{path}")
    assert not session.lost
