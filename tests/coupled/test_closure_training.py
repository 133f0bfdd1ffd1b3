"""The example of online training: a network in torch or JAX, a few epochs of real runs under mpirun."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TRAIN = Path(__file__).resolve().parents[2] / "examples" / "closure" / "train.py"


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_training_lowers_the_loss_of_real_runs_and_goes_on(
    framework: str, tmp_path: Path, mpi_environment: dict[str, str], executable: Any
) -> None:
    environment = mpi_environment | {"NEMO_BRIDGE_BUILD": str(executable("toy_ocean").parent)}

    def train(epochs: int) -> dict[str, Any]:
        command = [
            sys.executable,
            str(TRAIN),
            framework,
            "--directory",
            str(tmp_path),
            "--derivatives",
            "static",
        ]
        command += [
            "--epochs",
            str(epochs),
            "--windows",
            "1",
            "--spin-up",
            "12",
            "--spacing",
            "6",
            "--rate",
            "0.1",
        ]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads((tmp_path / "result.json").read_text())

    def losses() -> list[float]:
        return json.loads((tmp_path / "history.json").read_text())

    train(2)
    first = losses()
    result = train(4)
    assert losses()[:2] == first and len(losses()) == 4
    assert (
        result["loss_last"] < result["loss_first"] < 1.0
    )  # 1: without a network, which begins with a little mixing
    # Static derivatives leave out what happens to a tendency within two days of spin-up from rest
    assert result["relative_error_along_gradient"] < 0.5
    assert {"loss.png", "tendency.png"} <= {path.name for path in tmp_path.iterdir()}
