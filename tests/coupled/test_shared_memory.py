"""Arrays in shared memory: the same bits, a clean end whoever dies, messages where it cannot be."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

SWITCH = "NEMO_BRIDGE_SHARED_MEMORY"

OPEN = """
import logging, os, sys
from pathlib import Path
import numpy as np
from bridge import Recording
from bridge.session import Session

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
folder, endpoint = Path(sys.argv[1]), (sys.argv + ["mpi"])[2]
def opened():
    return Session.over_mpi(timeout=60) if endpoint == "mpi" else Session.over_zmq(endpoint, timeout=60)
def way(session):
    return "memory" if session._model.routes.shared.with_rank(0) else "messages"
"""

# Fields of 400 x 300 cells: on each rank larger than what travels with the control.
TRAJECTORY = (
    OPEN
    + """
with opened() as session:
    print("way", way(session))
    rng = np.random.default_rng(3)
    wind, own = session.array("utau"), np.full((300, 400), 7.0)
    wind[...] = rng.normal(0, 0.1, (300, 400))
    session.set({"namsw/depth": 100 + rng.uniform(0, 20, (300, 400)), "utau": wind})
    run = session.run({}, session.snapshot(), 12, Recording(("zos", "ub", "vb", "ke", "steps_taken"), 3))
    session.get("zos", out=own)
    np.savez(folder / "out.npz", depth=session.get("namsw/depth"), own=own, **run.fields)
"""
)
MODEL = ("0", "400", "300")

# 17 MB to and fro for as long as anybody is there.
BUSY = (
    OPEN
    + """
with opened() as session:
    print("way", way(session))
    values = np.full((1200, 1800), 100.0)
    print("running", flush=True)
    while True:
        session.set({"namsw/depth": values})
        session.get("namsw/depth", out=values)
"""
)
LARGE = ("0", "1800", "1200")


@pytest.fixture(scope="module")
def plain(make_jobs, tmp_path_factory) -> dict[str, np.ndarray]:
    """The trajectory over MPI, in messages, on one rank."""
    directory = tmp_path_factory.mktemp("plain")
    jobs = make_jobs(directory)
    with jobs.launched(jobs.command(TRAJECTORY, 1, "shallow_water", MODEL), {SWITCH: "off"}) as job:
        ended = jobs.ended(job)
    assert ended.code == 0 and "way messages" in ended.output, ended.output
    return dict(np.load(directory / "out.npz"))


@pytest.fixture
def coupled(meet, jobs) -> Callable[..., str]:
    """`coupled(way, script, ranks, program, arguments, **environment)`: run both programs to a good end; the output."""

    def run(way, script, ranks=2, program="shallow_water", arguments=(), model=None, **environment):
        if way == "mpi":
            with jobs.launched(jobs.command(script, ranks, program, arguments), environment) as job:
                ends = [jobs.ended(job)]
        else:
            pair = meet(way, **environment)
            with (
                pair.server(script) as one,
                pair.model(ranks, program, arguments, **(model or {})) as other,
            ):
                ends = [pair.jobs.ended(one), pair.jobs.ended(other)]
        output = "".join(end.output for end in ends)
        assert [end.code for end in ends] == [0] * len(ends), output
        return output

    return run


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize(
    ("way", "switch", "used"),
    [
        ("mpi", "auto", "memory"),
        ("mpi", "off", "messages"),
        ("ipc", "auto", "memory"),
        ("ipc", "off", "messages"),
        ("tcp", "on", "memory"),
    ],
)
def test_trajectories_are_the_same_bits(
    coupled, plain, tmp_path: Path, way: str, switch: str, used: str, ranks: int
) -> None:
    output = coupled(way, TRAJECTORY, ranks, arguments=MODEL, **{SWITCH: switch})
    assert f"way {used}" in output
    results = dict(np.load(tmp_path / "out.npz"))
    assert results.keys() == plain.keys()
    for name, values in plain.items():
        assert np.array_equal(results[name], values), name


@pytest.mark.parametrize(
    ("model", "trouble", "reason"),
    [
        ({SWITCH: "off"}, "", f"2 of 2 ranks share no memory: {SWITCH}=off"),
        ({}, "del os.memfd_create", "no shared memory"),
        ({}, "os.getpid = lambda: 999999999", "/proc/999999999/fd"),
    ],
    ids=["the model will not", "the system has none", "the file cannot be opened"],
)
def test_where_memory_cannot_be_shared_values_travel(
    coupled, plain, tmp_path: Path, model: dict, trouble: str, reason: str
) -> None:
    script = TRAJECTORY.replace("with opened()", f"{trouble}\nwith opened()")
    output = coupled("ipc", script, 2, arguments=MODEL, model=model)
    assert reason in output and "way messages" in output
    assert np.array_equal(np.load(tmp_path / "out.npz")["zos"], plain["zos"])


MANY = (
    OPEN
    + """
from bridge.wire_field import WireField
with opened() as session:
    depth = WireField(session.registration.entry("namsw/depth"))
    grav = WireField(session.registration.entry("namsw/rn_grav"))
    session._model.put([(depth, np.full((1200, 1800), 7.0)), *[(grav, np.array(9.0))] * 100])
    session._model.put([(depth, np.full((1200, 1800), float(value))) for value in range(40)])
    session._model.put([(grav, np.array(float(value))) for value in range(200)])
    print("last", session.get("namsw/depth").max(), session.get("namsw/rn_grav"))
"""
)


@pytest.mark.parametrize("switch", ["auto", "off"])
def test_more_can_be_set_at_once_than_may_be_on_its_way(coupled, switch: str) -> None:
    output = coupled("ipc", MANY, 2, arguments=LARGE, **{SWITCH: switch})
    assert "last 39.0 199.0" in output


@pytest.mark.parametrize(
    "place",
    [
        "at - 2**40, r, row, level",
        "at + 2**44, r, row, level",
        "at + 2, r, row, level",
        "at, -r, row, level",
        "at, 2**60, row, level",
        "at, r, row // 2, level",
        "at, r, row, level // 2",
        "at, r, -row, level",
        "at, r, row, -level",
        "at, r, 2**31 - 4, 2**31 - 4",
    ],
)
def test_the_model_refuses_places_that_do_not_fit(meet, place: str) -> None:
    liar = f"""
from bridge.shared_memory import Place, Sharing
def wrong(sharing, *rest, true=Sharing.place):
    at, r, row, level = true(sharing, *rest)
    return Place({place})
Sharing.place = wrong
"""
    script = OPEN.replace("def opened", f"{liar}\ndef opened") + (
        "with opened() as session:\n    session.run({}, session.snapshot(), 4, Recording(('zos',), 2))\n"
    )
    pair = meet("ipc", NEMO_BRIDGE_PATIENCE="6")
    with pair.server(script) as server, pair.model(1, arguments=MODEL) as model:
        ends = pair.jobs.ended(server), pair.jobs.ended(model)
    assert all(end.code != 0 for end in ends), ends
    assert "named a place in shared memory that does not fit its field" in ends[1].output


@pytest.mark.parametrize("way", ["mpi", "ipc"])
@pytest.mark.parametrize("victim", ["server.py", "shallow_water"])
def test_a_death_in_the_middle_of_a_transfer_ends_both_sides(
    meet, jobs, processes, way: str, victim: str
) -> None:
    settings = {SWITCH: "on", "NEMO_BRIDGE_PATIENCE": "6"}
    pair = meet("ipc", **settings)
    if way == "mpi":
        with jobs.launched(jobs.command(BUSY, 2, "shallow_water", LARGE), settings) as job:
            _wait_until_running(job)
            _strike(processes(job, victim), victim)
            ends = [jobs.ended(job)]
    else:
        with pair.server(BUSY) as server, pair.model(2, arguments=LARGE) as model:
            _wait_until_running(server)
            _strike([server.pid] if victim == "server.py" else processes(model, victim), victim)
            ends = [jobs.ended(server), jobs.ended(model)]
    assert all(end.code != 0 for end in ends), ends


def _wait_until_running(job: subprocess.Popen[str]) -> None:
    assert job.stdout is not None
    said = ""
    for line in job.stdout:
        said += line
        if "running" in line:
            time.sleep(1.0)
            return
    pytest.fail(f"the server ended before anything was exchanged:\n{said}")


def _strike(found: list[int], victim: str) -> None:
    """Kill the last of these that is not the launcher, whose command line has the same words."""
    targets = [process for process in found if Path(f"/proc/{process}/comm").read_text().strip() != "mpirun"]
    assert targets, f"no process {victim}"
    os.kill(targets[-1], signal.SIGKILL)
