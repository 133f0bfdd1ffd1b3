"""The regression for ocean states: its features are what they are called, and land is left out."""

from __future__ import annotations

import numpy as np

from optim.gradients.layout import Layout, level_sum, upwelling
from optim.gradients.ocean_regression import ocean_regression
from optim.gradients.stencil import NOTHING

SHAPE = (4, 5, 6)
LAYOUT = Layout({"thetao": SHAPE, "so": SHAPE, "uo": SHAPE, "vo": SHAPE, "zos": SHAPE[1:], "en": SHAPE})
THICKNESS = np.array([10.0, 10.0, 20.0, 40.0])


def test_upwelling_is_the_convergence_above() -> None:
    """u = i at the first two levels: at each cell as much more leaves to the east as arrives from the west."""
    velocity = np.zeros(SHAPE)
    velocity[:2] = np.arange(6.0)
    felt = upwelling(LAYOUT, ("uo", "vo"), THICKNESS, "w").matrix @ LAYOUT.flat({"uo": velocity})
    column = felt.reshape(SHAPE)[:, 2, 3]
    np.testing.assert_allclose(column, [-5.0, -15.0, -20.0, -20.0])  # half of the own level counts
    np.testing.assert_allclose(felt.reshape(SHAPE)[:, 2, 0], 0.0)  # nothing comes over the border


def test_depth_means_and_what_cells_see() -> None:
    wet = {name: np.ones(shape) for name, shape in LAYOUT.shapes.items()}
    for name in wet:
        wet[name][..., 0] = 0.0  # land in the west
    regression = ocean_regression(LAYOUT, THICKNESS, wet)
    assert len(regression.stencil.outputs) == 4 * 5 * 5
    used = regression.stencil.outputs[regression.stencil.outputs != NOTHING]
    assert np.array_equal(np.sort(used), np.flatnonzero(LAYOUT.filled(wet)))
    names = [derived.name for derived in (*regression.features, *regression.modes.after)]
    assert names == [
        "mean uo", "mean vo", "pressure thetao", "pressure so", "upwelling",
        "zos after", "mean uo after", "mean vo after",
    ]  # fmt: skip
    size = LAYOUT.size + sum(int(np.prod(d.shape)) for d in (*regression.features, *regression.modes.after))
    assert regression.stencil.inputs.max() < size
    local = ocean_regression(LAYOUT, THICKNESS, wet, barotropic=False)
    assert not local.modes.after and local.stencil.inputs.shape[1] < regression.stencil.inputs.shape[1]
    mean = level_sum(LAYOUT, "uo", THICKNESS / THICKNESS.sum(), "mean").matrix @ LAYOUT.filled(
        dict.fromkeys(wet, 2.0)
    )
    np.testing.assert_allclose(mean, 2.0)
