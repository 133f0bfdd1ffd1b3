"""A parameter set over the bridge against the same value in the namelist: the same bits, from the same restart.

NEMO alone makes restarts of two successive steps. From the later one each parameter runs with its value in the
namelist; from the earlier one NEMO goes one step with the bridge, which gives the same state, and then obeys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    "namtra_ldf/rn_slpmax": 0.00002,
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
    "namsbc_ssr/rn_dqdt": -60.0,
    "namsbc_ssr/rn_deds": -100.0,
}
#: a map of twos, which is the same as twice this parameter, bit by bit
MAPS = {
    "namzdf/avtb_2d": "namzdf/rn_avt0",
    "namdrg_bot/rCd0_bot": "namdrg_bot/rn_Cd0",
    "namtra_ldf/ahtu": "namtra_ldf/rn_Ud",
    "namtra_eiv/aeiu": "namtra_eiv/rn_Ue",
}
#: coefficients of lateral mixing that NEMO computes once, by all of its formulae; the other mixed-layer eddies
COMPUTED_ONCE = {
    "namtra_ldf": {"nn_aht_ijk_t": 30},
    "namtra_eiv": {"nn_aei_ijk_t": 20},
    "namdyn_ldf": {"nn_ahm_ijk_t": 10},
    "namtra_mle": {"nn_mle": 0},
}
#: the user's own namelist, that with those schemes, and that with a file to which the surface is pulled
SCHEMES = {
    "as given": [name for name in VALUES if not name.startswith("namsbc_ssr")],
    "computed once": [
        "namtra_ldf/rn_Ud",
        "namtra_eiv/rn_Ue",
        "namdyn_ldf/rn_Uv",
        "namdyn_ldf/rn_Lv",
        "namtra_mle/rn_ce",
        "namtra_mle/rn_lf",
        "namtra_mle/rn_time",
        "namtra_mle/rn_rho_c_mle",
    ],
    "restoring": ["namsbc_ssr/rn_dqdt", "namsbc_ssr/rn_deds"],
}
MAPS_OF = {
    "as given": ["namzdf/avtb_2d", "namdrg_bot/rCd0_bot"],
    "computed once": ["namtra_ldf/ahtu", "namtra_eiv/aeiu"],
}


def _namrun(first: int, last: int, restart: str | None = None) -> dict[str, Any]:
    changes: dict[str, Any] = {"nn_it000": first, "nn_itend": last, "nn_stock": last, "nn_write": -1}
    if restart is not None:
        changes |= {"ln_rstart": True, "nn_rstctl": 2, "cn_ocerst_in": restart, "cn_ocerst_indir": "."}
    return changes


@dataclass(frozen=True)
class Scheme:
    """Changes to the user's namelist, and files that they need."""

    changes: dict[str, dict[str, Any]]
    files: list[Path]

    def with_entries(self, more: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """The changes and some more."""
        groups = {**self.changes, **more}
        return {group: {**self.changes.get(group, {}), **more.get(group, {})} for group in groups}


@pytest.fixture(scope="module")
def scheme(request) -> Scheme:
    """The configuration that is tested: its name is the parameter."""
    if request.param == "restoring":
        return Scheme(request.getfixturevalue("restoring"), [request.getfixturevalue("climatology")])
    return Scheme(COMPUTED_ONCE if request.param == "computed once" else {}, [])


@pytest.fixture(scope="module")
def restarts(nemo, scheme, tmp_path_factory) -> tuple[int, dict[int, Path]]:
    """The step of the later restart, and the files of both."""
    first = int(nemo.entry("namrun", "nn_it000"))
    last = first + SPIN_UP - 1
    files = {}
    for step in (last - 1, last):
        changes = scheme.with_entries({"namrun": _namrun(first, step)})
        folder = nemo.run(tmp_path_factory.mktemp("spin-up"), changes=changes, files=scheme.files)
        files[step] = next(folder.glob("*_restart.nc"))
    return last, files


def _from(restarts, step: int, folder: Path, last: int) -> dict[str, Any]:
    """Namelist changes for a run that goes on from a restart, which is linked into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "from.nc").symlink_to(restarts[1][step])
    return _namrun(step + 1, last, "from")


@pytest.fixture(scope="module")
def over_the_bridge(nemo, scheme, restarts, tmp_path_factory) -> dict[str, Any]:
    """Runs with each value over the bridge."""
    later = restarts[0]
    folder = tmp_path_factory.mktemp("bridge") / "run"
    changes = scheme.with_entries({"namrun": _from(restarts, later - 1, folder, later + STEPS)})
    shown = nemo.drive(
        tmp_path_factory.mktemp("known"), "describe", changes=scheme.changes, files=scheme.files
    )
    runs = {name: {name: value} for name, value in VALUES.items() if name in shown["parameters"]}
    runs |= {f"map {name}": {name: 2.0} for name in MAPS if name in shown["parameters"]}
    settings = {"steps": STEPS, "runs": runs}
    return nemo.drive(folder, "parameters", settings, changes=changes, files=scheme.files)


@pytest.fixture(scope="module")
def by_namelist(
    nemo, scheme, restarts, restart, tmp_path_factory
) -> Callable[[dict[str, float]], np.ndarray]:
    """`by_namelist({"group/entry": value})`: temperature at the end of such a run, [k, j, i]."""

    def run(values: dict[str, float]) -> np.ndarray:
        later = restarts[0]
        folder = tmp_path_factory.mktemp("namelist") / "run"
        more: dict[str, dict[str, Any]] = {"namrun": _from(restarts, later, folder, later + STEPS)}
        for name, value in values.items():
            group, _, entry = name.partition("/")
            more.setdefault(group, {})[entry] = value
        changes = scheme.with_entries(more)
        return restart(nemo.run(folder, changes=changes, files=scheme.files))["tn"][0]

    return run


def _cases(names: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(scheme, name) for scheme in names for name in names[scheme]]


@pytest.mark.parametrize("scheme", SCHEMES, indirect=True, scope="module")
def test_bridge_starts_from_the_same_state(over_the_bridge, by_namelist) -> None:
    assert np.array_equal(over_the_bridge["reference"], by_namelist({}))
    assert over_the_bridge["back to the reference"]


@pytest.mark.parametrize(("scheme", "name"), _cases(SCHEMES), indirect=["scheme"], scope="module")
def test_parameter_is_that_of_the_namelist(over_the_bridge, by_namelist, name: str) -> None:
    if name not in over_the_bridge["known"]:
        pytest.skip(f"{name}: its scheme is switched off in this configuration")
    _compare(
        name, over_the_bridge[name.replace("/", " ")], by_namelist({name: VALUES[name]}), over_the_bridge
    )


@pytest.mark.parametrize(("scheme", "name"), _cases(MAPS_OF), indirect=["scheme"], scope="module")
def test_map_of_twos_is_twice_the_parameter(nemo, over_the_bridge, by_namelist, name: str) -> None:
    if name not in over_the_bridge["known"]:
        pytest.skip(f"{name}: its scheme is switched off in this configuration")
    value = 2.0 * float(nemo.entry(*MAPS[name].split("/")))
    result = by_namelist({MAPS[name]: value})
    _compare(f"map {name}", over_the_bridge["map " + name.replace("/", " ")], result, over_the_bridge)


def _compare(name: str, bridge: np.ndarray, namelist: np.ndarray, found: dict[str, Any]) -> None:
    surface = float(np.abs(bridge[0] - found["reference"][0]).max())
    difference = float(np.abs(bridge[0] - namelist[0]).max())
    everywhere = float(np.abs(bridge - namelist).max())
    print(
        f"{name:28s} effect on SST {surface:.3e} K, bridge - namelist {difference:.3e} K, all levels {everywhere:.3e} K"
    )
    assert np.array_equal(bridge, namelist), f"{name}: effect {surface}, difference {difference}"
