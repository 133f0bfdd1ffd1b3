"""The ocean's bits do not depend on how it is cut into tiles, nor on being stopped and restarted."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import f90nml
import netCDF4
import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FIELDS = ("thetao", "so", "uo", "vo", "zos", "en")
Run = Callable[..., dict[str, np.ndarray]]


@pytest.fixture
def run(
    executable: Callable[[str], Path], mpirun: list[str], mpi_environment: dict[str, str], tmp_path: Path
) -> Run:
    """`run("gyre", tiles=(2, 1), last=20, ...)`: fields of the restart file that the run ends with."""

    def start(example: str, tiles: tuple[int, int], last: int, **namrun: object) -> dict[str, np.ndarray]:
        directory = tmp_path / f"{example}_{tiles[0]}x{tiles[1]}_{last}"
        directory.mkdir()
        namelist = f90nml.read(EXAMPLES / example / "namelist_cfg")
        if example == "global":
            namelist["namcfg"]["cn_input"] = str(EXAMPLES / "global" / "global_4deg.nc")
        namelist["namrun"].update({"nn_itend": last, "nn_write": 0} | namrun)
        namelist["nammpp"] = {"jpni": tiles[0], "jpnj": tiles[1]}
        namelist["namdom"]["ln_meshmask"] = False
        namelist.write(directory / "namelist_cfg")
        command = [*mpirun, "-n", str(tiles[0] * tiles[1]), str(executable("toy_ocean"))]
        done = subprocess.run(
            command, cwd=directory, env=mpi_environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with netCDF4.Dataset(directory / "restart_out.nc") as file:
            return {name: file[name][:].data for name in FIELDS} | {"path": directory / "restart_out.nc"}

    return start


def differing(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> dict[str, int]:
    """Number of points whose bits differ, by field."""
    return {
        name: count
        for name in FIELDS
        if (count := int((one[name].view(np.int64) != other[name].view(np.int64)).sum()))
    }


@pytest.mark.parametrize(
    ("example", "shapes"),
    [
        ("gyre", [(1, 2), (3, 1), (2, 2)]),
        ("global", [(2, 1), (4, 1)]),
    ],
)
def test_bits_are_the_same_on_any_tiles_after_200_steps(
    run: Run, example: str, shapes: list[tuple[int, int]]
) -> None:
    """32 and 90 columns, 22 and 42 rows: both (3, 1) of 32 and (4, 1) of 90 are uneven."""
    alone = run(example, (1, 1), 200)
    assert np.abs(alone["uo"]).max() > 0.01, "the ocean moves"
    for tiles in shapes:
        assert differing(alone, run(example, tiles, 200)) == {}, f"{tiles[0]} x {tiles[1]} tiles"


@pytest.mark.parametrize("example", ["gyre", "global"])
def test_a_restart_continues_to_the_last_bit_even_on_other_tiles(run: Run, example: str) -> None:
    whole = run(example, (1, 1), 40)
    half = run(example, (2, 1), 20)
    again = run(example, (1, 2), 40, ln_rstart=True, cn_ocerst_in=str(half["path"]))
    assert differing(whole, again) == {}
