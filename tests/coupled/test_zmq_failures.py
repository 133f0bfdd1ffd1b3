"""Over ZMQ too, whatever dies: both jobs end soon, with a non-zero exit code and a message that says who it was."""

from __future__ import annotations

import pytest

OPEN = """
import sys
from bridge import Recording, errors
from bridge.session import Session
"""


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
            "with session:\n    raise RuntimeError('on purpose')", "RuntimeError: on purpose", id="with"
        ),
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
