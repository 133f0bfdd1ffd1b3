"""Before a job starts: are we in one already, and where does it run."""

from pathlib import Path

import pytest

from bridge import launch
from bridge.errors import ConfigurationError


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
