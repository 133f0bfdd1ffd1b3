"""`nemo-bridge launch`: lines that a shell understands, and with the installed mpirun the same result as `tune`."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tuning_jobs import Tuning

from optim.cli.launch import LauncherName


def launch(tuning: Tuning, *options: str) -> subprocess.CompletedProcess:
    experiment = str(tuning.folder / "exp.toml")
    command = [sys.executable, "-m", "optim.cli", "launch", experiment, "--directory", str(tuning.run)]
    return tuning.call([*command, *options])


@pytest.mark.parametrize("transport", ["mpi", "zmq"])
@pytest.mark.parametrize("launcher", [name.value for name in LauncherName])
def test_printing_starts_nothing(tuning: Tuning, launcher: str, transport: str) -> None:
    printed = launch(tuning, "--launcher", launcher, "--transport", transport, "--print")
    assert printed.returncode == 0, printed.stderr
    assert str(tuning.program) in printed.stdout
    assert tuning.call(["sh", "-n", "-c", printed.stdout]).returncode == 0
    assert not tuning.run.exists()


def test_the_printed_lines_tune(reference: Tuning, tuning: Tuning) -> None:
    printed = launch(tuning, "--ranks", "3", "--print")
    done = tuning.call(["sh", "-ec", printed.stdout])
    assert done.returncode == 0, done.stdout + done.stderr
    # The model's bits do not depend on the number of ranks, so neither does the tuning.
    assert tuning.parameters() == reference.parameters()


def test_server_and_two_instances_over_zmq(reference: Tuning, tuning: Tuning) -> None:
    done = launch(tuning, "--transport", "zmq", "--instances", "2", "--ranks", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert tuning.parameters() == reference.parameters()


def test_a_job_that_fails_tells_so(tuning: Tuning) -> None:
    tuning.run.mkdir()
    (tuning.run / "model").write_text("a file in the place of the model's folder")
    done = launch(tuning)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "cannot be a run directory" in done.stderr
