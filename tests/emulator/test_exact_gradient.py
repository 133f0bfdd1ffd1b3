"""The twin's exact gradient is the gradient of the Fortran program, and its two modes are transposes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bridge.errors import ConfigurationError
from emulator.tangent_linear import dot_product_error
from emulator.toy_ocean.gradient import ExactTwin
from emulator.toy_ocean.model_differences import (
    FIELDS,
    PARAMETERS,
    MeanSquareChange,
    StandAlone,
    best,
    describe,
    sweep,
)

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# End of February after a start on 1 January: deep convection, so that rn_evd acts.
SPIN_UP = 480
INTERVAL = 20
#: largest relative error of the best difference: rounding and switches of the program grow with the window
TOLERANCE = {20: 1e-6, 100: 1e-4}
#: relative steps that come out best in the full sweep (docs/derivatives.md); rn_Cd0 and rn_evd act weakly and smoothly
STEPS = dict.fromkeys(PARAMETERS, (3e-5, 1e-5)) | {
    "namdrg_bot/rn_Cd0": (1e-2, 1e-3),
    "namzdf/rn_evd": (2e-2, 1e-2),
}


@pytest.fixture(scope="module")
def gyre(executable: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> StandAlone:
    folder = tmp_path_factory.mktemp("differences")
    return StandAlone(EXAMPLES / "gyre" / "namelist_cfg", folder, SPIN_UP, executable("toy_ocean"))


@pytest.fixture(scope="module")
def twin(gyre: StandAlone) -> ExactTwin:
    return gyre.twin(INTERVAL)


@pytest.mark.parametrize("steps", [20, 100])
def test_gradient_equals_differences_of_the_fortran_program(
    gyre: StandAlone, twin: ExactTwin, steps: int
) -> None:
    table = sweep(gyre, steps, STEPS, twin=twin)
    print(describe(table))
    errors = {name: row.error for name, row in best(table).items()}
    assert max(errors.values()) <= TOLERANCE[steps], describe(table)


def test_short_of_memory_the_gradient_is_the_same(twin: ExactTwin, monkeypatch: pytest.MonkeyPatch) -> None:
    """States that are not kept are computed again, to the same bits."""
    assert twin.start is not None
    cost = MeanSquareChange.of(twin.start.state, _zero(twin), twin.grid)
    window = twin.at({}, PARAMETERS, 2)
    value, gradient = window.value_and_gradient(cost, tuple(FIELDS))
    monkeypatch.setattr(twin, "memory", 0.0)
    assert window.value_and_gradient(cost, tuple(FIELDS))[0] == value
    np.testing.assert_array_equal(window.value_and_gradient(cost, tuple(FIELDS))[1], gradient)


def _zero(twin: ExactTwin):
    assert twin.start is not None
    return type(twin.start.state)(*(0.0 * field for field in twin.start.state))


def test_forward_and_reverse_are_transposes(twin: ExactTwin) -> None:
    """Also where records are the surface only, and over more than one interval."""
    tangent = twin.at({"namzdf": {"rn_evd": 10.0}}, PARAMETERS, 2).tangent_linear(("tos", "uo"))
    random = np.random.default_rng(0)
    # in units of the parameters, so that all of them matter
    v = random.standard_normal(len(PARAMETERS)) * [0.1, 0.7, 60.0, 0.02, 2.0, 1e-3, 20.0, 10.0]
    w = {field: random.standard_normal(values.shape) for field, values in tangent.mv(v).items()}
    assert dot_product_error(tangent, v, w) < 1e-12


def test_unknown_control_and_field_are_refused(twin: ExactTwin) -> None:
    with pytest.raises(ConfigurationError, match="rn_edif"):
        twin.at({}, ["namzdf_tke/rn_edif"], 1)
    with pytest.raises(ConfigurationError, match="rn_Dt"):
        twin.at({}, ["namdom/rn_Dt"], 1)
    with pytest.raises(ConfigurationError, match="avt"):
        twin.at({}, PARAMETERS, 1).run(["avt"])
