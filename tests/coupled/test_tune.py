"""`nemo-bridge tune` with a real model: both ways to start it, every way to kill it, and going on afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tuning_jobs import NAMELIST, TIMEOUT, Tuning

from bridge.guard import end_session, session_members
from bridge.ledger import Ledger


@dataclass(frozen=True)
class Ended:
    """How a job ended after a blow."""

    code: int
    seconds: float


def test_tune_starts_its_own_job_and_writes_the_report(reference: Tuning) -> None:
    report = reference.run / "report"
    content = json.loads((report / "report.json").read_text())
    assert content["cost"]["final"] < 0.5 * content["cost"]["initial"]
    assert content["model_runs"] <= 6
    assert content["parameters"]["namsbc_ssr/rn_dqdt"]["truth"] == -40.0
    assert (report / "report.html").is_file()
    assert "rn_ediff" in (report / "namelist_tuned").read_text().lower()


@pytest.mark.parametrize("ranks", [1, 3])
def test_tune_serves_the_users_own_job_with_the_same_result(
    reference: Tuning, tuning: Tuning, ranks: int
) -> None:
    assert tuning.call([*tuning.command, "--prepare-only"]).returncode == 0
    done = tuning.call(tuning.by_hand(ranks))
    assert done.returncode == 0, done.stdout + done.stderr
    # The model's bits do not depend on the number of ranks, so neither does the tuning.
    tuned = {name: item["tuned"] for name, item in tuning.parameters().items()}
    assert tuned == {name: item["tuned"] for name, item in reference.parameters().items()}


def test_a_second_start_without_resume_is_refused(reference: Tuning) -> None:
    done = reference.call(reference.command)
    assert done.returncode == 2 and "--resume" in done.stderr


@pytest.fixture
def busy(tuning: Tuning) -> Iterator[tuple[Tuning, subprocess.Popen]]:
    """A tuning job that has finished two runs and goes on."""
    job = subprocess.Popen(
        tuning.command,
        env=tuning.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    processes: dict[str, list[int]] = {}
    try:
        deadline = time.monotonic() + TIMEOUT
        while len(tuning.finished_runs()) < 2:
            assert job.poll() is None and time.monotonic() < deadline, "the job did not get going"
            time.sleep(0.02)
        processes.update(_processes(job.pid))
        yield tuning, job
    finally:
        for process in {*sum(processes.values(), []), job.pid}:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        end_session(job.pid)
        job.wait()


@pytest.mark.fault
@pytest.mark.parametrize("victim", ["nemo-bridge", "mpirun", "server", "model", "Ctrl-C"])
def test_a_killed_job_ends_with_a_message_and_resumes(
    reference: Tuning, busy: tuple[Tuning, subprocess.Popen], victim: str, fault
) -> None:
    tuning, job = busy
    processes = _processes(job.pid)
    everybody = sum(processes.values(), [])
    before = tuning.finished_runs()
    if victim == "Ctrl-C":
        os.kill(job.pid, signal.SIGINT)
    else:
        os.kill(processes[victim][0], signal.SIGKILL)
    struck = time.monotonic()
    output = job.communicate(timeout=40)[0]
    seconds = time.monotonic() - struck
    assert job.returncode != 0
    assert "nemo-bridge:" in output, "it ends with a message"
    deadline = time.monotonic() + 20
    while any(_alive(process) for process in everybody):
        assert time.monotonic() < deadline, "processes of the job were left behind"
        time.sleep(0.1)

    said = next(line for line in output.splitlines() if line.startswith("nemo-bridge: "))
    case = "Ctrl-C" if victim == "Ctrl-C" else f"{victim} killed (-9)"
    fault(f"`nemo-bridge tune`: {case}; resumed", "MPI", said, Ended(job.returncode, seconds))

    done = tuning.call([*tuning.command, "--resume"])
    assert done.returncode == 0, done.stdout + done.stderr
    after = tuning.finished_runs()
    assert after[: len(before)] == before, "no finished run was made again"
    assert {key for _, key, _ in after} == {key for _, key, _ in reference.finished_runs()}, (
        "none is stale or extra"
    )
    tuned = {name: item["tuned"] for name, item in tuning.parameters().items()}
    assert tuned == {name: item["tuned"] for name, item in reference.parameters().items()}


def test_a_model_started_with_another_namelist_is_refused(tuning: Tuning) -> None:
    assert tuning.call([*tuning.command, "--prepare-only"]).returncode == 0
    other = tuning.run / "model" / "namelist_cfg"
    other.write_text(NAMELIST + "&namzdf_tke\n rn_ebb = 50.\n/\n")
    done = tuning.call(tuning.by_hand(1))
    assert done.returncode == 2
    assert "rn_ebb: 50.0 in the model, 67.83 in the file" in done.stderr + done.stdout


def test_a_model_that_cannot_start_ends_the_job(tuning: Tuning) -> None:
    assert tuning.call([*tuning.command, "--prepare-only"]).returncode == 0
    (tuning.run / "model" / "namelist_cfg").write_text("&namcfg\n cn_cfg = 'nowhere'\n/\n")
    assert tuning.call(tuning.by_hand(2)).returncode != 0


def test_the_ledger_is_readable_while_the_job_runs(busy: tuple[Tuning, subprocess.Popen]) -> None:
    tuning, _ = busy
    with Ledger(tuning.run / "ledger", read_only=True) as ledger:
        assert len(ledger) >= 2


def _processes(watcher: int) -> dict[str, list[int]]:
    """Process ids by their part in the job that `watcher` started."""
    mpirun = [child for child in _children(watcher) if "-wdir" in _command_line(child)]
    ranks = [process for process in session_members(mpirun[0]) if process != mpirun[0]]
    model = [rank for rank in ranks if "toy_ocean" in _command_line(rank).split(" ")[0]]
    server = [rank for rank in ranks if "optim.cli" in _command_line(rank)]
    return {"nemo-bridge": [watcher], "mpirun": mpirun, "server": server, "model": model}


def _children(parent: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _command_line(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
