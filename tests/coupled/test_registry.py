"""Data of every type and rank that the registry takes, from Python and back, on two ranks of registry_model.f90."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

SCRIPT = """
import json, sys
import numpy as np
from bridge import Recording
from bridge.protocol import Header, Verb
from bridge.session import Session

folder = sys.argv[1]
arrays, said = {}, {}
nx, ny, nz = 12, 4, 3

def numbers(shape, dtype=float):
    return (np.arange(np.prod(shape)).reshape(shape) + 1).astype(dtype)

with Session.over_mpi(timeout=60) as session:
    card = session.describe()
    said["name"] = card.name
    said["parameters"] = {k: np.asarray(v).tolist() for k, v in card.parameters.items()}
    arrays["mask"] = card.grid.mask
    said["hooks at start"] = [session.get(n) for n in ("before_first", "written", "changed", "restored")]
    start = session.snapshot()
    values = {
        "nam/scalar64": 1.0 / 7.0, "nam/scalar32": 0.25, "nam/count32": 2**31 - 1, "nam/flag": False,
        "nam/profile": np.array([4.0, 5.0, 6.0]), "plane": numbers((ny, nx)),
        "volume32": numbers((nz, ny, nx), np.float32), "inner32": numbers((ny, nx), np.int32),
        "levels": numbers((nz, ny, nx)), "tracers": numbers((2, nz, ny, nx)), "hidden": numbers((ny, nx)),
        "hidden_levels": numbers((nz, ny, nx)),
    }
    session.set(values)
    for name, value in values.items():
        back = session.get(name)
        said["same " + name] = bool(np.array_equal(back, np.asarray(value, np.asarray(back).dtype)))
    session.advance(1, Recording(()))
    said["hooks after a set"] = [session.get(n) for n in ("before_first", "written", "changed", "restored")]
    said["level after a step"] = [session.get("now"), float(session.get("levels").max())]
    said["hidden level after a step"] = float(session.get("hidden_levels").max())
    session.advance(1, Recording(()))
    said["level after two"] = [session.get("now"), bool(np.array_equal(session.get("levels"), values["levels"]))]
    said["hidden level after two"] = bool(np.array_equal(session.get("hidden_levels"), values["hidden_levels"]))
    moved = session.advance(1, Recording(("now", "hidden")))
    said["recorded"] = [moved.fields["now"].tolist(), list(moved.fields["hidden"].shape), moved.steps.tolist()]
    session.restore(start)
    said["restored"] = [float(session.get("plane").max()), float(session.get("hidden").max()), session.get("now")]
    said["step"] = session.step
    said["hooks after a restore"] = [session.get(n) for n in ("written", "changed", "restored")]

    # The model answers nonsense with an error and lives on.
    for name, header in {
        "field": Header(Verb.GET, field=99), "verb": Header(15), "slot": Header(Verb.RESTORE, argument=77)
    }.items():
        try:
            session._model.ask(header)
        except Exception as error:
            said["wrong " + name] = [type(error).__name__, str(error)]
    entry = session.registration.entries["plane"]
    import dataclasses
    from bridge.wire_field import WireField
    for name, odd in {"extents": dataclasses.replace(entry, shape=(2, ny, nx)),
                      "dtype": dataclasses.replace(entry, dtype_code=3)}.items():
        session._model.routes._requests.clear()  # announce the odd values as what they are
        try:
            session._model.put([(WireField(odd), np.zeros(odd.shape, odd.dtype))])
        except Exception as error:
            said["wrong " + name] = [type(error).__name__, str(error)]
    said["alive"] = session.get("nam/count32")
np.savez(folder + "/arrays.npz", **arrays)
open(folder + "/said.json", "w").write(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(make_jobs, tmp_path_factory) -> dict:
    """What the server found."""
    folder: Path = tmp_path_factory.mktemp("registry")
    ended = make_jobs(folder).run(SCRIPT, ranks=2, program="registry_model")
    assert ended.code == 0, ended.output
    found = json.loads((folder / "said.json").read_text())
    found["mask"] = np.load(folder / "arrays.npz")["mask"]
    return found


def test_scalars_describe_themselves_exactly(said: dict) -> None:
    assert said["name"] == 'registry "model"'
    assert said["parameters"] == {
        "nam/scalar64": 1.0 / 3.0,
        "nam/scalar32": float(np.float32(0.1)),
        "nam/count32": -7,
        "nam/flag": True,
        "nam/profile": [1.0, 2.0, 3.0],
    }


def test_static_logical_array_is_boolean(said: dict) -> None:
    assert said["mask"].dtype == bool
    assert np.array_equal(np.flatnonzero(said["mask"][0]), [0, 6])  # first column of each rank's tile


@pytest.mark.parametrize(
    "name",
    [
        "nam/scalar64",
        "nam/scalar32",
        "nam/count32",
        "nam/flag",
        "nam/profile",
        "plane",
        "volume32",
        "inner32",
        "levels",
        "tracers",
        "hidden",
        "hidden_levels",
    ],
)
def test_values_come_back(said: dict, name: str) -> None:
    assert said[f"same {name}"] is True


def test_rotating_level_is_resolved_at_access(said: dict) -> None:
    assert said["level after a step"] == [2, -1.0]
    assert said["level after two"] == [1, True]
    assert said["hidden level after a step"] == 6.0
    assert said["hidden level after two"] is True


def test_scalars_and_callbacks_are_recorded(said: dict) -> None:
    assert said["recorded"] == [[2], [1, 4, 12], [13]]


def test_restore_brings_back_all_kinds_of_state(said: dict) -> None:
    assert said["restored"] == [-1.0, 5.0, 1]
    assert said["step"] == 10


def test_hooks_are_called_once_when_due(said: dict) -> None:
    assert said["hooks at start"] == [1, 0, 0, 0]
    assert said["hooks after a set"] == [1, 1, 1, 0]
    assert said["hooks after a restore"] == [1, 1, 1]


@pytest.mark.parametrize(
    ("mistake", "text"),
    [
        ("field", "no field of number 99"),
        ("verb", "no verb of number 15"),
        ("slot", "slot 77 holds no snapshot"),
        ("extents", "'plane' has the extents"),
        ("dtype", "dtype code 1, the server sent 3"),
    ],
)
def test_nonsense_is_answered_with_an_error(said: dict, mistake: str, text: str) -> None:
    kind, message = said[f"wrong {mistake}"]
    assert kind == "RequestRefused"
    assert text in message
    assert said["alive"] == 2**31 - 1
