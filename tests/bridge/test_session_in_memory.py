"""A session over the loopback transport: what this side does, without processes."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bridge.coupling import Coupling
from bridge.ensemble_batch import Batch
from bridge.errors import ConfigurationError, PeerTimeout, ProtocolError, RequestRefused
from bridge.model import Model, OutcomeKind, Recording
from bridge.protocol import Header, Role, Status, Verb
from bridge.session import Session
from bridge.transport.loopback import LoopbackRank, LoopbackTransport

NX, NY = 6, 4


def description(rank: int, **changes) -> dict:
    """What rank `rank` of 2 says; the middle third of the grid is land that nobody owns."""
    return {
        "model": "memory", "version": "0", "time_step": 10.0, "global_shape": [NX, NY, 1],
        "tile_start": [1 + 4 * rank, 1], "tile_shape": [2, NY],
        "fields": [
            {"name": "nam/a", "role": Role.PARAMETER, "dtype": 1, "extents": [], "point": "", "units": "m", "value": 2},
            {"name": "zos", "role": Role.STATE, "dtype": 1, "extents": [2, NY], "point": "T", "units": "m"},
        ],
    } | changes  # fmt: skip


class MemoryModel:
    """zos grows by nam/a per step on every cell; blows up above 100."""

    def __init__(self, describe: Callable[[int], dict] = description) -> None:
        self.describe = describe
        self.a, self.zos, self.step = 2.0, {0: np.zeros((NY, 2)), 1: np.zeros((NY, 2))}, {0: 0, 1: 0}
        self.slots: dict[tuple[int, int], tuple[np.ndarray, int]] = {}

    def serve(self, peer: LoopbackRank) -> None:
        """Answer all requests that have arrived."""
        while peer.requests:
            request = peer.requests.popleft()
            getattr(self, Verb(request.verb).name.lower())(peer, request)

    def reply(self, peer: LoopbackRank, request: Header, text: str = "", status: int = Status.OK) -> None:
        """An answer, with a text if given."""
        data = text.encode() + b" " * (-len(text) % 4)
        header = Header(Verb.REPLY, status, argument=request.verb, count=len(text), step=self.step[peer.rank])
        peer.answer(header, *([data] if text else []))

    def hello(self, peer: LoopbackRank, request: Header) -> None:
        self.reply(peer, request, json.dumps(self.describe(peer.rank)))

    def get(self, peer: LoopbackRank, request: Header) -> None:
        peer.outgoing.append(self.zos[peer.rank].tobytes())

    def set(self, peer: LoopbackRank, request: Header) -> None:
        data = np.frombuffer(peer.incoming.popleft())
        if request.field == 1:
            self.a = float(data[0])
        else:
            self.zos[peer.rank] = data.reshape(NY, 2).copy()
        self.reply(peer, request)

    def snapshot(self, peer: LoopbackRank, request: Header) -> None:
        self.slots[peer.rank, request.argument] = self.zos[peer.rank].copy(), self.step[peer.rank]
        self.reply(peer, request)

    def restore(self, peer: LoopbackRank, request: Header) -> None:
        zos, self.step[peer.rank] = self.slots[peer.rank, request.argument]
        self.zos[peer.rank] = zos.copy()
        self.reply(peer, request)

    def drop(self, peer: LoopbackRank, request: Header) -> None:
        self.reply(peer, request, "no, thank you", Status.ERROR)

    def stop(self, peer: LoopbackRank, request: Header) -> None:
        self.reply(peer, request)

    def run(self, peer: LoopbackRank, request: Header) -> None:
        fields = np.frombuffer(peer.incoming.popleft(), np.int32) if request.extents[0] else []
        for n in range(1, request.count + 1):
            self.zos[peer.rank] += self.a
            self.step[peer.rank] += 1
            step = self.step[peer.rank]
            if self.zos[peer.rank].max() > 100:
                peer.answer(Header(Verb.OUTCOME, Status.BLEW_UP, step=step))
                return
            if n % request.argument == 0:
                peer.answer(Header(Verb.RECORD, step=step), *(self.zos[peer.rank].tobytes() for _ in fields))
        peer.answer(Header(Verb.OUTCOME, step=self.step[peer.rank]))


def session_with(model: MemoryModel) -> Session:
    return Session(LoopbackTransport(2, model.serve))


@pytest.fixture
def session() -> Session:
    return session_with(MemoryModel())


def test_session_is_a_model(session: Session) -> None:
    assert isinstance(session, Model)
    assert session.describe().fields["zos"].units == "m"


def test_tiles_become_a_global_array_with_zeros_on_land(session: Session) -> None:
    values = np.arange(1.0, 1 + NY * NX).reshape(NY, NX)
    session.set({"zos": values})
    owned = np.array([True, True, False, False, True, True])
    assert np.array_equal(session.get("zos"), np.where(owned, values, 0.0))


def test_array_given_for_the_result_is_used(session: Session) -> None:
    out = np.full((NY, NX), 7.0)
    assert session.get("zos", out=out) is out
    assert np.array_equal(out[0], [0, 0, 7, 7, 0, 0])
    with pytest.raises(ValueError, match="C-contiguous"):
        session.get("zos", out=np.zeros((NX, NY)).T)


def test_read_only_array_is_no_place_for_the_result(session: Session) -> None:
    mine = np.full((NY, NX), 7.0)
    mine.flags.writeable = False
    with pytest.raises(ValueError, match="writeable.*read-only"):
        session.get("zos", out=mine)
    assert (mine == 7).all() and session.get("zos").shape == (NY, NX)


def test_masked_values_are_refused(session: Session) -> None:
    masked = np.ma.masked_array(np.ones((NY, NX)), mask=np.eye(NY, NX))
    with pytest.raises(ValueError, match="'zos' has masked values: fill them"):
        session.set({"zos": masked})
    session.set({"zos": masked.filled(0.0)})


def test_params_by_full_name_are_refused(session: Session) -> None:
    with pytest.raises(
        ValueError, match="""expected params as {"group": {"name": value}}, got 'nam/a': 3.0"""
    ):
        session.run({"nam/a": 3.0}, session.snapshot(), 1, Recording(()))  # type: ignore[dict-item]


def test_snapshot_needs_a_path_that_a_file_can_have(session: Session, tmp_path: Path) -> None:
    snapshot = session.snapshot()
    for wrong in ("", " ", tmp_path, f"{tmp_path}/trailing "):
        with pytest.raises(ValueError, match="expected the path of a file"):
            session.save(snapshot, wrong)
        with pytest.raises(ValueError, match="expected the path of a file"):
            session.load(wrong)


def test_second_thread_is_told_so_and_the_session_lives_on() -> None:
    model, errors = MemoryModel(), []

    def meanwhile(peer: LoopbackRank) -> None:
        thread = threading.Thread(target=lambda: errors.append(_error_of(lambda: session.get("zos"))))
        thread.start()
        thread.join()
        model.serve(peer)

    session = session_with(model)
    session._model.transport._serve = meanwhile  # type: ignore[attr-defined]
    assert session.get("zos").shape == (NY, NX)
    assert errors and all("one thread at a time" in error for error in errors) and not session.lost


def _error_of(action: Callable[[], object]) -> str:
    try:
        action()
    except ValueError as error:
        return str(error)
    return ""


def test_forked_copy_leaves_the_model_to_its_parent() -> None:
    model = MemoryModel()
    with session_with(model) as session:
        if (copy := os.fork()) == 0:
            try:
                session.stop()
                session.dismiss("not mine")
                refused = "another process has it" in str(
                    pytest.raises(ProtocolError, session.get, "zos").value
                )
            finally:
                os._exit(0 if session.lost and refused and not session._model.transport.closed else 1)  # type: ignore[attr-defined]
        assert os.waitpid(copy, 0)[1] == 0
        assert session.get("zos").shape == (NY, NX)


def test_run_starts_from_the_snapshot_and_the_standing_parameters(session: Session) -> None:
    start = session.snapshot()
    tuned = session.run({"nam": {"a": 5.0}}, start, 4, Recording(("zos",), 2))
    assert tuned.steps.tolist() == [2, 4]
    assert tuned.fields["zos"][:, 0, 0].tolist() == [10.0, 20.0]
    assert session.run({}, start, 4, Recording(("zos",), 4)).fields["zos"][0, 0, 0] == 8.0
    session.set({"nam/a": 1.0})
    assert session.run({}, start, 4, Recording(("zos",), 4)).fields["zos"][0, 0, 0] == 4.0


def test_parameters_that_are_not_finite_are_refused_before_anything_is_sent(session: Session) -> None:
    start = session.snapshot()
    with pytest.raises(ValueError, match="'nam/a' should be finite, got nan"):
        session.set({"zos": np.ones((NY, NX)), "nam/a": float("nan")})
    assert not session.get("zos").any()
    with pytest.raises(ValueError, match="'nam/a' should be finite, got inf"):
        session.run({"nam": {"a": float("inf")}}, start, 4, Recording(("zos",), 4))
    assert session.run({}, start, 4, Recording(("zos",), 4)).fields["zos"][0, 0, 0] == 8.0
    session.set({"zos": np.full((NY, NX), np.nan)})  # of a state the caller may want just that


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.ones((NY, NX)) * 1j, "'zos' should be real numbers, got complex128"),
        ("warm", "'zos' should be real numbers, got <U4: 'warm'"),
        ([[1.0], [1.0, 2.0]], "'zos' should be real numbers: "),
        ([[1.0, object()]], "'zos' should be real numbers, got object"),
        (np.full((NY, NX), None), "'zos' should be real numbers, got object"),
    ],
)
def test_what_is_not_made_of_real_numbers_is_refused_by_name(session: Session, values, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        session.set({"nam/a": 3.0, "zos": values})
    assert session.parameters["nam/a"] == 2.0


def test_whole_and_narrow_numbers_are_taken(session: Session) -> None:
    session.set({"nam/a": True, "zos": np.full((NY, NX), 3, np.int8)})
    session.advance(np.int64(2), Recording(("zos",), np.int32(1)))
    assert session.get("zos")[0, 0] == 5.0


@pytest.mark.parametrize("wrong", [1.5, 2.0, True, "2", None, -1, 2**31])
@pytest.mark.parametrize("name", ["every", "lag", "halo"])
def test_coupling_wants_whole_numbers(name: str, wrong) -> None:
    with pytest.raises(ValueError, match=f"expected {name} to be a whole number from . to 2147483647, got"):
        Coupling(lambda step, fields: {}, (), (), **{name: wrong})
    assert getattr(Coupling(lambda step, fields: {}, (), (), **{name: np.int64(2)}), name) == 2


@pytest.mark.parametrize("wrong", [5.5, True, "5", -1])
def test_run_and_recording_want_whole_numbers_before_anything_is_sent(session: Session, wrong) -> None:
    start = session.snapshot()
    session.advance(1, Recording(("zos",)))
    with pytest.raises(ValueError, match="expected steps to be a whole number from 0 to 2147483647, got"):
        session.run({"nam": {"a": 5.0}}, start, wrong, Recording(()))
    assert session.get("zos")[0, 0] == 2.0
    with pytest.raises(ValueError, match="expected steps to be"):
        session.advance(wrong, Recording(()))
    with pytest.raises(ValueError, match="expected every to be a whole number from 1 to 2147483647, got"):
        Recording(("zos",), wrong)


def test_unknown_field_of_a_recording_is_found_before_anything_is_sent(session: Session) -> None:
    start = session.snapshot()
    session.advance(1, Recording(("zos",)))
    model = session._model.transport._serve.__self__
    for begin in (session.run, lambda *run: next(session.running(*run))):
        with pytest.raises(ConfigurationError, match="memory has no field or parameter 'zoz'"):
            begin({"nam": {"a": 5.0}}, start, 4, Recording(("zoz",)))
        assert (model.a, model.step[0], session.step) == (2.0, 1, 1)


@pytest.mark.parametrize("wrong", [0.5, 1.0, "1", None, -1])
def test_halo_is_a_whole_number(session: Session, wrong) -> None:
    with pytest.raises(ValueError, match="expected halo to be a whole number from 0 to 2147483647, got"):
        session.get("zos", halo=wrong)


def slow(model: MemoryModel) -> MemoryModel:
    """The same model, which takes runs but does not make them."""
    model.run = lambda peer, request: None  # type: ignore[method-assign]
    return model


def test_session_is_not_lost_while_a_run_is_under_way_but_when_it_is_broken_off() -> None:
    session = session_with(slow(MemoryModel()))
    run = session.running({}, session.snapshot(), 4, Recording(()))
    next(run)
    assert not session.lost
    run.close()
    assert session.lost
    session.stop()
    assert "half-way" in session._model.transport.aborted


def test_batch_that_is_abandoned_breaks_off_what_is_under_way_and_nothing_else() -> None:
    working, idle = session_with(slow(MemoryModel())), session_with(MemoryModel())
    starts = {session: session.snapshot() for session in (working, idle)}
    batch = Batch(
        2,
        attempts=1,
        start=lambda session, position: session.running({}, starts[session], 4, Recording(("zos",))),
        give_up=lambda position, error: pytest.fail("nobody was lost"),
        finished=lambda position, trajectory: ended.append((position, trajectory.outcome.step)),
    )
    ended: list[tuple[int, int]] = []
    while not ended:
        assert batch.advance([working, idle]) == []
    assert batch.at_work and ended == [(1, 4)]
    batch.abandon()
    assert working.lost and not idle.lost
    assert idle.get("zos")[0, 0] == 8.0


def test_map_that_is_not_finite_is_refused_with_its_place() -> None:
    fields = description(0)["fields"]
    factor = {
        "name": "nam/map",
        "role": Role.PARAMETER,
        "dtype": 1,
        "extents": [2, NY],
        "point": "T",
        "units": "1",
    }
    session = session_with(MemoryModel(lambda rank: description(rank, fields=[*fields, factor])))
    values = np.ones((NY, NX))
    values[2, 1], values[3, 0] = np.nan, np.inf
    said = r"'nam/map' should be finite, got nan in 2 of 24 places, first at index \(2, 1\)"
    with pytest.raises(ValueError, match=said):
        session.set({"nam/map": values})
    with pytest.raises(ValueError, match=said):
        session.run({"nam": {"map": values}}, session.snapshot(), 1, Recording((), 1))


def test_blow_up_keeps_what_was_recorded(session: Session) -> None:
    start = session.snapshot()
    run = session.run({"nam": {"a": 30.0}}, start, 10, Recording(("zos",), 2))
    assert run.outcome.kind is OutcomeKind.BLEW_UP
    assert run.outcome.step == 4
    assert run.steps.tolist() == [2]
    assert run.fields["zos"].shape == (1, NY, NX)


def test_refusal_leaves_the_session_usable(session: Session) -> None:
    start = session.snapshot()
    with pytest.raises(RequestRefused, match="rank 0 of the model refused: no, thank you"):
        session.drop(start)
    session.restore(start)


def test_silence_raises_and_spoils_the_session(session: Session) -> None:
    session._model.transport._serve = lambda peer: None
    with pytest.raises(PeerTimeout):
        session.get("zos")
    with pytest.raises(ProtocolError, match="failed half-way"):
        session.get("zos")
    session.stop()
    assert "half-way" in session._model.transport.aborted


def test_leaving_the_block_stops_the_model() -> None:
    with session_with(MemoryModel()) as session:
        transport = session._model.transport
    assert transport.closed and not transport.aborted
    with pytest.raises(ProtocolError, match="stopped"):
        session.get("zos")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"time_step": 20.0}, r"time_step = 10.0, rank 1 gave 20.0"),
        ({"fields": []}, "registered different fields"),
        ({"tile_start": [1, 1]}, "belongs to 2 ranks"),
    ],
)
def test_ranks_that_contradict_each_other_are_refused(change: dict, text: str) -> None:
    def describe(rank: int) -> dict:
        return description(rank, **(change if rank else {}))

    with pytest.raises(ProtocolError, match=text):
        session_with(MemoryModel(describe))
