"""A model that is started anew for every run gives what a running one gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bridge import namelist
from bridge.errors import ModelCrashed
from bridge.model import OutcomeKind, Recording, Snapshot
from bridge.models import toy_ocean
from bridge.relaunch import RelaunchedModel
from bridge.relaunch_batch import RelaunchedEnsemble

GYRE = Path(__file__).resolve().parents[2] / "examples" / "gyre" / "namelist_cfg"


@pytest.fixture
def gyre(tmp_path: Path, executable: Callable[[str], Path]) -> RelaunchedModel:
    known = toy_ocean.read_namelist(GYRE)

    def prepare(folder: Path, scalars) -> None:
        toy_ocean.prepare(folder, namelist.apply(known, scalars), GYRE.parent)

    return RelaunchedModel(tmp_path / "model", prepare, [str(executable("toy_ocean")), "namelist_cfg"], 2)


def test_scalars_go_through_the_namelist_and_fields_through_the_bridge(gyre: RelaunchedModel) -> None:
    record = Recording(("tos",), 4)
    start = gyre.snapshot()
    plain = gyre.run({}, start, 8, record)
    assert plain.outcome.kind is OutcomeKind.COMPLETED and plain.steps.tolist() == [4, 8]
    again = gyre.run({}, start, 8, record)
    assert np.array_equal(plain.fields["tos"], again.fields["tos"])
    grid = gyre.describe().grid
    twice = np.full((grid.ny, grid.nx), 2.0)
    by_field = gyre.run({"namzdf": {"avtb_2d": twice}}, start, 8, record)
    assert not np.array_equal(plain.fields["tos"], by_field.fields["tos"])
    by_scalar = gyre.run(
        {"namzdf": {"rn_avt0": 2 * gyre.describe().parameters["namzdf/rn_avt0"]}}, start, 8, record
    )
    np.testing.assert_allclose(by_field.fields["tos"], by_scalar.fields["tos"], rtol=1e-12)
    # an entry that no running model can change
    slower = gyre.run({"namdom": {"rn_Dt": 3600.0}}, start, 8, record)
    assert slower.time_step == 3600.0


def test_a_run_that_fails_is_an_outcome_and_a_model_that_cannot_start_an_error(gyre: RelaunchedModel) -> None:
    failed = gyre.run({"namdom": {"rn_Dt": -1.0}}, gyre.snapshot(), 8, Recording(("tos",), 4))
    assert failed.outcome.kind is OutcomeKind.CRASHED and "exit code" in failed.outcome.message
    broken = RelaunchedModel(gyre.folder, gyre.prepare, ["/nowhere/toy_ocean"], 2)
    with pytest.raises(ModelCrashed, match="could not be started"):
        broken.describe()


def test_parameters_that_are_not_finite_start_no_model(tmp_path: Path) -> None:
    unused = RelaunchedModel(
        tmp_path, lambda folder, scalars: pytest.fail("a job was prepared"), ["/nowhere"], 1
    )
    start = Snapshot("the start of the namelist", None, 0)
    with pytest.raises(ValueError, match="'namzdf/rn_avt0' should be finite, got nan"):
        unused.run({"namzdf": {"rn_avt0": float("nan")}}, start, 1, Recording((), 1))


def test_over_zmq_and_several_at_a_time_it_gives_the_same(gyre: RelaunchedModel) -> None:
    batch = [{"namzdf": {"rn_avt0": 1e-5 * n}} for n in (1, 2, 3)]
    record = Recording(("tos",), 4)
    expected = [gyre.run(params, gyre.snapshot(), 8, record) for params in batch]
    folders = [gyre.folder.parent / name for name in ("a", "b")]
    models = [
        RelaunchedModel(f, gyre.prepare, gyre.argv, gyre.ranks, endpoint=f"ipc://{f}/server") for f in folders
    ]
    oceans = RelaunchedEnsemble(models)
    told: list[int] = []
    runs = oceans.map(batch, oceans.snapshot(), 8, record, lambda position, run: told.append(position))
    assert sorted(told) == [0, 1, 2]
    for run, other in zip(runs, expected, strict=True):
        assert np.array_equal(run.fields["tos"], other.fields["tos"])


def test_a_job_that_was_killed_is_started_once_more(gyre: RelaunchedModel) -> None:
    record = Recording(("tos",), 4)
    expected = gyre.run({}, gyre.snapshot(), 8, record)
    killed = gyre.folder / "killed"
    gyre.argv = ["/bin/sh", "-c", f'mkdir {killed} 2>/dev/null && kill -9 $$; exec "$0" "$@"', *gyre.argv]
    again = gyre.run({}, gyre.snapshot(), 8, record)
    assert killed.is_dir() and np.array_equal(again.fields["tos"], expected.fields["tos"])
