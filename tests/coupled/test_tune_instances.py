"""`nemo-bridge tune` over ZMQ, and with several instances: the same result, dead models replaced, resumed anywhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tuning_jobs import TIMEOUT, Tuning

from bridge.guard import end_session

TWO_OVER_ZMQ = ("--transport", "zmq", "--instances", "2")


def told(tuning: Tuning) -> dict:
    """What must not depend on how the runs were made."""
    report = json.loads((tuning.run / "report" / "report.json").read_text())
    return {name: report[name] for name in ("cost", "iterations", "model_runs", "parameters")}


def processes_of(tuning: Tuning) -> list[int]:
    """Living processes with the run directory in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            ended = line and (entry / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            continue
        if str(tuning.run).encode() in line and not ended:
            found.append(int(entry.name))
    return found


def assert_nothing_is_left(tuning: Tuning) -> None:
    deadline = time.monotonic() + 20
    while left := processes_of(tuning):
        assert time.monotonic() < deadline, f"processes {left} were left behind"
        time.sleep(0.1)


@contextmanager
def at_work(tuning: Tuning, *options: str, runs: int) -> Iterator[subprocess.Popen[str]]:
    """A tuning job that has finished so many runs and goes on."""
    job = subprocess.Popen(
        [*tuning.command, *options],
        env=tuning.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + TIMEOUT
        while len(tuning.finished_runs()) < runs:
            assert job.poll() is None and time.monotonic() < deadline, "the job did not get going"
            time.sleep(0.02)
        yield job
    finally:
        end_session(job.pid)
        job.wait()
        assert_nothing_is_left(tuning)


def launcher_of(tuning: Tuning, folder: str) -> int:
    """Process id of the mpirun of the instance in that folder."""
    for process in processes_of(tuning):
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        if b"mpirun" in words[0] and f"{tuning.run}/{folder}".encode() in words:
            return process
    raise AssertionError(f"no mpirun in {folder}")


def ranks_of(launcher: int) -> list[int]:
    """Process ids of the launcher's children."""
    return [int(word) for word in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()]


@pytest.mark.parametrize("options", [TWO_OVER_ZMQ, ("--instances", "2"), ("--transport", "zmq")])
def test_transport_and_number_of_instances_change_nothing(
    reference: Tuning, tuning: Tuning, options: tuple[str, ...]
) -> None:
    done = tuning.call([*tuning.command, *options])
    assert done.returncode == 0, done.stdout + done.stderr
    assert told(tuning) == told(reference)
    assert {key for _, key, _ in tuning.finished_runs()} == {key for _, key, _ in reference.finished_runs()}
    assert_nothing_is_left(tuning)


@pytest.mark.parametrize("victim", ["rank", "mpirun"])
def test_the_only_instance_over_zmq_is_started_again(reference: Tuning, tuning: Tuning, victim: str) -> None:
    with at_work(tuning, "--transport", "zmq", runs=1) as job:
        launcher = launcher_of(tuning, "model")
        os.kill(launcher if victim == "mpirun" else ranks_of(launcher)[0], signal.SIGKILL)
        output = job.communicate(timeout=TIMEOUT)[0]
    assert job.returncode == 0, output
    assert "lost instance 0: " in output and "run directory" in output
    assert "instance 0 was started again 1 time" in output
    assert told(tuning) == told(reference)


def test_the_death_of_one_instance_of_two_over_zmq_changes_nothing(reference: Tuning, tuning: Tuning) -> None:
    with at_work(tuning, *TWO_OVER_ZMQ, runs=1) as job:
        os.kill(ranks_of(launcher_of(tuning, "model-1"))[0], signal.SIGKILL)
        output = job.communicate(timeout=TIMEOUT)[0]
    assert job.returncode == 0, output
    assert "lost instance 1: " in output
    assert told(tuning) == told(reference)


def test_a_killed_server_leaves_nobody_and_its_runs_are_known_over_mpi(
    reference: Tuning, tuning: Tuning
) -> None:
    with at_work(tuning, *TWO_OVER_ZMQ, runs=2) as job:
        os.kill(job.pid, signal.SIGKILL)
        assert_nothing_is_left(tuning)
    before = tuning.finished_runs()
    done = tuning.call([*tuning.command, "--resume"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert tuning.finished_runs()[: len(before)] == before, "no finished run was made again"
    assert told(tuning) == told(reference)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_server_over_zmq_in_order(tuning: Tuning, number: signal.Signals) -> None:
    with at_work(tuning, "--transport", "zmq", runs=1) as job:
        os.kill(job.pid, number)
        output = job.communicate(timeout=TIMEOUT)[0]
    assert job.returncode == 128 + number
    assert f"stopped by {number.name}" in output


def test_the_printed_commands_start_server_and_models(reference: Tuning, tuning: Tuning) -> None:
    prepared = tuning.call([*tuning.command, *TWO_OVER_ZMQ, "--prepare-only"])
    assert prepared.returncode == 0, prepared.stderr
    server, *models = prepared.stdout.splitlines()
    assert len(models) == 2 and "--serve-only" in server
    lines = [*models, f"exec {server}"]
    jobs = [
        subprocess.Popen(line, shell=True, env=tuning.environment, start_new_session=True) for line in lines
    ]
    try:
        assert [job.wait(timeout=TIMEOUT) for job in jobs[:2]] == [0, 0]
        # Compose does so when the first container ends.
        os.kill(jobs[2].pid, signal.SIGTERM)
        assert (tuning.run / "report" / "report.html").exists(), (
            "the report is there before the models are let go"
        )
        assert jobs[2].wait(timeout=TIMEOUT) == 0
    finally:
        for job in jobs:
            end_session(job.pid)
    assert told(tuning) == told(reference)


def test_a_model_that_cannot_start_over_zmq_ends_the_job(tuning: Tuning) -> None:
    (tuning.folder / "namelist_cfg").write_text("&namcfg\n cn_cfg = 'nowhere'\n/\n")
    done = tuning.call([*tuning.command, *TWO_OVER_ZMQ])
    assert done.returncode == 4
    assert "the job of instance 0" in done.stderr and "it cannot be started" in done.stderr
    assert_nothing_is_left(tuning)
