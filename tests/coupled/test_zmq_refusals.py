"""Who may not talk over ZMQ is told why, and does not disturb those who may."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

OPEN = """
import sys
from pathlib import Path
from bridge import Recording
from bridge.session import Session
folder, endpoint = Path(sys.argv[1]), sys.argv[2]
"""
ONE_RUN = (
    OPEN
    + """
print("listening", flush=True)
with Session.over_zmq(endpoint, timeout=60) as session:
    print("step", session.advance(3, Recording(())).outcome.step)
"""
)


def make_keys(directory: Path) -> Path:
    command = [sys.executable, "-m", "optim.cli", "keys", str(directory)]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=True)
    assert len(done.stdout.splitlines()) == 4
    return directory


@pytest.mark.fault
@pytest.mark.parametrize("way", ["ipc", "tcp"])
def test_second_server_at_an_endpoint_is_refused(meet, fault, way: str) -> None:
    pair = meet(way)
    with pair.server(ONE_RUN) as first:
        assert first.stdout is not None and "listening" in first.stdout.readline()
        time.sleep(1.0)  # it says so before it does so
        with pair.server(ONE_RUN) as second:
            refused = pair.jobs.ended(second)
        with pair.model() as model:
            ends = [pair.jobs.ended(first), pair.jobs.ended(model)]
    assert refused.code == 1
    assert f"{pair.endpoint} is in use: another server listens there" in refused.output
    assert [end.code for end in ends] == [0, 0] and "step 3" in ends[0].output
    fault(f"two servers ({way}); the first goes on", "ZMQ", refused.output.splitlines()[-1], refused)


def test_second_model_with_the_same_label_is_refused(meet) -> None:
    script = (
        OPEN
        + """
import time
with Session.over_zmq(endpoint, timeout=60) as session:
    print("running", flush=True)
    while not (folder / "enough").exists():
        session.advance(1, Recording(()))
        time.sleep(0.05)
"""
    )
    pair = meet("tcp")
    with pair.server(script) as server, pair.model(2) as model:
        assert server.stdout is not None and "running" in server.stdout.readline()
        with pair.model(2) as other:
            refused = pair.jobs.ended(other)
        (pair.jobs.directory / "enough").touch()
        ends = [pair.jobs.ended(server), pair.jobs.ended(model)]
    assert refused.code != 0
    assert "instance 0 is here already" in refused.output and "NEMO_BRIDGE_INSTANCE" in refused.output
    assert [end.code for end in ends] == [0, 0], ends


def test_only_models_with_known_keys_come_in(meet, tmp_path: Path) -> None:
    ours, others = make_keys(tmp_path / "ours"), make_keys(tmp_path / "others")
    (others / "server.public").write_text((ours / "server.public").read_text())  # known to all
    pair = meet("tcp")
    with pair.server(ONE_RUN, NEMO_BRIDGE_KEYS=str(ours)) as server:
        ends = []
        for keys in ("", str(others), str(ours)):
            with pair.model(1, NEMO_BRIDGE_KEYS=keys) as model:
                ends.append(pair.jobs.ended(model))
        served = pair.jobs.ended(server)
    assert served.code == 0 and "step 3" in served.output
    keyless, unknown, known = ends
    assert keyless.code != 0 and "only one of this model and the server" in keyless.output
    assert unknown.code != 0 and "refused our key" in unknown.output
    assert known.code == 0, known.output
    # Both refusals are in the server's log.
    assert "it has no key, or a server.public that is not ours" in served.output
    assert f"its public key {(others / 'model.public').read_text().strip()} is not among" in served.output


def test_beyond_this_machine_both_sides_want_keys(meet, jobs) -> None:
    pair = meet("tcp")
    pair.endpoint = "tcp://192.0.2.1:5555"
    with pair.server(ONE_RUN) as server, pair.model(1) as model:
        ends = [pair.jobs.ended(server), pair.jobs.ended(model)]
    for end in ends:
        assert end.code != 0 and "nemo-bridge keys" in end.output and "192.0.2.1" in end.output
    with pair.model(1, NEMO_BRIDGE_KEYS=str(jobs.directory / "nowhere")) as model:
        ended = pair.jobs.ended(model)
    assert ended.code != 0 and "nowhere/server.public is missing" in ended.output


def test_model_without_libzmq_says_what_to_install(meet) -> None:
    pair = meet("ipc")
    with pair.model(1, NEMO_BRIDGE_LIBZMQ="/nowhere/libzmq.so") as model:
        ended = pair.jobs.ended(model)
    assert ended.code != 0 and "apt-get install libzmq5" in ended.output


def test_server_that_nobody_meets_says_so(meet) -> None:
    pair = meet("ipc")
    with pair.server(f"{OPEN}Session.over_zmq(endpoint, timeout=1)\n") as server:
        ended = pair.jobs.ended(server)
    assert ended.code == 1 and "waited 1 s in vain for a model at ipc://" in ended.output
    assert "A model that has ended says why in its own output" in ended.output


def test_instance_that_waits_in_vain_for_the_others_is_told(meet) -> None:
    pair = meet("ipc")
    script = OPEN + "from bridge.ensemble import Ensemble\nEnsemble.over_zmq(endpoint, 2, first_timeout=3)\n"
    with pair.server(script) as server, pair.model(1) as model:
        ends = [pair.jobs.ended(job) for job in (server, model)]
    assert [end.code for end in ends] == [1, 1], ends
    assert "waited 3 s in vain" in ends[0].output and "Exception ignored" not in ends[0].output
    assert "the server ended before the run began: waited 3 s" in ends[1].output
