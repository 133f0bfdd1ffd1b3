"""How a physics test runs the stand-alone toy ocean: a namelist in, fields and budgets out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import f90nml
import numpy as np
import pytest
import xarray as xr

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode does not: for `import references`

Namelist = dict[str, dict[str, object]]


@dataclass(frozen=True)
class Run:
    """What a run left behind."""

    fields: xr.Dataset  #: output.nc: thetao so uo vo zos …, global, double precision, every nn_write steps
    directory: Path

    def budgets(self) -> dict[str, np.ndarray]:
        """Columns of run.stat; the first row is the initial state."""
        names = ("step", "volume", "heat", "salt", "largest_speed")
        return dict(zip(names, np.loadtxt(self.directory / "run.stat").T, strict=True))


@pytest.fixture
def run_toy_ocean(
    executable: Callable[[str], Path], mpirun: list[str], mpi_environment: dict[str, str], tmp_path: Path
) -> Callable[[Namelist], Run]:
    """Run toy_ocean on one rank with this namelist; the test fails with its last words if it does."""

    def run(namelist: Namelist) -> Run:
        f90nml.Namelist(namelist).write(tmp_path / "namelist_cfg", force=True)
        command = [*mpirun, "-n", "1", str(executable("toy_ocean")), "namelist_cfg"]
        done = subprocess.run(
            command, cwd=tmp_path, env=mpi_environment, capture_output=True, text=True, timeout=500
        )
        assert done.returncode == 0, (
            f"{' '.join(command)} in {tmp_path}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
        return Run(xr.open_dataset(tmp_path / "output.nc", decode_times=False).load(), tmp_path)

    return run
