"""A parameter set over the bridge against the same value in the namelist: the same bits, from the same restart.

NEMO alone makes restarts of two successive steps. From the later one each parameter runs with its value in the
namelist; from the earlier one NEMO goes one step with the bridge, which gives the same state, and then obeys.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.nemo

SPIN_UP, STEPS = 30, 60
#: a value for each parameter, other than the usual ones
VALUES = {
    "namzdf_tke/rn_ediff": 0.12,
    "namzdf_tke/rn_ediss": 0.8,
    "namzdf_tke/rn_ebb": 80.0,
    "namzdf_tke/rn_emin": 2e-6,
    "namzdf_tke/rn_emin0": 2e-4,
    "namzdf_tke/rn_mxl0": 0.06,
    "namzdf_tke/rn_efr": 0.1,
    "namzdf_tke/rn_lc": 0.3,
    "namzdf/rn_avt0": 2e-5,
    "namzdf/rn_avm0": 2e-4,
    "namzdf/rn_evd": 50.0,
    "namtra_ldf/rn_Ud": 0.025,
    "namtra_ldf/rn_Ld": 120e3,
    "namtra_ldf/rn_slpmax": 0.0005,
    "namtra_eiv/rn_Ue": 0.001,
    "namtra_eiv/rn_Le": 5e3,
    "namdyn_ldf/rn_Uv": 2.5,
    "namdyn_ldf/rn_Lv": 120e3,
    "namdrg_bot/rn_Cd0": 0.002,
    "namdrg_bot/rn_ke0": 0.005,
    "namtra_qsr/rn_abs": 0.62,
    "namtra_qsr/rn_si0": 0.5,
    "namtra_qsr/rn_si1": 18.0,
    "namtra_mle/rn_ce": 0.08,
    "namtra_mle/rn_lf": 6000.0,
    "namtra_mle/rn_lat": 25.0,
    "namtra_mle/rn_time": 2e5,
    "namtra_mle/rn_rho_c_mle": 0.02,
}
#: a map that is the same everywhere, and what it stands for; powers of two, so that the bits can be the same
MAPS = {
    "namzdf/avtb_2d": (2.0, ("namzdf/rn_avt0", 2.0)),
    "namdrg_bot/rCd0_bot": (2.0, ("namdrg_bot/rn_Cd0", 2.0)),
}


def _namrun(nemo, first: int, last: int, restart: str | None = None) -> dict[str, Any]:
    changes: dict[str, Any] = {"nn_it000": first, "nn_itend": last, "nn_stock": last, "nn_write": -1}
    if restart is not None:
        changes |= {"ln_rstart": True, "nn_rstctl": 2, "cn_ocerst_in": restart, "cn_ocerst_indir": "."}
    return changes


@pytest.fixture(scope="module")
def restarts(nemo, tmp_path_factory) -> tuple[int, dict[int, Path]]:
    """The step of the later restart, and the files of both."""
    first = int(nemo.entry("namrun", "nn_it000"))
    last = first + SPIN_UP - 1
    files = {}
    for step in (last - 1, last):
        folder = nemo.run(tmp_path_factory.mktemp("spin-up"), changes={"namrun": _namrun(nemo, first, step)})
        files[step] = next(folder.glob("*_restart.nc"))
    return last, files


def _from(nemo, restarts, step: int, folder: Path, last: int) -> dict[str, Any]:
    """Namelist changes for a run that goes on from a restart, which is linked into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "from.nc").symlink_to(restarts[1][step])
    return _namrun(nemo, step + 1, last, "from")


@pytest.fixture(scope="module")
def over_the_bridge(nemo, restarts, tmp_path_factory) -> dict[str, Any]:
    """Runs with each value over the bridge."""
    later = restarts[0]
    folder = tmp_path_factory.mktemp("bridge") / "run"
    namrun = _from(nemo, restarts, later - 1, folder, later + STEPS)
    known = nemo.drive(tmp_path_factory.mktemp("known"), "describe")["parameters"]
    runs = {name: {name: value} for name, value in VALUES.items() if name in known}
    runs |= {f"map {name}": {name: factor} for name, (factor, _) in MAPS.items() if name in known}
    return nemo.drive(folder, "parameters", {"steps": STEPS, "runs": runs}, changes={"namrun": namrun})


@pytest.fixture(scope="module")
def by_namelist(nemo, restarts, restart, tmp_path_factory) -> Callable[[dict[str, float]], np.ndarray]:
    """`by_namelist({"group/entry": value})`: temperature at the end of such a run, [k, j, i]."""

    def run(values: dict[str, float]) -> np.ndarray:
        later = restarts[0]
        folder = tmp_path_factory.mktemp("namelist") / "run"
        changes: dict[str, dict[str, Any]] = {"namrun": _from(nemo, restarts, later, folder, later + STEPS)}
        for name, value in values.items():
            group, _, entry = name.partition("/")
            changes.setdefault(group, {})[entry] = value
        return restart(nemo.run(folder, changes=changes))["tn"][0]

    return run


def test_bridge_starts_from_the_same_state(over_the_bridge, by_namelist) -> None:
    assert np.array_equal(over_the_bridge["reference"], by_namelist({}))
    assert over_the_bridge["back to the reference"]


@pytest.mark.parametrize("name", sorted(VALUES))
def test_parameter_is_that_of_the_namelist(over_the_bridge, by_namelist, name: str) -> None:
    if name not in over_the_bridge["known"]:
        pytest.skip(f"{name}: its scheme is switched off in this configuration")
    _compare(
        name, over_the_bridge[name.replace("/", " ")], by_namelist({name: VALUES[name]}), over_the_bridge
    )


@pytest.mark.parametrize("name", sorted(MAPS))
def test_uniform_map_is_a_multiplied_parameter(nemo, over_the_bridge, by_namelist, name: str) -> None:
    if name not in over_the_bridge["known"]:
        pytest.skip(f"{name}: its scheme is switched off in this configuration")
    _, (entry, factor) = MAPS[name]
    value = float(nemo.entry(*entry.split("/"))) * factor
    _compare(
        name, over_the_bridge["map " + name.replace("/", " ")], by_namelist({entry: value}), over_the_bridge
    )


def _compare(name: str, bridge: np.ndarray, namelist: np.ndarray, found: dict[str, Any]) -> None:
    surface = float(np.abs(bridge[0] - found["reference"][0]).max())
    difference = float(np.abs(bridge[0] - namelist[0]).max())
    everywhere = float(np.abs(bridge - namelist).max())
    print(
        f"{name:28s} effect on SST {surface:.3e} K, bridge - namelist {difference:.3e} K, all levels {everywhere:.3e} K"
    )
    assert np.array_equal(bridge, namelist), f"{name}: effect {surface}, difference {difference}"
