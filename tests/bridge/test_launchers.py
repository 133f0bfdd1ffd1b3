"""The command lines of each launcher."""

from pathlib import Path

import pytest

from bridge import launchers
from bridge.errors import ConfigurationError
from bridge.job import Job, Program, server_and_models
from bridge.launchers import Launcher, Mpich, OpenMpi, Srun
from bridge.surroundings import physical_cores

EXPORTED = "-x OMP_NUM_THREADS -x MALLOC_MMAP_THRESHOLD_ -x MALLOC_TRIM_THRESHOLD_ -x MALLOC_TOP_PAD_"
LAUNCHERS = [OpenMpi(4), OpenMpi(5), Mpich(), Srun(Path("srun.conf"))]


def words(launcher: Launcher, job: Job) -> str:
    return " ".join(launcher.command(job))


@pytest.fixture
def job() -> Job:
    """A server, and a model of three ranks in /run."""
    return Job((Program(["server", "file"]), Program(["model"], 3, Path("/run"))), {"NAME": "value"})


@pytest.fixture
def few_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "physical_cores", lambda: 2)


@pytest.mark.parametrize(
    ("launcher", "line"),
    [
        (
            OpenMpi(4),
            f"mpirun --bind-to none --oversubscribe -n 1 {EXPORTED} -x NAME server file "
            f": -n 3 {EXPORTED} -x NAME --wdir /run model",
        ),
        (
            OpenMpi(5),
            f"mpirun --bind-to none --map-by :OVERSUBSCRIBE -n 1 {EXPORTED} -x NAME server file "
            f": -n 3 {EXPORTED} -x NAME --wdir /run model",
        ),
        (Mpich(), "mpiexec -n 1 server file : -n 3 -wdir /run model"),
        (
            Srun(Path("srun.conf"), "pmi2"),
            "srun --ntasks 4 --mpi=pmi2 --kill-on-bad-exit=1 --cpu-bind=none --overlap --label "
            "--multi-prog srun.conf",
        ),
    ],
    ids=["open-mpi-4", "open-mpi-5", "mpich", "srun"],
)
def test_server_and_model_in_one_job(launcher: Launcher, line: str, job: Job, few_cores: None) -> None:
    assert words(launcher, job) == line


def test_open_mpi_takes_to_other_machines_what_the_user_has_set(job: Job, monkeypatch) -> None:
    monkeypatch.setenv("NEMO_BRIDGE_PATIENCE", "60")
    monkeypatch.setenv("NEMO_BRIDGE_LIBZMQ", "/lib/libzmq.so")
    monkeypatch.setenv("NEMO_BRIDGE_SPIN", "")
    line = words(OpenMpi(4), job)
    assert line.count("-x NEMO_BRIDGE_PATIENCE -x NEMO_BRIDGE_LIBZMQ -x NAME") == 2
    assert "NEMO_BRIDGE_SPIN" not in line


def test_srun_reads_the_programs_of_a_job_from_a_table(job: Job) -> None:
    srun = Srun(Path("srun.conf"))
    assert srun.files(job) == {
        Path("srun.conf"): "0 server file\n1-3 env -C /run NEMO_BRIDGE_INSTANCE=1 model\n"
    }


def test_srun_needs_no_table_for_one_program() -> None:
    alone = Job((Program(["model", "a b"], 3, Path("/run"), Path("/run/model.log")),))
    srun = Srun(Path("srun.conf"))
    assert srun.files(alone) == {}
    assert srun.command(alone)[-6:] == ["--chdir", "/run", "--output", "/run/model.log.%t", "model", "a b"]
    percent = Job((Program(["model"], 3, Path("/p%u"), Path("/p%u/model.log")),))
    assert srun.command(percent)[-5:] == ["--chdir", "/p%u", "--output", "/p%%u/model.log.%t", "model"]


@pytest.mark.parametrize("word", ["a b", "100%t", "it's", 'a"b', "a\\b", "a#b", ""])
def test_a_word_that_srun_would_read_differently_is_refused(word: str, job: Job) -> None:
    with pytest.raises(ConfigurationError, match="cannot be given"):
        Srun(Path("srun.conf")).files(Job((Program(["server", word]), *job.programs[1:])))


@pytest.mark.parametrize("launcher", LAUNCHERS, ids=str)
def test_ranks_must_be_positive(launcher: Launcher) -> None:
    with pytest.raises(ConfigurationError, match="at least 1, got 0"):
        launcher.command(Job((Program(["model"], 0),)))


def test_oversubscribes_only_when_needed() -> None:
    fits, too_many = (Job((Program(["model"], physical_cores() + more),)) for more in (0, 1))
    assert "--oversubscribe" not in OpenMpi(4).command(fits)
    assert "--oversubscribe" in OpenMpi(4).command(too_many)


def test_arguments_are_not_split_at_blanks() -> None:
    job = Job((Program(["model", "a b"]),))
    assert all("a b" in launcher.command(job) for launcher in LAUNCHERS)


def test_the_users_own_settings_win_but_not_over_the_job() -> None:
    user = {"OMPI_MCA_mpi_yield_when_idle": "0", "NEMO_BRIDGE_SERVER": ""}
    job = server_and_models(["server"], ["model"], 1, [Path("/run")])
    environment = launchers.environment_of(OpenMpi(4), job, user)
    assert environment["OMPI_MCA_mpi_yield_when_idle"] == "0"
    assert environment["NEMO_BRIDGE_SERVER"] == "required"


def test_environment_leaves_the_job_it_was_started_in() -> None:
    around = {"OMPI_COMM_WORLD_RANK": "3", "PMIX_RANK": "3", "HOME": "/h"}
    environment = launchers.environment_of(OpenMpi(4), Job(()), around)
    assert environment["HOME"] == "/h"
    assert not {"OMPI_COMM_WORLD_RANK", "PMIX_RANK"} & set(environment)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mpirun (Open MPI) 4.1.4\n\nReport bugs to", OpenMpi(4)),
        ("mpirun (Open MPI) 5.0.11\n\nReport bugs to", OpenMpi(5)),
        ("HYDRA build details:\n    Version:      4.0.2", Mpich()),
    ],
    ids=["open-mpi-4", "open-mpi-5", "mpich"],
)
def test_the_installed_launcher_is_told_by_its_version(
    text: str, expected: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "mpirun"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = launchers.installed()
    assert type(found) is type(expected)
    assert getattr(found, "version", None) == getattr(expected, "version", None)


def test_without_mpirun_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="apt-get install openmpi-bin"):
        launchers.installed()
