"""The example of online training: a network in torch or JAX, a few epochs of real runs under mpirun."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TRAIN = Path(__file__).resolve().parents[2] / "examples" / "closure" / "train.py"


@pytest.fixture
def train(
    tmp_path: Path, mpi_environment: dict[str, str], executable: Callable[[str], Path]
) -> Callable[..., dict[str, Any]]:
    """One window soon after the start from rest, so many epochs of it; what came of it."""
    environment = mpi_environment | {"NEMO_BRIDGE_BUILD": str(executable("toy_ocean").parent)}

    def run(framework: str, derivatives: str, epochs: int) -> dict[str, Any]:
        options = {
            "directory": tmp_path, "derivatives": derivatives, "epochs": epochs,
            "windows": 1, "spin-up": 12, "spacing": 6, "rate": 0.1,
        }  # fmt: skip
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, str(TRAIN), framework, *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads((tmp_path / "result.json").read_text())

    return run


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_training_lowers_the_loss_of_real_runs_and_goes_on(
    framework: str, train: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    def losses() -> list[float]:
        return json.loads((tmp_path / "history.json").read_text())

    train(framework, "static", 2)
    first = losses()
    result = train(framework, "static", 4)
    assert losses()[:2] == first and len(losses()) == 4
    assert (
        result["loss_last"] < result["loss_first"] < 1.0
    )  # 1: without a network, which begins with a little mixing
    # Static derivatives leave out what happens to a tendency within two days of spin-up from rest
    assert result["relative_error_along_gradient"] < 0.5
    assert {"loss.png", "tendency.png"} <= {path.name for path in tmp_path.iterdir()}


def test_exact_derivatives_give_the_slope_of_real_runs(train: Callable[..., dict[str, Any]]) -> None:
    result = train("jax", "exact", 1)
    assert result["relative_error_along_gradient"] < 0.01
    assert result["relative_error_along_training"] < 0.01
