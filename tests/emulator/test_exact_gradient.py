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
INTERVAL = 20
#: Relative steps that come out well in the full sweep (docs/derivatives.md): small enough that no cell switches or
#: crosses a kink, large enough for rounding; rn_Cd0 and rn_evd act weakly and smoothly. Longer windows meet more kinks.
SHORT = dict.fromkeys(PARAMETERS, (3e-5, 1e-5, 3e-6)) | {
    "namdrg_bot/rn_Cd0": (1e-2, 1e-3),
    "namzdf/rn_evd": (2e-4, 1e-4),
}
LONG = dict.fromkeys(PARAMETERS, (1e-6, 3e-7)) | {
    "namdrg_bot/rn_Cd0": (1e-3,),
    "namzdf/rn_evd": (2e-4, 1e-4),
}


def stand_alone(
    example: str, spin_up: int, executable: Callable[[str], Path], factory: pytest.TempPathFactory
) -> StandAlone:
    folder = factory.mktemp(example)
    return StandAlone(EXAMPLES / example / "namelist_cfg", folder, spin_up, executable("toy_ocean"))


@pytest.fixture(scope="module")
def gyre(executable: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> StandAlone:
    """The gyre on 1 March, when it convects deepest."""
    return stand_alone("gyre", 720, executable, tmp_path_factory)


@pytest.fixture(scope="module")
def twin(gyre: StandAlone) -> ExactTwin:
    return gyre.twin(INTERVAL)


@pytest.mark.parametrize(("steps", "relative", "tolerance"), [(20, SHORT, 1e-6), (100, LONG, 1e-4)])
def test_gradient_of_the_gyre_equals_differences_of_the_program(
    gyre: StandAlone, twin: ExactTwin, steps: int, relative: dict, tolerance: float
) -> None:
    table = sweep(gyre, steps, relative, twin=twin)
    for row in best(table).values():
        assert row.error <= tolerance, describe(table)


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
    # rounding of 40 steps forward and 40 backward, amplified by convection: 3e-12 measured
    assert dot_product_error(tangent, v, w) < 1e-10


def test_unknown_control_and_field_are_refused(twin: ExactTwin) -> None:
    with pytest.raises(ConfigurationError, match="rn_edif"):
        twin.at({}, ["namzdf_tke/rn_edif"], 1)
    with pytest.raises(ConfigurationError, match="rn_Dt"):
        twin.at({}, ["namdom/rn_Dt"], 1)
    with pytest.raises(ConfigurationError, match="avt"):
        twin.at({}, PARAMETERS, 1).run(["avt"])
