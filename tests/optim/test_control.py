"""Controls: transforms, their derivatives, bounds, and errors that name the entry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigurationError
from optim.control import Control, ControlVector
from optim.control_tables import from_table

CONTROLS = {
    "linear": Control("namdrg_bot", "rn_Cd0", 1e-4, 5e-3, 1e-3, 5e-4, "linear"),
    "log": Control("namzdf_tke", "rn_ediff", 0.01, 1.0, 0.1, 0.05, "log"),
    "logit": Control("namtra_qsr", "rn_abs", 0.0, 1.0, 0.58, 0.1, "logit"),
}


@pytest.mark.parametrize("transform", CONTROLS)
@given(x=st.floats(-1.5, 1.5))
def test_scaled_value_survives_the_round_trip(transform: str, x: float) -> None:
    control = CONTROLS[transform]
    assert control.to_scaled(control.to_physical(x)) == pytest.approx(x, abs=1e-10)


@pytest.mark.parametrize("transform", CONTROLS)
def test_slope_matches_finite_differences(transform: str) -> None:
    control, x, h = CONTROLS[transform], 0.7, 1e-5
    difference = (control.to_physical(x + h) - control.to_physical(x - h)) / (2 * h)
    # central differences of a smooth function with h = 1e-5: h² truncation, 1e-11 rounding
    assert control.slope(x) == pytest.approx(difference, rel=1e-8)


@pytest.mark.parametrize("transform", CONTROLS)
def test_prior_spread_is_one_unit_of_x(transform: str) -> None:
    control = CONTROLS[transform]
    assert control.to_physical(0.0) == pytest.approx(control.prior_mean)
    assert control.slope(0.0) == pytest.approx(control.prior_spread)


def test_logit_stays_inside_its_bounds_however_far_x_goes() -> None:
    control = CONTROLS["logit"]
    assert control.lower <= control.to_physical(-1e4) <= control.to_physical(1e4) <= control.upper


def test_project_moves_x_to_the_bound() -> None:
    vector = ControlVector(tuple(CONTROLS.values()))
    x = vector.project(np.array([100.0, -100.0, 3.0]))
    values = vector.to_values(x)
    assert values[:2] == pytest.approx([5e-3, 0.01])
    assert x[2] == 3.0


@pytest.mark.parametrize(("value", "expected"), [(0.0101, True), (0.0102, True), (0.1, False), (0.99, True)])
def test_value_within_two_percent_of_its_bound_is_at_bound(value: float, expected: bool) -> None:
    assert CONTROLS["log"].at_bound(value) is expected


def test_params_have_the_shape_of_the_namelist() -> None:
    vector = ControlVector(tuple(CONTROLS.values()))
    params = vector.to_params(np.zeros(3))
    assert params["namzdf_tke"]["rn_ediff"] == pytest.approx(0.1)
    assert vector.to_vector(params) == pytest.approx(np.zeros(3))
    assert vector.to_vector({}) == pytest.approx(np.zeros(3))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"transform": "sqrt"}, "transform"),
        ({"prior_mean": 2.0}, "lower < prior_mean < upper"),
        ({"prior_spread": 0.0}, "prior_spread"),
        ({"lower": 0.0}, "log transform"),
        ({"prior_sprea": 1.0}, "did you mean 'prior_spread'"),
    ],
)
def test_wrong_control_names_the_entry(changes: dict, words: str) -> None:
    table = {
        "group": "namzdf_tke", "entry": "rn_ediff", "lower": 0.01, "upper": 1.0, "prior_mean": 0.1,
        "prior_spread": 0.05, "transform": "log",
    }  # fmt: skip
    with pytest.raises(ConfigurationError, match=f"rn_ediff.*{words}"):
        from_table([table | changes])


def test_value_outside_bounds_is_refused() -> None:
    vector = ControlVector((CONTROLS["log"],))
    with pytest.raises(ConfigurationError, match="outside its bounds"):
        vector.to_vector({"namzdf_tke": {"rn_ediff": 3.0}})
