"""The batch templates of examples/slurm, run by a shell as Slurm would, with a command that tells how it was called."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main

from optim.cli import app

TEMPLATES = Path(__file__).resolve().parents[2] / "examples" / "slurm"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What Slurm and the user set for a job of four tasks."""
    command = tmp_path / "nemo-bridge"
    command.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    command.chmod(0o755)
    experiment = tmp_path / "tune.toml"
    experiment.write_text("")
    slurm = {"SLURM_NTASKS": "4", "SLURM_JOB_ID": "123456", "SLURM_JOB_NUM_NODES": "1"}
    user = {"NEMO_BRIDGE": str(command), "EXPERIMENT": str(experiment), "RUN": str(tmp_path / "run")}
    return {"PATH": "/usr/bin:/bin"} | slurm | user


def submitted(template: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(TEMPLATES / template)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)


def called(template: str, environment: dict[str, str]) -> dict[str, Any]:
    """Options of the call, as the command understands them; a wrong one raises."""
    done = submitted(template, environment)
    assert done.returncode == 0, done.stderr
    name, *arguments = done.stdout.splitlines()
    assert name == "launch"
    group: Any = typer.main.get_command(app)
    return group.commands[name].make_context(name, arguments).params


@pytest.mark.parametrize(("template", "ranks"), [("mpi.sbatch", 3), ("zmq.sbatch", 4)])
def test_the_model_gets_all_tasks_but_those_of_an_mpi_server(
    template: str, ranks: int, environment: dict[str, str]
) -> None:
    options = called(template, environment)
    assert options["ranks"] == ranks
    assert str(options["experiment"]) == environment["EXPERIMENT"]
    assert str(options["directory"]) == environment["RUN"]
    assert options["launcher"].value == "srun"
    assert not options["resume"]


@pytest.mark.parametrize("template", ["mpi.sbatch", "zmq.sbatch"])
def test_a_job_submitted_again_goes_on_with_the_users_options(
    template: str, environment: dict[str, str]
) -> None:
    (Path(environment["RUN"]) / "ledger").mkdir(parents=True)
    options = called(template, environment | {"OPTIONS": "--pmi=pmi2 --instances 2"})
    assert options["resume"]
    assert (options["pmi"], options["instances"]) == ("pmi2", 2)


def test_on_one_node_a_socket_of_the_users_own(environment: dict[str, str]) -> None:
    endpoint = called("zmq.sbatch", environment)["endpoint"]
    folder = Path(endpoint.removeprefix("ipc://")).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()


def test_on_several_nodes_an_address_that_others_reach_and_keys(environment: dict[str, str]) -> None:
    several = environment | {"SLURM_JOB_NUM_NODES": "2"}
    refused = submitted("zmq.sbatch", several)
    assert refused.returncode != 0 and "nemo-bridge keys" in refused.stderr
    options = called("zmq.sbatch", several | {"KEYS": "/keys"})
    assert options["endpoint"].startswith("tcp://") and options["endpoint"].endswith(":23456")
    assert str(options["keys"]) == "/keys"
