"""Halos of arrays that a server sets: exchanged before the next step, also when they come back from a snapshot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bridge import namelist
from bridge.models import toy_ocean

GYRE = Path(__file__).resolve().parents[2] / "examples" / "gyre" / "namelist_cfg"


SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from bridge import Recording
from bridge.session import Session

record = Recording(("thetao", "uo", "zos"), 1)
with Session.over_mpi(timeout=60) as session:
    start = session.snapshot()
    wet = session.describe().grid.tmask > 0
    noise = np.random.default_rng(3).normal(0.0, 0.1, wet.shape)
    session.set({"thetao": session.get("thetao") + noise * wet, "zos": 0.01 * noise[0] * wet[0]})
    disturbed = session.snapshot()
    out = {f"{n} first": v for n, v in session.advance(2, record).fields.items()}
    session.run({}, start, 2, record)
    out |= {f"{n} again": v for n, v in session.run({}, disturbed, 2, record).fields.items()}
    session.set({"thetao_tendency": 1e-6 * noise * wet})
    out |= {f"{n} forced": v for n, v in session.run({}, start, 2, record).fields.items()}
np.savez(Path(sys.argv[1]) / "out.npz", **out)
"""


@pytest.fixture(scope="module")
def found(make_jobs, tmp_path_factory) -> dict[int, dict[str, np.ndarray]]:
    """What the gyre does on so many ranks."""
    results = {}
    for ranks in (1, 2, 4):
        jobs = make_jobs(tmp_path_factory.mktemp(f"halos{ranks}"))
        settings = {"namrun": {"nn_write": 0}, "namdom": {"ln_meshmask": False}}
        changed = namelist.apply(toy_ocean.read_namelist(GYRE), settings)
        toy_ocean.prepare(jobs.directory, changed, GYRE.parent)
        ended = jobs.run(SCRIPT, ranks, "toy_ocean")
        assert ended.code == 0, ended.output
        results[ranks] = dict(np.load(jobs.directory / "out.npz"))
    return results


@pytest.mark.parametrize("ranks", [2, 4])
def test_what_is_set_crosses_the_borders_of_tiles(found: dict[int, dict], ranks: int) -> None:
    for name, values in found[1].items():
        assert np.array_equal(found[ranks][name], values), name


def test_a_state_that_was_set_and_remembered_comes_back_with_its_halos(found: dict[int, dict]) -> None:
    for results in found.values():
        for name in ("thetao", "uo", "zos"):
            assert np.array_equal(results[f"{name} again"], results[f"{name} first"]), name
            assert not np.array_equal(results[f"{name} forced"], results[f"{name} first"]), name


REMEMBERED = """
import sys
from pathlib import Path
import numpy as np
from bridge import Recording
from bridge.session import Session

record = Recording(("zos", "ub", "vb"), 1)
with Session.over_mpi(timeout=60) as session:
    start = session.snapshot()
    grid = session.describe().grid
    noise = np.random.default_rng(3).normal(0.0, 0.01, (grid.ny, grid.nx))
    out = {}
    for name in ("directly", "by a snapshot"):
        session.restore(start)
        session.set({"ub": noise})  # whose halo the height feels before it is exchanged
        if name == "by a snapshot":
            disturbed = session.snapshot()
            session.run({}, start, 2, record)
            session.restore(disturbed)
        out |= {f"{n} {name}": v for n, v in session.advance(2, record).fields.items()}
np.savez(Path(sys.argv[1]) / "out.npz", **out)
"""


@pytest.mark.parametrize("ranks", [1, 4])
def test_a_snapshot_of_what_was_set_is_complete_in_a_model_with_hooks(jobs, ranks: int) -> None:
    ended = jobs.run(REMEMBERED, ranks)
    assert ended.code == 0, ended.output
    found = np.load(jobs.directory / "out.npz")
    for name in ("zos", "ub", "vb"):
        assert np.array_equal(found[f"{name} by a snapshot"], found[f"{name} directly"]), name
        assert np.ptp(found[f"{name} directly"]) > 0.0, name
