"""Every parameter that the ocean offers for tuning does something, when set through the namelist."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from bridge import namelist
from bridge.models import toy_ocean

REPOSITORY = Path(__file__).resolve().parents[2]
#: what the model registers with the bridge: scalars of the namelist
REGISTERED = tuple(
    re.findall(r"scalar\('(\w+/rn_\w+)'", (REPOSITORY / "fortran_stubs/toy_ocean/toy_bridge.f90").read_text())
)
FIELDS = ("thetao", "so", "uo", "vo", "zos", "en")
STEPS = 60
# No entry whose effect is smaller is worth tuning; rounding is at 1e-13 of the range.
LEAST_CHANGE = 1e-6
CHANGE = 1.3  # factor on the parameter

#: switches that an entry needs, where the namelist of the gyre has them off
SWITCHES: dict[str, dict] = {
    "namdrg_bot/rn_Uc0": {"namdrg": {"ln_lin": True, "ln_non_lin": False}},
    "namzdf_tke/rn_efr": {"namzdf_tke": {"nn_etau": 1}},
    # The wind gives more energy and length than these floors in the gyre, so that they would never act.
    "namzdf_tke/rn_emin0": {"namzdf_tke": {"rn_ebb": 0.0}},
    "namzdf_tke/rn_mxl0": {"namzdf_tke": {"ln_mxl0": False}},
    "namsbc_ssr/rn_deds": {"namsbc": {"ln_ssr": True}},
}
ONLY_GLOBAL = {"namsbc_ssr/rn_deds"}  # the gyre does not restore salinity
VALUES = {
    # Slopes of the young gyre stay below the default; the thickness bounds them first in shallow levels.
    "namtra_ldf/rn_slpmax": 1e-4,
    "namlbc/rn_shlat": 2.0,  # its default of 0 cannot be scaled
    # The top cell is 10 m thick: exp(-10/0.35) = 4e-13 of the near infrared passes through it, exp(-10/2) = 7e-3.
    "namtra_qsr/rn_si0": 2.0,
}

Fields = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def fields_after(
    executable: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Fields]:
    """`fields_after(example, settings)`: restart after 60 steps; settings = "group/entry=value …" (hashable)."""

    @cache
    def run(example: str, settings: tuple[tuple[str, object], ...]) -> Fields:
        base = REPOSITORY / "examples" / example
        changed = toy_ocean.read_namelist(base / "namelist_cfg")
        params: dict = {"namrun": {"nn_itend": STEPS, "nn_write": 0}, "namdom": {"ln_meshmask": False}}
        for name, value in settings:
            group, _, entry = name.partition("/")
            params.setdefault(group, {})[entry] = value
        directory = tmp_path_factory.mktemp(example)
        toy_ocean.prepare(directory, namelist.apply(changed, params), base)
        command = [str(executable("toy_ocean")), toy_ocean.NAMELIST]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        with netCDF4.Dataset(directory / "restart_out.nc") as file:
            return {name: file[name][:].data for name in FIELDS}

    return run


def test_at_least_twelve_parameters_are_registered() -> None:
    """And those of the catalogue are among them."""
    assert len(set(REGISTERED)) == len(REGISTERED) >= 12
    assert {parameter.name for parameter in toy_ocean.PARAMETERS} <= set(REGISTERED)


@pytest.mark.parametrize("name", REGISTERED)
def test_parameter_changes_a_field(name: str, fields_after: Callable) -> None:
    example = "global" if name in ONLY_GLOBAL else "gyre"
    switches = {f"{g}/{e}": v for g, entries in SWITCHES.get(name, {}).items() for e, v in entries.items()}
    group, _, entry = name.partition("/")
    default = toy_ocean.read_namelist(REPOSITORY / "examples" / example / "namelist_cfg").value(group, entry)
    value = VALUES.get(name, CHANGE * default)
    before = fields_after(example, tuple(switches.items()))
    after = fields_after(example, (*switches.items(), (name, value)))
    change = {
        field: float(np.abs(after[field] - before[field]).max() / np.ptp(before[field])) for field in FIELDS
    }
    assert max(change.values()) > LEAST_CHANGE, f"{name}: {default} -> {value} changes fields by {change}"
