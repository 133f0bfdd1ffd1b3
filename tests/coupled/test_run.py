"""`nemo-bridge run --record` with a real model: the same fields over MPI and over ZMQ."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import xarray

STEPS = ("--steps", "4", "--set", "namzdf_tke/rn_ediff=0.2", "--record", "thetao,zos", "--every", "2")


@pytest.fixture
def record(tmp_path: Path, mpi_environment: dict[str, str], executable):
    """`record("zmq", "--steps", …)`: `nemo-bridge run` of a gyre over that transport, in a directory of that name."""
    (tmp_path / "namelist_cfg").write_text("&namcfg\n cn_cfg = 'gyre'\n/\n")
    environment = mpi_environment | {"NEMO_BRIDGE_BUILD": str(executable("toy_ocean").parent)}

    def run(transport: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "optim.cli", "run", "namelist_cfg", "--directory", transport]
        command += ["--transport", transport, *options]
        return subprocess.run(
            command, cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True, timeout=120
        )

    return run


def test_run_records_the_same_bits_over_both_transports(tmp_path: Path, record) -> None:
    for transport in ("mpi", "zmq"):
        done = record(transport, *STEPS)
        assert done.returncode == 0, done.stdout + done.stderr
    with (
        xarray.open_dataset(tmp_path / "mpi" / "recorded.nc") as over_mpi,
        xarray.open_dataset(tmp_path / "zmq" / "recorded.nc") as over_zmq,
    ):
        assert over_zmq.identical(over_mpi)
        assert over_zmq.sizes["time"] == 2 and float(abs(over_zmq["zos"]).max()) > 0.0


def test_field_that_the_model_does_not_have_ends_a_run_over_zmq_with_the_code_of_wrong_use(record) -> None:
    done = record("zmq", "--steps", "4", "--record", "toss")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "has no field or parameter 'toss': did you mean tos?" in done.stderr
