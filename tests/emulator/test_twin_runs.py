"""The twin runs beside the Fortran ocean: one day and ten days in both configurations, all physics on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import f90nml
import jax
import numpy as np
import pytest

from emulator.toy_ocean import config as configuration
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.sbc import read_climatology
from emulator.toy_ocean.state import State, read_restart
from emulator.toy_ocean.step import run

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Five days of spin-up: currents, convection and turbulence are there.
SPIN_UP_DAYS, DAYS = 5, (1, 10)
# Rounding differs (order of sums, fused multiply-add in XLA) and mixing amplifies it; a wrong sign in the
# smallest term shows at 1e-6.
TOLERANCE = {1: 1e-11, 10: 1e-8}


@pytest.fixture(scope="module", params=["gyre", "global"])
def fortran(
    request: pytest.FixtureRequest,
    executable: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> SimpleNamespace:
    """A run of the Fortran ocean that left restart files after the spin-up, a day and ten days later."""
    directory = tmp_path_factory.mktemp(request.param)
    namelist = f90nml.read(EXAMPLES / request.param / "namelist_cfg")
    day = round(86400 / namelist["namdom"]["rn_Dt"])
    input_file = EXAMPLES / "global" / "global_4deg.nc"
    if request.param == "global":
        namelist["namcfg"]["cn_input"] = str(input_file)
    namelist["namrun"] |= {"nn_itend": (SPIN_UP_DAYS + DAYS[-1]) * day, "nn_stock": day, "nn_write": 0}
    namelist["namdom"]["ln_meshmask"] = True
    namelist.write(directory / "namelist_cfg")
    program = executable("toy_ocean")
    done = subprocess.run([program], cwd=directory, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr

    def after(days: int) -> tuple[State, int]:
        return read_restart(directory / f"restart_out_{(SPIN_UP_DAYS + days) * day:08d}.nc")

    config, params = configuration.read(directory / "namelist_cfg")
    forcing = read_climatology(input_file) if request.param == "global" else None
    grid = Grid.read(directory / "mesh_mask.nc")
    return SimpleNamespace(after=after, day=day, config=config, params=params, forcing=forcing, grid=grid)


def relative_difference(twin: State, model: State) -> dict[str, float]:
    """Largest |difference| over the range of the model's field, by field."""
    pairs = {
        name: (np.asarray(getattr(twin, name)), np.asarray(getattr(model, name))) for name in State._fields
    }
    return {name: float(np.abs(a - b).max() / np.ptp(b)) for name, (a, b) in pairs.items()}


def test_twin_follows_the_model_for_a_day_and_for_ten(fortran: SimpleNamespace) -> None:
    state, kt = fortran.after(0)
    for days in range(1, DAYS[-1] + 1):
        state = run(state, kt, fortran.day, fortran.params, fortran.forcing, fortran.grid, fortran.config)
        kt += fortran.day
        if days in TOLERANCE:
            model, done = fortran.after(days)
            assert done == kt
            difference = relative_difference(state, model)
            assert max(difference.values()) <= TOLERANCE[days], f"after {days} days: {difference}"
    jax.clear_caches()


def test_the_twin_has_the_defaults_of_the_model(tmp_path: Path) -> None:
    """The reference namelist, written from nam_toy.f90, changes nothing; it names every entry."""
    reference = f90nml.read(EXAMPLES.parent / "bridge" / "models" / "toy_ocean_ref.nml")
    config, params = configuration.read(EXAMPLES.parent / "bridge" / "models" / "toy_ocean_ref.nml")
    assert config == configuration.Config()
    assert params == configuration.DEFAULT_PARAMETERS
    named = {group: {entry.lower() for entry in entries} for group, entries in reference.items()}
    known = {
        group: {
            entry.lower()
            for table in (configuration.STATIC_ENTRIES, configuration.DEFAULT_PARAMETERS)
            for entry in table.get(group, ())
        }
        for group in configuration.STATIC_ENTRIES | configuration.DEFAULT_PARAMETERS
    }
    assert named == known
