"""Snapshots beyond a limit of the model's memory: in files, and back bit by bit, without anybody noticing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge import namelist
from bridge.models import toy_ocean

GYRE = Path(__file__).resolve().parents[2] / "examples" / "gyre" / "namelist_cfg"

OPEN = """
import json, sys
from pathlib import Path
import numpy as np
from bridge import Recording, errors
from bridge.session import Session

folder, endpoint = Path(sys.argv[1]), (sys.argv + ["mpi"])[2]
said = {}

def opened():
    return Session.over_mpi(timeout=60) if endpoint == "mpi" else Session.over_zmq(endpoint, timeout=60)

def note(name, action):
    try:
        said[name] = ["returned", repr(action())]
    except Exception as error:
        said[name] = [type(error).__name__, str(error)]

def files(place):
    return sorted(path.name for path in place.glob("**/*") if path.is_file())

def in_memory(session):
    return sum(held.bytes for held in session._shelf._held.values() if held.slot is not None)
"""

SPILL = (
    OPEN
    + """
record = Recording(("thetao", "uo", "zos"), 2)
with opened() as session:
    # Five states, one day apart; what follows from each, with all of them in memory.
    shots, following = [], []
    for _ in range(5):
        shots.append(session.snapshot())
        session.advance(2, Recording(()))
    for shot in shots:
        following.append(session.run({}, shot, 2, record).fields)
    one = in_memory(session) // 5
    state = sum(np.prod(e.shape) * e.dtype.itemsize for e in session.registration.of_role(2))
    said["sizes"] = [one, int(state)]

    session.limit_snapshots(2 * one, folder)
    said["kept"] = in_memory(session) // one
    said["spilled"] = sum(name.startswith(shots[0].id) for name in files(folder))
    equal, most = [], 0
    for n in (0, 3, 1, 4, 2, 0, 2):
        again = session.run({}, shots[n], 2, record).fields
        equal += [bool(np.array_equal(again[name], following[n][name])) for name in record.fields]
        most = max(most, in_memory(session) // one)
    said["equal"], said["most"] = equal, most

    # The user's own file is overwritten; the snapshot is not lost by that.
    saved = session.save(shots[1], folder / "mine")
    session.save(shots[2], folder / "mine")
    session.restore(shots[3]), session.restore(shots[4])
    said["own file overwritten"] = session.snapshot().id == shots[4].id
    session.restore(saved)
    said["saved again"] = session.snapshot().id == shots[1].id
    note("other content", lambda: session.load(folder / "mine", expected=shots[1]))

    session.drop(shots[0])
    note("dropped", lambda: session.restore(shots[0]))
    before = in_memory(session)
    for limit in (-1, float("nan"), float("inf"), "1e6", True):
        note(f"limit {limit}", lambda: session.limit_snapshots(limit))
    note("nowhere", lambda: session.limit_snapshots(0, folder / "nowhere" / "x"))
    said["as before"] = in_memory(session) == before > 0
    (folder / "second").mkdir()
    session.snapshot()
    session.limit_snapshots(0, folder / "second")
    said["elsewhere"] = len(list(folder.glob("second/snapshots-*/*")))
    session.limit_snapshots(0)
    session.restore(shots[4])
    said["one always fits"] = in_memory(session) // one

    spilled = sorted(folder.glob("**/snapshots-*/*"))
    for path in spilled:
        path.write_bytes(path.read_bytes()[:-8] + b"scramble")
    note("damaged", lambda: session.restore(shots[3]))
said["left behind"] = [name for name in files(folder) if name.startswith(shots[3].id)]
(folder / "said.json").write_text(json.dumps(said))
"""
)

FULL = (
    OPEN
    + """
with opened() as session:
    first = session.snapshot()
    session.limit_snapshots(in_memory(session), folder / "disk0")
    session.advance(1, Recording(()))
    note("full", lambda: session.snapshot())
    said["files"] = files(folder / "disk0")
    session.restore(first)
    said["step"] = session.step
    session.limit_snapshots(2 * in_memory(session))
    session.advance(1, Recording(()))
    second = session.snapshot()
    note("save", lambda: session.save(second, folder / "disk0" / "mine"))
    said["files after a save"] = files(folder / "disk0")
    said["alive"] = session.run({}, first, 1, Recording(("zos",))).outcome.kind.value
(folder / "said.json").write_text(json.dumps(said))
"""
)


MOVED = (
    OPEN
    + """
from bridge.ensemble import Ensemble

with Ensemble([opened()], directory=folder, snapshot_memory=1) as ensemble:
    first = ensemble.snapshot()
    ensemble.sessions[0].advance(1, Recording(()))
    second = ensemble.snapshot()
    ensemble.save(first, folder / "mine")
    ensemble.restore(second)
    for part in folder.glob("mine.*"):
        part.unlink()
    ensemble.restore(first)
    said["back"] = ensemble.snapshot().id == first.id
(folder / "said.json").write_text(json.dumps(said))
"""
)

MIXED = (
    OPEN
    + """
from bridge.protocol import Header, Verb

def state(gravity):
    session.run({"namsw": {"rn_grav": gravity}}, start, 3, Recording(()))
    return session.snapshot()

def load_with(other):
    (folder / "day.0001").write_bytes((folder / other).read_bytes())
    return session.load(folder / "day")

with opened() as session:
    start = session.snapshot()
    heavy, light = state(9.81), state(5.0)
    for name, shot in {"day": heavy, "light": light, "start": start}.items():
        session.save(shot, folder / name)
    whole = (folder / "day.0001").read_bytes()
    note("same step", lambda: load_with("light.0001"))
    note("other step", lambda: load_with("start.0001"))
    slot = session._shelf._free_slot()
    note("slot", lambda: session._model.ask(Header(Verb.RESTORE, argument=slot)))
    (folder / "longer").write_bytes(whole + bytes(8))
    note("longer", lambda: load_with("longer"))

    session.save(heavy, folder / "again")
    said["same state"] = load_with("again.0001").id == heavy.id

    session.limit_snapshots(0, folder)
    [spilled] = folder.glob(f"snapshots-*/{light.id}-*.0001")
    spilled.write_bytes((folder / "start.0001").read_bytes())
    note("spilled", lambda: session.restore(light))
    session.restore(heavy)
    said["alive"] = [session.lost, session.snapshot().id == heavy.id]
(folder / "said.json").write_text(json.dumps(said))
"""
)


def results(directory: Path) -> dict:
    return json.loads((directory / "said.json").read_text())


def run(way: str, meet, jobs, script: str, program: str) -> dict:
    """What a server script kept about a model on two ranks."""
    ends = [jobs.run(script, 2, program)] if way == "mpi" else meet(way).run(script, 2, program)
    assert all(end.code == 0 for end in ends), "\n".join(end.output for end in ends)
    return results(jobs.directory)


@pytest.mark.parametrize("way", ["mpi", "ipc"])
def test_what_was_in_a_file_comes_back_bit_for_bit(way: str, meet, jobs) -> None:
    settings = {"namrun": {"nn_write": 0}, "namdom": {"ln_meshmask": False}}
    changed = namelist.apply(toy_ocean.read_namelist(GYRE), settings)
    toy_ocean.prepare(jobs.directory, changed, GYRE.parent)
    said = run(way, meet, jobs, SPILL, "toy_ocean")
    bytes_of_one, state = said["sizes"]
    assert state <= bytes_of_one < 2 * state, "halos are a part of it, but not most of it"
    assert said["kept"] == 2 and said["most"] == 2
    assert said["spilled"] == 2, "a file per rank"
    assert all(said["equal"])
    assert said["own file overwritten"] and said["saved again"]
    assert said["other content"][0] == "ProtocolError"
    assert said["dropped"][0] == "ValueError" and "load it first" in said["dropped"][1]
    for limit in ("-1", "nan", "inf", "1e6", "True"):
        kind, message = said[f"limit {limit}"]
        assert kind == "ValueError" and "a finite number from 0, got" in message
    assert said["nowhere"][0] == "ValueError" and "nowhere/x" in said["nowhere"][1]
    assert said["as before"], "a limit that is refused changes nothing"
    assert said["elsewhere"] >= 2, "what is moved now goes to the new directory"
    assert said["one always fits"] == 1
    assert said["damaged"][0] == "RequestRefused" and "damaged" in said["damaged"][1]
    assert said["left behind"] == []


def test_ensemble_needs_no_file_that_was_saved_for_others(meet, jobs) -> None:
    assert run("ipc", meet, jobs, MOVED, "shallow_water") == {"back": True}


@pytest.mark.parametrize("way", ["mpi", "ipc"])
def test_files_of_two_saves_are_no_snapshot_and_the_session_lives_on(way: str, meet, jobs) -> None:
    said = run(way, meet, jobs, MIXED, "shallow_water")
    for case in ("same step", "other step", "spilled"):
        kind, message = said[case]
        assert kind == "RequestRefused" and "do not make one snapshot" in message
        assert all(rank in message for rank in (".0000 (of snapshot ", ".0001 (of snapshot "))
    assert f"{jobs.directory}/day.0001" in said["same step"][1]
    assert "holds no snapshot" in said["slot"][1], "the mixture has been dropped"
    assert said["longer"][0] == "RequestRefused"
    assert "damaged" in said["longer"][1] and "day.0001" in said["longer"][1]
    assert said["same state"] and said["alive"] == [False, True]


def test_full_disk_is_reported_and_loses_no_snapshot(meet, jobs, small_disk) -> None:
    small_disk("8k")
    said = run("mpi", meet, jobs, FULL, "shallow_water")
    kind, message = said["full"]
    assert kind == "RequestRefused"
    assert "no space left" in message.lower() and "disk0" in message and "None is lost" in message
    assert said["files"] == [] and not any(name.endswith("part") for name in said["files after a save"])
    assert said["save"][0] == "RequestRefused" and "no space left" in said["save"][1].lower()
    assert said["step"] == 0 and said["alive"] == "completed"
