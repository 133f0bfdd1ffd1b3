"""The Fortran programs that the benchmark of gradients starts: alike, many runs at once, none left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bridge import namelist
from bridge.model import Recording
from bridge.models import toy_ocean
from optim.bench.gradients.pool import model_folder, toy_oceans
from optim.bench.gradients.toy_ocean import controls
from optim.experiment_toy_ocean import read_model

GYRE = Path(__file__).resolve().parents[2] / "examples" / "gyre" / "namelist_cfg"


def test_a_pool_makes_runs_with_the_parameters_of_the_case(
    tmp_path: Path, executable: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMO_BRIDGE_BUILD", str(executable("toy_ocean").parents[1]))
    known = namelist.apply(toy_ocean.read_namelist(GYRE), {"namrun": {"nn_itend": 100, "nn_write": 0}})
    vector = controls()
    with toy_oceans(known, GYRE.parent, tmp_path, instances=2) as ensemble:
        start = ensemble.snapshot()
        params = [vector.to_params(x) for x in (np.zeros(7), np.full(7, 0.5), np.zeros(7))]
        first, other, again = ensemble.map(params, start, 3, Recording(("thetao", "zos"), 3))
        grid, _, _, _ = read_model(model_folder(tmp_path))
    assert np.array_equal(first.fields["thetao"], again.fields["thetao"])
    assert not np.array_equal(first.fields["thetao"], other.fields["thetao"])
    assert first.fields["thetao"].shape[1:] == np.shape(grid.tmask)
