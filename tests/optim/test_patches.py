"""Maps as controls: patches over the sea, their place in parameters, and what an experiment file may say of them."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.errors import ConfigurationError
from bridge.model import Grid
from optim.control import Control, ControlVector
from optim.control_tables import from_table, start_values, true_values
from optim.patches import MapControl, lay, lay_values

NUMBER = Control("namzdf_tke", "rn_ediff", 0.01, 1.0, 0.1, 0.05, "log")
MAP = MapControl("namzdf", "avtb_2d", 0.1, 10.0, 1.0, 0.5, "log", patches=(2, 3))
TABLE = {
    "group": "namzdf", "entry": "avtb_2d", "lower": 0.1, "upper": 10.0, "prior_mean": 1.0, "prior_spread": 0.5,
    "patches": [2, 3],
}  # fmt: skip


def basin() -> Grid:
    """7 by 10 cells with a closed border and an island that covers the north-western patch."""
    mask = np.zeros((2, 7, 10))
    mask[:, 1:6, 1:9] = 1.0
    mask[:, 3:6, 1:4] = 0.0
    return Grid(10, 7, 2, {"tmask": mask})


def test_patches_cover_the_sea_once_and_leave_land_out() -> None:
    grid = basin()
    patches = MAP.on(grid)
    covered = np.sum([patch.footprint() for patch in patches], axis=0)
    sea = grid.tmask[0] > 0.5
    assert np.all(covered[sea] == 1) and covered.max() == 1
    assert [patch.place for patch in patches] == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2)]
    assert patches[3].name == "namzdf/avtb_2d[1,1]"
    widths = {patch.box[3] - patch.box[2] for patch in patches}
    assert widths <= {2, 3}  # 8 columns in three parts, as even as can be


def test_vector_with_a_map_and_a_number_there_and_back() -> None:
    controls = lay(ControlVector((NUMBER, MAP)), basin())
    x = np.linspace(-1.0, 1.0, len(controls))
    params = controls.to_params(x)
    assert params["namzdf"]["avtb_2d"].shape == (7, 10)
    assert params["namzdf"]["avtb_2d"][0, 0] == 1.0  # beyond the patches: the prior mean
    np.testing.assert_allclose(controls.to_vector(params), x, atol=1e-14)
    assert params["namzdf"]["avtb_2d"][1, 8] == pytest.approx(controls.to_values(x)[3])
    assert controls.to_params(x)["namzdf"]["avtb_2d"] is not params["namzdf"]["avtb_2d"]


def test_truth_of_a_file_is_a_number_or_one_for_each_patch() -> None:
    controls, grid = ControlVector((NUMBER, MAP)), basin()
    values = [[0.5, 0.6, 0.7], [0.8, 0.9, 1.1]]
    laid = lay(controls, grid)
    for given, expected in ((values, [0.5, 0.6, 0.7, 0.9, 1.1]), (2.0, [2.0] * 5)):
        truth = lay_values(controls, true_values({"namzdf/avtb_2d": given}, controls), grid)
        assert laid.to_values(laid.to_vector(truth))[1:] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[0.5, 0.6], [0.8, 0.9]], "2 lists of 3 numbers"),
        ([0.5, 0.6, 0.7], "2 lists of 3 numbers"),
        ([[0.5, 0.6, 0.7], [0.8, 0.9, 11.0]], r"start of namzdf/avtb_2d: 11.0 is outside its bounds"),
        ([[0.5, 0.6, 0.7], [0.8, 0.9, "1"]], "start of namzdf/avtb_2d should be a finite number"),
    ],
)
def test_wrong_values_of_a_map_are_named(value: list, words: str) -> None:
    table = TABLE | {"start": value}
    with pytest.raises(ConfigurationError, match=words):
        start_values([table], from_table([table]))


def test_wrong_patches_are_named() -> None:
    with pytest.raises(ConfigurationError, match="patches should be a list of 2, each a whole number"):
        from_table([TABLE | {"patches": [0, 3]}])
    (wide,) = from_table([TABLE | {"patches": [2, 9]}]).controls
    assert isinstance(wide, MapControl)
    with pytest.raises(ConfigurationError, match="only 8 columns of cells with sea"):
        wide.on(basin())
