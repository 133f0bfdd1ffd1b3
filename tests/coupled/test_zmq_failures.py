"""Over ZMQ too, whatever dies: both jobs end soon, with a non-zero exit code and a message that says who it was."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

OPEN = """
import sys
from bridge import Recording, errors
from bridge.session import Session
"""

#: seconds after which a peer without a sign of life is given up in these tests; a busy machine must not be too slow
PATIENCE = 6

# A run that takes minutes; "running" on standard output once it is under way.
LONG_RUN = (
    OPEN
    + """
with Session.over_zmq(sys.argv[2], timeout=60) as session:
    start = session.snapshot()
    print("running", flush=True)
    session.run({"namsw": {"rn_pause": 0.05}}, start, 10000, Recording(("zos",), 1))
"""
)
# A server that thinks while the model waits for a request.
IDLE = (
    OPEN
    + """
import time
with Session.over_zmq(sys.argv[2], timeout=60) as session:
    print("running", flush=True)
    time.sleep(600)
"""
)


def wait_until_running(server: subprocess.Popen[str]) -> None:
    """Return when the server says that it has a session."""
    assert server.stdout is not None
    for line in server.stdout:
        if "running" in line:
            time.sleep(0.3)
            return
    pytest.fail("the server ended before the run began")


@pytest.fixture
def after_a_blow(meet, processes):
    """`after_a_blow(script, victim, number)`: server and model, how they ended after the signal to the victim."""

    def happen(script: str, victim: str, number: signal.Signals, way: str = "tcp"):
        pair = meet(way, NEMO_BRIDGE_PATIENCE=str(PATIENCE))
        with pair.server(script) as server, pair.model(2) as model:
            wait_until_running(server)
            if victim == "server":
                target = server.pid
            else:
                target = model.pid if victim == "mpirun" else processes(model, "shallow_water")[-1]
            os.kill(target, number)
            struck = time.monotonic()
            jobs = [model, server] if victim == "server" else [server, model]
            ends = {job.pid: pair.jobs.ended(job) for job in jobs[: 1 if number == signal.SIGSTOP else 2]}
            seconds = time.monotonic() - struck
            if number == signal.SIGSTOP and victim == "server":
                os.kill(target, signal.SIGCONT)
            for job in jobs:
                if job.pid not in ends:
                    ends[job.pid] = pair.jobs.ended(job)
        return ends[server.pid], ends[model.pid], seconds

    return happen


@pytest.mark.parametrize("script", [LONG_RUN, IDLE], ids=["running", "idle"])
@pytest.mark.parametrize("way", ["ipc", "tcp"])
def test_killed_server_ends_the_model(after_a_blow, script: str, way: str) -> None:
    server, model, seconds = after_a_blow(script, "server", signal.SIGKILL, way)
    assert server.code == -signal.SIGKILL
    assert model.code != 0
    assert "has died" in model.output and ("tcp://" in model.output or "ipc://" in model.output)
    assert seconds < PATIENCE  # its process is known to be gone: no need to wait for a sign of life


@pytest.mark.parametrize("victim", ["one rank", "mpirun"])
def test_killed_model_ends_the_server(after_a_blow, victim: str) -> None:
    server, model, seconds = after_a_blow(LONG_RUN, victim, signal.SIGKILL)
    assert server.code == 1 and model.code != 0, server.output + model.output
    assert "ModelCrashed" in server.output and "of instance 0 (process" in server.output
    assert seconds < PATIENCE


def test_stopped_rank_is_given_up_and_named(after_a_blow) -> None:
    server, model, _ = after_a_blow(LONG_RUN, "one rank", signal.SIGSTOP)
    assert server.code == 1 and model.code != 0, server.output + model.output
    assert "PeerTimeout: no sign of life from rank 1 of 2 of instance 0" in server.output
    assert "its process is stopped" in server.output
    # The other rank waits in MPI for the stopped one and cannot listen: the server ended both.
    assert model.code == 128 + signal.SIGKILL


def test_stopped_server_is_given_up_and_learns_of_it(after_a_blow) -> None:
    server, model, _ = after_a_blow(LONG_RUN, "server", signal.SIGSTOP)
    assert server.code == 1 and model.code != 0, server.output + model.output
    assert "no sign of life from the server at tcp://" in model.output
    assert "ModelCrashed" in server.output


def test_crashed_model_raises_with_the_tail_of_its_log(meet) -> None:
    script = (
        OPEN
        + """
with Session.over_zmq(sys.argv[2], timeout=60) as session:
    session.run({"namsw": {"nn_crash": 5}}, session.snapshot(), 10, Recording(("zos",)))
"""
    )
    pair = meet("ipc")
    (pair.jobs.directory / "model.log").write_text("something that a user may want to know\n")
    server, model = pair.run(script)
    assert server.code == 1 and model.code != 0
    assert "ModelCrashed" in server.output and "something that a user may want to know" in server.output
    assert str(pair.jobs.directory) in server.output


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(
            "session.advance(10, Recording(()), meanwhile=lambda: 1 / 0)", "half-way", id="exchange"
        ),
        pytest.param("raise RuntimeError('on purpose')", "RuntimeError: on purpose", id="idle"),
    ],
)
def test_server_that_raises_tells_the_model_why(meet, body: str, reason: str) -> None:
    server, model = meet("ipc").run(f"{OPEN}session = Session.over_zmq(sys.argv[2], timeout=60)\n{body}\n")
    assert server.code == 1 and model.code != 0, server.output + model.output
    assert "the server gave up" in model.output and (reason in model.output or "ZeroDivision" in model.output)


def test_server_that_forgets_to_stop_does_not_leave_the_model_waiting(meet) -> None:
    script = f"{OPEN}session = Session.over_zmq(sys.argv[2], timeout=60)\nprint(session.get('zos').shape)\n"
    server, model = meet("ipc").run(script)
    assert server.code == 0 and model.code == 0, server.output + model.output
    assert "(16, 24)" in server.output


def test_silent_model_is_a_timeout(meet) -> None:
    script = (
        OPEN
        + """
with Session.over_zmq(sys.argv[2], timeout=60) as session:
    session._model.transport.timeout = 2
    session.run({"namsw": {"rn_pause": 60.0}}, session.snapshot(), 10, Recording(("zos",)))
"""
    )
    server, model = meet("tcp").run(script)
    assert server.code == 1 and model.code != 0, server.output + model.output
    assert "PeerTimeout: instance 0: waited 2 s in vain" in server.output


def test_registration_error_reaches_the_server(meet) -> None:
    script = f"{OPEN}Session.over_zmq(sys.argv[2], timeout=60)\n"
    server, model = meet("ipc").run(script, program="registry_model", arguments=("mistake",))
    assert server.code == 1 and model.code != 0
    assert "'now' is registered twice" in server.output
