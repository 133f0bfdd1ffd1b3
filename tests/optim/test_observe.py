"""Observation operators: means, levels, depths, and their adjoints."""

import jax.numpy as jnp
import numpy as np
import pytest

from optim.observe import (
    ObservationOperator,
    area_weights,
    at_depths,
    box_means,
    each_record,
    select,
    window_means,
)

RANDOM = np.random.default_rng(2)
FIELD = RANDOM.standard_normal((4, 3, 2, 5))  # record, k, j, i
MASK = np.ones((3, 2, 5), dtype=bool)
MASK[1:, 0, 0] = False
LATITUDE = np.array([[-5.0] * 5, [5.0] * 5])
LONGITUDE = np.tile(np.arange(5) * 72.0, (2, 1))  # 0, 72, 144 | 216, 288
AREA = np.array([[1.0, 2.0, 3.0, 4.0, 5.0], [5.0, 4.0, 3.0, 2.0, 1.0]])


def test_monthly_mean_of_selected_level_is_the_mean_over_its_records() -> None:
    weights = window_means(np.array([10, 20, 30, 40]), [(0.0, 200.0), (200.0, 400.0)], time_step=10.0)
    operator = select("thetao", weights, MASK, levels=[1])
    expected = np.stack([FIELD[:2, 1].mean(axis=0), FIELD[2:, 1].mean(axis=0)])[:, MASK[1]]
    assert operator({"thetao": FIELD}) == pytest.approx(expected.ravel())


def test_numpy_and_jax_fields_give_the_same_values() -> None:
    operator = select("thetao", each_record(4), MASK)
    assert np.allclose(operator({"thetao": jnp.asarray(FIELD)}), operator({"thetao": FIELD}), rtol=1e-14)


def test_depths_are_interpolated_between_wet_levels() -> None:
    depths = np.array([5.0, 15.0, 35.0])
    linear = np.broadcast_to(depths[None, :, None, None], FIELD.shape)  # the field is the depth itself
    operator, where = at_depths("thetao", each_record(4), MASK, depths, [2.0, 10.0, 20.0])
    values = operator({"thetao": linear}).reshape(4, -1)[0]
    level = where // 10
    assert values[level == 0] == pytest.approx(5.0)  # above the first level: that level
    assert values[level == 1] == pytest.approx(10.0)
    assert values[level == 2] == pytest.approx(20.0)
    assert (level == 1).sum() == 9  # the column with one wet level has no value at 10 m


def test_depth_below_the_model_is_refused() -> None:
    with pytest.raises(ValueError, match="deepest level"):
        at_depths("thetao", each_record(4), MASK, np.array([5.0, 15.0, 35.0]), [100.0])


def test_box_means_are_area_means_of_the_wet_cells_of_each_level() -> None:
    cells = select("thetao", each_record(4), MASK)
    operator, areas = box_means(cells, LATITUDE, LONGITUDE, AREA, (10.0, 180.0))
    values = operator({"thetao": FIELD}).reshape(4, -1)
    assert values.shape == (4, 3 * 2 * 2) and areas.sum() == pytest.approx((AREA * MASK).sum())
    first = (FIELD[:, 0, 0, :3] * AREA[0, :3]).sum(axis=-1) / AREA[0, :3].sum()
    below = (FIELD[:, 1, 0, 1:3] * AREA[0, 1:3]).sum(axis=-1) / AREA[0, 1:3].sum()  # one cell is land there
    assert values[:, 0] == pytest.approx(first) and values[:, 4] == pytest.approx(below)


@pytest.mark.parametrize("kind", ["select", "depths", "boxes"])
def test_adjoint_satisfies_the_dot_product_identity(kind: str) -> None:
    weights = window_means(np.array([1, 2, 3, 4]), [(0.0, 3.0), (1.0, 4.0)], 1.0)
    operator: ObservationOperator = {
        "select": select("thetao", weights, MASK),
        "depths": at_depths("thetao", weights, MASK, np.array([5.0, 15.0, 35.0]), [10.0, 30.0])[0],
        "boxes": box_means(select("thetao", weights, MASK), LATITUDE, LONGITUDE, AREA, (10.0, 180.0))[0],
    }[kind]
    w = RANDOM.standard_normal(operator.size)
    forward = float(operator({"thetao": FIELD}) @ w)
    assert float((FIELD * operator.adjoint(w, FIELD.shape)).sum()) == pytest.approx(forward, rel=1e-13)


def test_area_weights_have_mean_one_and_follow_the_cells() -> None:
    operator = select("thetao", each_record(4), MASK, levels=[0])
    e1t, e2t = np.array([[1.0] * 5, [3.0] * 5]), np.ones((2, 5))
    weights = area_weights(e1t, e2t, operator)
    assert weights.mean() == pytest.approx(1.0)
    assert weights[5] / weights[0] == pytest.approx(3.0)


def test_window_without_records_says_what_was_recorded() -> None:
    with pytest.raises(ValueError, match="no record falls"):
        window_means(np.array([10, 20]), [(300.0, 400.0)], 1.0)


def test_field_that_was_not_recorded_is_named() -> None:
    with pytest.raises(ValueError, match="'so' was not recorded"):
        select("so", each_record(4), MASK)({"thetao": FIELD})
