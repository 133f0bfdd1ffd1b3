"""Launching: command lines, environment, run directories."""

from pathlib import Path

import pytest

from bridge import launch
from bridge.errors import ConfigurationError
from bridge.launch import Job, Program


def test_command_line_has_one_part_per_program(tmp_path: Path) -> None:
    job = Job((Program(["server", "a b"]), Program(["model"], 3, tmp_path)))
    command = launch.mpirun_command(job)
    text = " ".join(command)
    assert text.index("-n 1 server a b") < text.index(": -n 3")
    assert command[command.index("-wdir") + 1] == str(tmp_path)
    assert "a b" in command, "arguments are not split at blanks"


def test_ranks_must_be_positive() -> None:
    with pytest.raises(ConfigurationError, match="at least 1, got 0"):
        launch.mpirun_command(Job((Program(["model"], 0),)))


def test_environment_leaves_the_job_it_was_started_in() -> None:
    environment = launch.mpi_environment(1, {"OMPI_COMM_WORLD_RANK": "3", "PMIX_RANK": "3", "HOME": "/h"})
    assert environment["HOME"] == "/h"
    assert not {"OMPI_COMM_WORLD_RANK", "PMIX_RANK"} & set(environment)


def test_oversubscribes_only_when_needed() -> None:
    cores = launch.physical_cores()
    assert "OMPI_MCA_rmaps_base_oversubscribe" not in launch.mpi_environment(cores, {})
    assert launch.mpi_environment(cores + 1, {})["OMPI_MCA_rmaps_base_oversubscribe"] == "1"


def test_the_users_own_settings_win() -> None:
    environment = launch.mpi_environment(1, {"OMPI_MCA_mpi_yield_when_idle": "0"})
    assert environment["OMPI_MCA_mpi_yield_when_idle"] == "0"


@pytest.mark.parametrize(
    ("environment", "inside"),
    [
        ({}, False),
        ({"OMPI_COMM_WORLD_SIZE": "1"}, False),
        ({"OMPI_COMM_WORLD_SIZE": "3"}, True),
        ({"PMI_SIZE": "2"}, True),
    ],
)
def test_a_rank_of_a_job_is_recognised(environment: dict[str, str], inside: bool) -> None:
    assert launch.inside_mpi_job(environment) is inside


def test_a_run_directory_must_be_a_folder_that_can_be_written(tmp_path: Path) -> None:
    assert launch.make_run_directory(tmp_path / "runs" / "one") == (tmp_path / "runs" / "one").resolve()
    (tmp_path / "file").write_text("a result")
    for wrong in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/runs")):
        with pytest.raises(ConfigurationError, match="cannot be a run directory"):
            launch.make_run_directory(wrong)
