"""What goes wrong in toy_ocean ends it with a non-zero code and a message that says what to do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Ocean = Callable[[str], "subprocess.CompletedProcess[str]"]
BOX = "&namcfg cn_cfg = 'idealised' /\n&namusr_def nn_nx = 8, nn_ny = 8, nn_nz = 3 /\n"


@pytest.fixture
def ocean(executable: Callable[[str], Path], mpi_environment: dict[str, str], tmp_path: Path) -> Ocean:
    """`ocean(text)`: run with that namelist, stand-alone without mpirun."""

    def start(text: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "namelist_cfg").write_text(text)
        program = str(executable("toy_ocean"))
        return subprocess.run(
            [program], cwd=tmp_path, env=mpi_environment, capture_output=True, text=True, timeout=120
        )

    return start


def test_a_box_with_good_entries_ends_well(ocean: Ocean) -> None:
    """What the errors below differ from."""
    done = ocean(BOX + "&namrun nn_itend = 2 /\n")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BOX + "&namzdf_tke rn_edif = 0.1 /\n", ["namelist_cfg", "&namzdf_tke", "rn_edif", "iostat"]),
        (BOX + "&namzdf_tke nn_mxl = 'three' /\n", ["namelist_cfg", "&namzdf_tke", "iostat"]),
        (BOX + "&namzdftke rn_ediff = 0.1 /\n", ["namelist_cfg", "&namzdftke", "namzdf_tke"]),
        ("&namcfg cn_cfg = 'gyro' /\n", ["gyro", "gyre", "global", "idealised"]),
        ("&namcfg cn_cfg = 'global', cn_input = 'nowhere.nc' /\n", ["nowhere.nc", "No such file"]),
        (BOX + "&namrun ln_rstart = .true., cn_ocerst_in = 'nowhere.nc' /\n", ["nowhere.nc", "No such file"]),
        (BOX + "&nammpp jpni = 2, jpnj = 2 /\n", ["nammpp", "2 x 2", "ranks"]),
    ],
)
def test_a_wrong_namelist_is_named_and_ends_the_run(ocean: Ocean, text: str, expected: list[str]) -> None:
    done = ocean(text)
    assert done.returncode != 0
    for word in expected:
        assert word in done.stderr


def test_a_missing_namelist_file_ends_the_run(
    executable: Callable[[str], Path], mpi_environment: dict[str, str], tmp_path: Path
) -> None:
    command = [str(executable("toy_ocean")), "absent_cfg"]
    done = subprocess.run(
        command, cwd=tmp_path, env=mpi_environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "absent_cfg" in done.stderr


def test_a_restart_of_another_size_is_refused(ocean: Ocean) -> None:
    assert ocean(BOX + "&namrun nn_itend = 1 /\n").returncode == 0
    larger = BOX.replace("nn_nx = 8", "nn_nx = 10")
    done = ocean(larger + "&namrun ln_rstart = .true., cn_ocerst_in = 'restart_out.nc' /\n")
    assert done.returncode != 0
    assert "expected x, y, z = 10 8 3" in done.stderr


def test_a_blow_up_says_where_and_when_and_leaves_no_restart(ocean: Ocean, tmp_path: Path) -> None:
    """A wind of 3000 N m-2 drives the flow beyond 20 m/s at once."""
    wild = BOX.replace("nn_nz = 3", "nn_nz = 3, cn_wind = 'uniform', rn_tau_x = 3.e3")
    done = ocean(wild + "&namrun nn_itend = 50 /\n")
    assert done.returncode != 0
    assert "blow-up at step 1:" in done.stderr
    for word in ("=", "i =", "j =", "k ="):
        assert word in done.stderr
    assert not os.path.exists(tmp_path / "restart_out.nc")
