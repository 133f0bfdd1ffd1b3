"""Whatever dies, the job ends within seconds, with a non-zero exit code, and nothing stays behind."""

from __future__ import annotations

import sys

import pytest

OPEN = """
import sys
from bridge import Recording, errors
from bridge.session import Session
"""


def test_crashed_model_raises_in_the_server_and_fails_the_job(jobs) -> None:
    script = (
        OPEN
        + """
with Session.over_mpi(timeout=60) as session:
    try:
        session.run({"namsw": {"nn_crash": 5}}, session.snapshot(), 10, Recording(("zos",)))
    except errors.ModelCrashed as error:
        print("caught:", error, flush=True)
        raise
"""
    )
    ended = jobs.run(script)
    assert ended.code != 0
    assert "caught: " in ended.output and "process of the model died" in ended.output


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("    raise RuntimeError('on purpose')", id="idle"),
        pytest.param(
            "    session.advance(10, Recording(()), meanwhile=lambda: 1 / 0)",
            id="in the middle of an exchange",
        ),
        pytest.param("    sys.exit(3)", id="exit"),
    ],
)
def test_server_that_raises_fails_the_job(jobs, body: str) -> None:
    ended = jobs.run(OPEN + "with Session.over_mpi(timeout=60) as session:\n" + body + "\n")
    assert ended.code != 0, ended.output
    if "sys.exit" not in body:
        assert "on purpose" in ended.output or "ZeroDivisionError" in ended.output


def test_server_that_raises_outside_a_with_block_fails_the_job(jobs) -> None:
    ended = jobs.run(OPEN + "session = Session.over_mpi(timeout=60)\nraise RuntimeError('on purpose')\n")
    assert ended.code != 0
    assert "on purpose" in ended.output


def test_server_that_forgets_to_stop_does_not_leave_the_model_waiting(jobs) -> None:
    ended = jobs.run(OPEN + "session = Session.over_mpi(timeout=60)\nprint(session.get('zos').shape)\n")
    assert ended.code == 0, ended.output
    assert "(16, 24)" in ended.output


def test_silent_model_is_a_timeout(jobs) -> None:
    script = (
        OPEN
        + """
with Session.over_mpi(timeout=60) as session:
    session._model.transport.timeout = 2
    session.run({"namsw": {"rn_pause": 60.0}}, session.snapshot(), 10, Recording(("zos",)))
"""
    )
    ended = jobs.run(script)
    assert ended.code != 0
    assert "PeerTimeout: instance 1: waited 2 s in vain" in ended.output


def test_slow_model_that_reports_progress_is_no_timeout(jobs) -> None:
    # Nothing is recorded for 6 s, twice the time-out; heartbeats tell that the model is at work.
    script = (
        OPEN
        + """
with Session.over_mpi(timeout=60) as session:
    session._model.transport.timeout = 3
    print(session.run({"namsw": {"rn_pause": 0.3}}, session.snapshot(), 20, Recording(())).outcome.kind)
"""
    )
    ended = jobs.run(script)
    assert ended.code == 0, ended.output
    assert "COMPLETED" in ended.output


def test_job_without_a_model_is_refused(jobs) -> None:
    (jobs.directory / "alone.py").write_text(OPEN + "Session.over_mpi(timeout=60)\n")
    with jobs.launched([*jobs.mpirun, "-n", "1", sys.executable, "alone.py"]) as job:
        ended = jobs.ended(job)
    assert ended.code != 0
    assert "there is no model in this MPI job" in ended.output


def test_model_that_needs_a_server_does_not_run_alone(jobs) -> None:
    ended = jobs.run_alone(2, "shallow_water", ("5",), NEMO_BRIDGE_SERVER="required")
    assert ended.code != 0
    assert "no process of this MPI job is a server" in ended.output


def test_registration_error_reaches_the_server_and_fails_the_job(jobs) -> None:
    ended = jobs.run(
        OPEN + "Session.over_mpi(timeout=60)\n", program="registry_model", arguments=("mistake",)
    )
    assert ended.code != 0
    # Said by the server or by the model, whichever ends the job first.
    assert "'now' is registered twice" in ended.output


def test_two_instances_in_one_job(jobs) -> None:
    script = (
        OPEN
        + """
import numpy as np
sessions = Session.all_over_mpi(timeout=60)
record = Recording(("zos",), 5)
results = [s.run({}, s.snapshot(), 10, record).fields["zos"] for s in sessions]
print("instances", len(sessions), [s._model.transport.ranks for s in sessions])
print("equal", np.array_equal(*results))
for session in sessions:
    session.stop()
"""
    )
    command = jobs.command(script, 1, "shallow_water", ())
    with jobs.launched([*command, ":", "-n", "2", str(jobs.executable("shallow_water"))]) as job:
        ended = jobs.ended(job)
    assert ended.code == 0, ended.output
    assert "instances 2 [1, 2]" in ended.output and "equal True" in ended.output
