"""The server of the tests with real NEMO: `server.py TASK FOLDER [ENDPOINT]`, one task per function.

It meets NEMO in its MPI job or, if one is given, at a ZMQ endpoint. It reads FOLDER/settings.json and leaves what it
found in FOLDER/found.json and found.npz.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bridge.coupling import Coupling
from bridge.model import Recording
from bridge.protocol import Role
from bridge.session import Session
from bridge.wire_field import WireField

FIELDS = ("thetao", "so", "uo", "vo", "zos")
Found = tuple[dict[str, Any], dict[str, np.ndarray]]


def describe(session: Session, settings: dict[str, Any]) -> Found:
    """Who answers, and what a record holds."""
    card = session.describe()
    run = session.advance(2, Recording(("tos", "thetao"), 1))
    return {
        "name": card.name,
        "version": card.version,
        "shape": [card.grid.nz, card.grid.ny, card.grid.nx],
        "fields": sorted(card.fields),
        "parameters": sorted(card.parameters),
        "steps": run.steps.tolist(),
    }, {
        "tmask": card.grid.tmask,
        "tos": run.fields["tos"],
        "thetao": run.fields["thetao"],
        "surface": session.get("thetao")[0],
    }


def rewind(session: Session, settings: dict[str, Any]) -> Found:
    """The same run again: at once, after other parameters, after blow-ups, after an exchange through a file."""
    steps = settings["steps"]
    record = Recording(FIELDS, settings["every"])
    start = session.snapshot()
    first = session.run({}, start, steps, record)
    nx, ny = session.registration.global_shape[:2]
    found: dict[str, Any] = {"outcome": first.outcome.kind.value}

    def compare(name: str, run: Any) -> None:
        found[name] = {f: float(np.abs(run.fields[f] - first.fields[f]).max()) for f in FIELDS}

    compare("again", session.run({}, start, steps, record))
    compare("other parameters", session.run(settings["params"], start, steps, record))
    compare("after other parameters", session.run({}, start, steps, record))
    wind = session.run({"namsbc": {"utau": np.full((ny, nx), settings["wind"])}}, start, steps, record)
    found["too much wind"] = [wind.outcome.kind.value, wind.outcome.step]
    session.restore(start)
    session.set({"uo": np.full_like(session.get("uo"), 50.0)})
    wild = session.advance(steps, record)
    found["wild currents"] = [wild.outcome.kind.value, wild.outcome.step]
    compare("after blow-ups", session.run({}, start, steps, record))
    saved = session.save(start, Path(sys.argv[2]) / "snapshot")
    session.drop(start)
    compare("from a file", session.run({}, session.load(saved.path, saved), steps, record))
    return found, {}


def parameters(session: Session, settings: dict[str, Any]) -> Found:
    """A run with each of `settings["runs"]` = {label: {"group/entry": value or uniform map}}: the last T of each."""
    start = session.snapshot()
    nx, ny = session.registration.global_shape[:2]
    known, arrays = session.parameters, {}
    reference = session.run({}, start, settings["steps"], Recording(("thetao",), settings["steps"]))
    arrays["reference"] = reference.fields["thetao"][-1]
    for label, values in settings["runs"].items():
        params: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            group, _, entry = name.partition("/")
            is_map = isinstance(known.get(name), np.ndarray)
            params.setdefault(group, {})[entry] = np.full((ny, nx), value) if is_map else value
        run = session.run(params, start, settings["steps"], Recording(("thetao",), settings["steps"]))
        assert run.outcome.completed, (label, run.outcome)
        arrays[label.replace("/", " ")] = run.fields["thetao"][-1]
    again = session.run({}, start, settings["steps"], Recording(("thetao",), settings["steps"]))
    back = bool(np.array_equal(again.fields["thetao"][-1], arrays["reference"]))
    return {
        "step": int(reference.outcome.step),
        "known": sorted(known),
        "back to the reference": back,
    }, arrays


def wild_maps(session: Session, settings: dict[str, Any]) -> Found:
    """For each map and each of `settings["values"]`: was it felt, and is a run without it as before?"""
    start, record = session.snapshot(), Recording(FIELDS, settings["every"])
    first = session.run({}, start, settings["steps"], record)
    found: dict[str, Any] = {}

    def as_before(run: Any) -> bool:
        return run.outcome.completed and all(np.array_equal(run.fields[f], first.fields[f]) for f in FIELDS)

    for entry in session.registration.of_role(Role.PARAMETER):
        if not entry.shape:
            continue
        for value in settings["values"]:
            # past the check of Session.set, which lets no nan through: NEMO's side by itself
            session._model.put([(WireField(entry), np.full(entry.shape, float(value)))])
            session.restore(start)
            wild = session.advance(settings["steps"], record)
            session.set({entry.name: np.ones(entry.shape)})
            again = session.run({}, start, settings["steps"], record)
            found[f"{entry.name} {value}"] = [wild.outcome.kind.value, not as_before(wild), as_before(again)]
    return found, {}


def state(session: Session, settings: dict[str, Any]) -> Found:
    """The state at the start, after it was read, disturbed and written back."""
    fields = {name: session.get(name) for name in FIELDS}
    session.set({name: values + 1.0 for name, values in fields.items()})
    session.set(fields)
    return {}, fields | {f"{name} again": session.get(name) for name in FIELDS}


def remember(session: Session, settings: dict[str, Any]) -> Found:
    """Steps from a state that was set: at once, with a snapshot before them, and back from that snapshot.

    After five steps time levels that rotate by two or three have other indices than before.
    """
    start, record = session.snapshot(), Recording(FIELDS, 1)
    sea = session.describe().grid.tmask
    noise = np.random.default_rng(3).normal(0.0, 0.1, sea.shape) * sea
    inner = noise * (session.get("uo") != 0.0)
    changed = {
        "thetao": session.get("thetao") + noise,
        "uo": session.get("uo") + 0.1 * inner,
        "zos": session.get("zos") + 0.01 * noise[0],
    }
    arrays: dict[str, np.ndarray] = {}

    def note(label: str) -> None:
        arrays.update({f"{n} {label}": v for n, v in session.advance(5, record).fields.items()})

    arrays |= {f"{name} at the start": session.get(name) for name in FIELDS}
    session.set(changed)
    note("directly")
    session.restore(start)
    arrays |= {f"{name} restored": session.get(name) for name in FIELDS}
    session.set(changed)
    disturbed = session.snapshot()
    note("with a snapshot")
    session.run({}, start, 5, record)
    session.restore(disturbed)
    note("by a snapshot")
    return {}, arrays


def coupling(session: Session, settings: dict[str, Any]) -> Found:
    """Runs with and without a closure that corrects the temperature; fields as float32 and with a halo of 1."""
    start, steps = session.snapshot(), settings["steps"]
    record = Recording(FIELDS, settings["record_every"])
    sea = session.describe().grid.tmask
    warmer = session.get("thetao") + sea
    called: list[int] = []

    def correction(step: int, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        called.append(step - start.step)
        return {"thetao": fields["thetao"] + 0.1 * (warmer - fields["thetao"]) * sea}

    corrected = Coupling(correction, ("thetao",), ("thetao",), every=settings["every"])
    runs = {
        label: session.run({}, start, steps, record, how)
        for label, how in {
            "plain": None,
            "coupled": corrected,
            "plain again": None,
            "coupled again": corrected,
        }.items()
    }
    arrays = {f"{label} {name}": run.fields[name] for label, run in runs.items() for name in FIELDS}
    for name in ("thetao", "uo"):
        arrays[name] = session.get(name)
        arrays[f"{name} float32"] = session.get(name, dtype=np.float32)
        arrays[f"{name} halo"] = session.get(name, halo=1)
        arrays[f"{name} float32 halo"] = session.get(name, dtype=np.float32, halo=1)
    return {"called": called, "outcomes": [run.outcome.kind.value for run in runs.values()]}, arrays


if __name__ == "__main__":
    task, folder, endpoint = sys.argv[1], Path(sys.argv[2]), (*sys.argv[3:], None)[0]
    with Session.over_zmq(endpoint, 300) if endpoint else Session.over_mpi(300) as live:
        said, made = globals()[task](live, json.loads((folder / "settings.json").read_text()))
    np.savez(folder / "found.npz", **made)
    (folder / "found.json").write_text(json.dumps(said))
