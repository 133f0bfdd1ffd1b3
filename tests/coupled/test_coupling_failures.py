"""Whoever dies while a closure computes: both sides end soon, with a non-zero exit code, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

# "computing" on standard output when the closure has been called in the middle of a run; it then takes its time.
SCRIPT = """
import sys, time
from bridge import Coupling, Recording
from bridge.session import Session

def closure(step, fields):
    if step == 5:
        print("computing", flush=True)
        time.sleep(4)
    return {"utau": 0 * fields["zos"]}

endpoint = (sys.argv + ["mpi"])[2]
session = Session.over_mpi(timeout=60) if endpoint == "mpi" else Session.over_zmq(endpoint, timeout=60)
with session:
    coupling = Coupling(closure, ("zos",), ("utau",), lag=LAG)
    session.run({"namsw": {"rn_pause": 0.01}}, session.snapshot(), 100000, Recording(()), coupling)
"""


def wait_until_computing(job: subprocess.Popen[str]) -> None:
    """Return when the closure is at work."""
    assert job.stdout is not None
    for line in job.stdout:
        if "computing" in line:
            return
    pytest.fail("the job ended before the closure was called")


@pytest.mark.parametrize("victim", ["shallow_water", "server.py"])
@pytest.mark.parametrize("lag", [0, 1])
def test_over_mpi_the_job_ends(jobs, processes, lag: int, victim: str) -> None:
    with jobs.started(SCRIPT.replace("LAG", str(lag))) as job:
        wait_until_computing(job)
        os.kill(next(p for p in processes(job, victim) if "mpirun" not in name_of(p)), signal.SIGKILL)
        assert jobs.ended(job).code != 0


@pytest.mark.parametrize("victim", ["model", "server"])
@pytest.mark.parametrize("lag", [0, 1])
def test_over_zmq_both_jobs_end(meet, processes, lag: int, victim: str) -> None:
    pair = meet("ipc", NEMO_BRIDGE_PATIENCE="6")
    with pair.server(SCRIPT.replace("LAG", str(lag))) as server, pair.model(2) as model:
        wait_until_computing(server)
        os.kill(server.pid if victim == "server" else processes(model, "shallow_water")[-1], signal.SIGKILL)
        first, second = (model, server) if victim == "server" else (server, model)
        ends = {first.pid: pair.jobs.ended(first), second.pid: pair.jobs.ended(second)}
    assert all(end.code != 0 for end in ends.values()), ends
    if victim == "model":
        assert "ModelCrashed" in ends[server.pid].output
    else:
        assert "the server" in ends[model.pid].output and "died" in ends[model.pid].output


def name_of(process: int) -> str:
    """Name of its program."""
    with open(f"/proc/{process}/comm") as file:
        return file.read()
