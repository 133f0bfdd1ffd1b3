"""With no server in the job, NEMO with the bridge computes the bits of NEMO without it."""

from __future__ import annotations

import os
from pathlib import Path

import netCDF4
import numpy as np
import pytest

pytestmark = pytest.mark.nemo(needs=("NEMO_EXE_UNPATCHED",))

STEPS = 200


def test_idle_bridge_changes_no_bit(nemo, tmp_path: Path, ranks: int) -> None:
    first = int(nemo.entry("namrun", "nn_it000"))
    last = first + STEPS - 1
    changes = {"namrun": {"nn_itend": last, "nn_stock": last, "nn_write": -1}}
    ours = nemo.run(tmp_path / "with", ranks, changes)
    theirs = nemo.run(tmp_path / "without", ranks, changes, Path(os.environ["NEMO_EXE_UNPATCHED"]).resolve())
    files = sorted(path.name for path in theirs.glob("*_restart*.nc"))
    assert files and files == sorted(path.name for path in ours.glob("*_restart*.nc"))
    compared = sum(_same(ours / name, theirs / name) for name in files)
    print(f"{len(files)} restart files, {compared} variables, no bit differs")


def _same(one: Path, other: Path) -> int:
    """Number of variables, all of which are equal bit by bit."""
    with netCDF4.Dataset(one) as a, netCDF4.Dataset(other) as b:
        for dataset in (a, b):
            dataset.set_auto_mask(False)
        assert set(a.variables) == set(b.variables)
        for name in a.variables:
            assert np.asarray(a[name][...]).tobytes() == np.asarray(b[name][...]).tobytes(), (
                f"{name} in {one.name}"
            )
        return len(a.variables)
