"""The lines that start a job do what they should in a real shell, with small programs in the places of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bridge import launch_script, launchers
from bridge.job import Job, Program
from bridge.launchers import Launcher, Srun

TIMEOUT = 60
PATIENT_SERVER = ["sh", "-c", "trap 'kill $!; exit 7' TERM; sleep 100 & wait"]


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The script in a shell that ends at the first error."""
    return subprocess.run(
        ["sh", "-ec", script], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


def saying(text: str) -> list[str]:
    return [sys.executable, "-c", f"import os; print({text}, flush=True)"]


@pytest.fixture
def mpirun() -> Launcher:
    return launchers.installed()


def test_one_job_runs_where_and_with_what_it_should(mpirun: Launcher, tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    variables = "os.environ['NAME'], os.environ['OMP_NUM_THREADS'], os.getcwd()"
    programs = (Program(saying(variables)), Program(saying(variables), 2, folder, folder / "log"))
    script = launch_script.mpi_script(mpirun, Job(programs, {"NAME": "1 : 2"}), ["mkdir", str(folder)])
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"1 : 2 1 {tmp_path}\n"
    for rank in (1, 2):
        assert (folder / f"log.{rank}").read_text() == f"1 : 2 1 {folder}\n"


def test_nothing_starts_when_the_run_directory_cannot_be_filled(mpirun: Launcher, tmp_path: Path) -> None:
    script = launch_script.mpi_script(mpirun, Job((Program(["touch", "started"]),)), ["false"])
    assert run(script, tmp_path).returncode == 1
    assert not (tmp_path / "started").exists()


def over_zmq(mpirun: Launcher, server: list[str], *models: list[str]) -> str:
    jobs = [Job((Program(model),), {"NEMO_BRIDGE_INSTANCE": str(n)}) for n, model in enumerate(models)]
    return launch_script.zmq_script(mpirun, server, jobs, ["true"])


@pytest.mark.parametrize("code", [0, 4])
@pytest.mark.parametrize("model", ["true", "false"])
def test_over_zmq_the_exit_code_is_the_servers(
    mpirun: Launcher, code: int, model: str, tmp_path: Path
) -> None:
    script = over_zmq(mpirun, ["sh", "-c", f"sleep 1; exit {code}"], [model])
    assert run(script, tmp_path).returncode == code


def test_a_server_whose_models_all_failed_is_told_to_end(
    mpirun: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_script, "_LAST_WORD", 1)
    assert run(over_zmq(mpirun, PATIENT_SERVER, ["false"], ["false"]), tmp_path).returncode == 7


def test_a_server_with_a_model_left_goes_on(
    mpirun: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_script, "_LAST_WORD", 1)
    script = over_zmq(mpirun, ["sh", "-c", "sleep 4; exit 0"], ["false"], ["sleep", "3"])
    assert run(script, tmp_path).returncode == 0


def test_each_instance_has_its_own_label(mpirun: Launcher, tmp_path: Path) -> None:
    label = saying("'label', os.environ['NEMO_BRIDGE_INSTANCE']")
    done = run(over_zmq(mpirun, ["true"], label, label), tmp_path)
    assert sorted(done.stdout.splitlines()) == ["label 0", "label 1"], done.stderr


def test_the_table_of_srun_is_written_before_it_is_read(tmp_path: Path) -> None:
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/sh\nfor last; do :; done\ncat "$last"\n')
    srun.chmod(0o755)
    launcher = Srun(tmp_path / "table")
    job = Job((Program(["server"]), Program(["model"], 2, tmp_path)))
    script = f"PATH={tmp_path}:$PATH\n{launch_script.mpi_script(launcher, job, ['true'])}"
    done = run(script, tmp_path)
    assert done.stdout == launcher.files(job)[tmp_path / "table"], done.stderr


def test_over_zmq_srun_gives_the_server_a_step_of_its_own() -> None:
    script = launch_script.zmq_script(Srun(Path("table")), ["server"], [Job((Program(["model"]),))], ["true"])
    steps = [line.split(" & ")[0] for line in script.splitlines() if "srun" in line]
    assert [step.split()[-1] for step in steps] == ["server", "model"]
    assert "--mpi=none" in steps[0] and "--mpi=pmix" in steps[1]
    assert all("--overlap" in step for step in steps)
