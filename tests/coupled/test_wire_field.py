"""Fields that travel as float32 or come with a halo: what the model gives is what numpy makes of the full field."""

from __future__ import annotations

import numpy as np
import pytest

#: small fields lie in shared memory, too
SHARE_ALL = "import bridge.shared_memory\nbridge.shared_memory.SMALLEST_SHARED = 1\n"
SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from bridge import Recording
from bridge.session import Session

folder, endpoint = Path(sys.argv[1]), (sys.argv + ["mpi"])[2]
session = Session.over_mpi(timeout=60) if endpoint == "mpi" else Session.over_zmq(endpoint, timeout=60)
out = {}
with session:
    rng = np.random.default_rng(5)
    fine = rng.normal(0, 0.1, (16, 24))
    session.set({"utau": fine})
    out["fine"], out["full"], out["narrow"] = fine, session.get("utau"), session.get("utau", dtype=np.float32)
    out["haloed"], out["narrow haloed"] = session.get("utau", halo=2), session.get("utau", dtype="float32", halo=1)
    own = np.full((18, 26), 7.0)
    assert session.get("utau", out=own, halo=1) is own
    out["own"] = own

    coarse = fine.astype(np.float32)
    session.set({"utau": coarse, "zos": coarse, "namsw/depth": 100 + coarse})  # with halos in the model, and without
    out["widened"], out["widened zos"], out["depth"] = (session.get(n) for n in ("utau", "zos", "namsw/depth"))
    session.set({"utau": np.where(fine > 0, 1e300, -1e300)})
    out["too large"] = session.get("utau", dtype=np.float32)
    session.set({"utau": fine})

    start = session.snapshot()
    fields = ("zos", "ub", "steps_taken")
    out.update({f"{n} full": v for n, v in session.run({}, start, 6, Recording(fields, 2)).fields.items()})
    narrow = session.run({}, start, 6, Recording(fields, 2, np.float32))
    out.update({f"{n} narrow": v for n, v in narrow.fields.items()})
    wrong = {"namsw/depth": {"dtype": np.float32}, "steps_taken": {"halo": 1}, "zos": {"dtype": int}}
    for name, options in wrong.items():
        try:
            session.get(name, **options)
        except ValueError as error:
            out[f"refused {name}"] = str(error)
np.savez(folder / "out.npz", **out)
"""


@pytest.fixture(scope="module", params=["mpi 1 shared", "mpi 3", "ipc 2 shared"])
def found(request, make_jobs, make_meeting, tmp_path_factory) -> dict[str, np.ndarray]:
    """What the job wrote, on each way with so many ranks."""
    way, ranks, *shared = request.param.split()
    script = SHARE_ALL + SCRIPT if shared else SCRIPT
    folder = tmp_path_factory.mktemp(way + ranks)
    jobs = make_jobs(folder)
    ends = [jobs.run(script, int(ranks))] if way == "mpi" else make_meeting(jobs, way).run(script, int(ranks))
    assert [end.code for end in ends] == [0] * len(ends), [end.output for end in ends]
    return dict(np.load(folder / "out.npz"))


def same(mine: np.ndarray, other: np.ndarray) -> bool:
    return mine.dtype == other.dtype and np.array_equal(mine, other)


def test_float64_travels_as_the_nearest_float32(found: dict[str, np.ndarray]) -> None:
    assert same(found["full"], found["fine"])
    assert same(found["narrow"], found["fine"].astype(np.float32))


def test_float32_is_widened_by_the_model(found: dict[str, np.ndarray]) -> None:
    wide = found["fine"].astype(np.float32).astype(np.float64)
    assert same(found["widened"], wide)
    assert same(found["widened zos"], wide)
    assert same(found["depth"], (100 + found["fine"].astype(np.float32)).astype(np.float64))


def test_beyond_the_range_of_float32_is_infinite(found: dict[str, np.ndarray]) -> None:
    assert same(found["too large"], np.where(found["fine"] > 0, np.inf, -np.inf).astype(np.float32))


def test_recording_is_kept_as_float32_and_the_run_is_the_same(found: dict[str, np.ndarray]) -> None:
    for name in ("zos", "ub"):
        assert found[f"{name} full"].shape == (3, 16, 24)
        assert same(found[f"{name} narrow"], found[f"{name} full"].astype(np.float32))
    assert same(found["steps_taken narrow"], found["steps_taken full"])


def test_halo_continues_the_field(found: dict[str, np.ndarray]) -> None:
    """The shallow-water channel: periodic in i, walls in the south and north."""
    for name, halo, field in (("haloed", 2, "fine"), ("own", 1, "fine"), ("narrow haloed", 1, "narrow")):
        expected = np.pad(np.pad(found[field], ((0, 0), (halo, halo)), "wrap"), ((halo, halo), (0, 0)))
        assert same(found[name], expected), name


def test_what_cannot_be_is_refused(found: dict[str, np.ndarray]) -> None:
    assert "always travels as float64" in str(found["refused namsw/depth"])
    assert "cannot have a halo of 1 cells" in str(found["refused steps_taken"])
    assert "or in float32, not in int64" in str(found["refused zos"])
