"""A tuning of real NEMO is the same over MPI and ZMQ; resumed, however it ended, it knows the spin-up and every run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bridge.ledger import Ledger

pytestmark = pytest.mark.nemo

EXPERIMENT = """
prior = false

[model]
kind = "nemo"
executable = "{executable}"
directory = "{directory}"
ranks = {ranks}

[window]
spinup_days = {spinup_days}
days = 1
every = 1

[[controls]]
group = "namzdf_tke"
entry = "rn_ediff"
lower = 0.03
upper = 0.3
prior_mean = 0.14
prior_spread = 0.05
transform = "log"

[truth]
"namzdf_tke/rn_ediff" = 0.1

[[observations]]
kind = "twin"
field = "thetao"
sigma = 0.001

[estimator]
kind = "finite-difference"

[budget]
model_runs = 5
"""


@pytest.fixture(params=[0, 2], ids=lambda days: f"spin-up of {days} days")
def command(request, nemo, tmp_path: Path, ranks: int) -> list[str]:
    """The command that tunes one parameter in `tmp_path`/run."""
    file = tmp_path / "experiment.toml"
    file.write_text(
        EXPERIMENT.format(
            executable=nemo.executable, directory=nemo.source, ranks=ranks, spinup_days=request.param
        )
    )
    return [sys.executable, "-m", "optim.cli", "tune", str(file), "--directory", str(tmp_path / "run")]


def keys(directory: Path) -> list[str]:
    """The finished runs of a run directory, in their order."""
    if not (directory / "ledger" / "ledger.sqlite").exists():
        return []
    with Ledger(directory / "ledger", read_only=True) as ledger:
        return [record.key for record in ledger.records()]


def told(directory: Path) -> dict[str, Any]:
    """What must not depend on how the runs were made."""
    report = json.loads((directory / "report" / "report.json").read_text())
    return {name: report[name] for name in ("cost", "iterations", "model_runs", "parameters")}


@pytest.mark.parametrize("command", [2], indirect=True, ids=["spin-up of 2 days"])
def test_transport_and_number_of_instances_change_nothing(command: list[str], tmp_path: Path) -> None:
    """The residuals of NEMO are so many that arithmetic with several threads would have other bits."""
    subprocess.run(command, check=True, timeout=600)
    over_zmq = [*command[:-1], str(tmp_path / "zmq"), "--transport", "zmq", "--instances", "2"]
    subprocess.run(over_zmq, check=True, timeout=600)
    assert told(tmp_path / "zmq") == told(tmp_path / "run")
    assert sorted(keys(tmp_path / "zmq")) == sorted(keys(tmp_path / "run"))


def test_resumed_tuning_makes_no_new_run(command: list[str], tmp_path: Path) -> None:
    subprocess.run(command, check=True, timeout=600)
    before = keys(tmp_path / "run")
    subprocess.run([*command, "--resume"], check=True, timeout=600)
    assert keys(tmp_path / "run") == before
    assert len(before) == 6  # the truth and the budget


def test_killed_tuning_goes_on_where_it_was(command: list[str], tmp_path: Path) -> None:
    job = subprocess.Popen(command)
    deadline = time.monotonic() + 600
    while len(keys(tmp_path / "run")) < 3 and job.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    before = keys(tmp_path / "run")
    assert len(before) >= 3
    for _ in range(100):  # the guard of the killed job ends its processes in a moment
        done = subprocess.run([*command, "--resume"], timeout=600)
        if done.returncode != 5:  # in use by another process
            break
        time.sleep(0.2)
    assert done.returncode == 0
    after = keys(tmp_path / "run")
    assert after[: len(before)] == before
    assert len(after) == 6
