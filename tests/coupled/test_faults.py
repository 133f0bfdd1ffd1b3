"""Every fault, over MPI and over ZMQ: both sides end soon, with a message that names the instance and its log.

`scripts/fault_table.py` runs these tests and writes what they record into docs/faults.md.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from bridge.ledger import Ledger

pytestmark = pytest.mark.fault
WAYS = ["MPI", "ZMQ"]
#: s without a sign of life after which a peer is given up here; a busy machine must not be too slow
PATIENCE = 6

OPEN = """
import sys
from pathlib import Path
import numpy as np
from bridge import Recording, errors
from bridge.ledger import Ledger
from bridge.session import Session
folder, endpoint = Path(sys.argv[1]), (sys.argv + ["mpi"])[2]

def opened():
    return Session.over_mpi(timeout=60) if endpoint == "mpi" else Session.over_zmq(endpoint, timeout=60)
"""
#: takes minutes; "running" on standard output once it is under way
COMPUTING = (
    OPEN
    + """
with opened() as session:
    start = session.snapshot()
    session.run({"namsw": {"rn_pause": 0.02}}, start, 10, Recording(("zos",)))
    print("running", flush=True)
    session.run({"namsw": {"rn_pause": 0.05}}, start, 10000, Recording(("zos",)))
"""
)
#: the server thinks while the model waits for a request
IDLE = (
    OPEN
    + """
import time
with opened() as session:
    print("running", flush=True)
    time.sleep(600)
"""
)
#: large fields on their way to and fro, all the time
TRANSFERRING = (
    OPEN
    + """
with opened() as session:
    field = session.get("namsw/depth")
    print("running", flush=True)
    while True:
        session.set({"namsw/depth": field})
        session.get("namsw/depth", out=field)
"""
)
LARGE = ("0", "1200", "1000")
SCRIPTS = {"computing": (COMPUTING, ()), "idle": (IDLE, ()), "transferring": (TRANSFERRING, LARGE)}


@dataclass(frozen=True)
class Struck:
    """How server and model ended; over MPI they are one job."""

    server: int
    model: int
    output: str
    seconds: float

    def line_with(self, text: str) -> str:
        """The line of the output that holds `text`, without the names of exceptions' modules."""
        assert text in self.output, self.output
        lines = [line for line in self.output.splitlines() if text in line]
        said = next(
            (line for line in lines if not line.startswith(" ")), lines[0]
        )  # not the source in a traceback
        return said.removeprefix("bridge.errors.").strip()


class Pair:
    """A server and a model on two ranks, one MPI job or two jobs that meet over ZMQ."""

    def __init__(self, way: str, meet, jobs, processes, **environment: str) -> None:
        self.way, self.jobs, self.processes = way, jobs, processes
        self.separate = None if way == "MPI" else meet("tcp", **environment)
        self.environment = environment

    @contextmanager
    def running(
        self, script: str, program: str = "shallow_water", arguments: tuple[str, ...] = ()
    ) -> Iterator[Pair]:
        """Both started; nothing survives the block."""
        with ExitStack() as stack:
            if self.separate is None:
                command = self.jobs.command(script, 2, program, arguments)
                self.server = self.model = stack.enter_context(self.jobs.launched(command, self.environment))
            else:
                self.server = stack.enter_context(self.separate.server(script))
                self.model = stack.enter_context(self.separate.model(2, program, arguments))
            yield self

    def wait_until_running(self) -> None:
        """Return a moment after the server has said so."""
        assert self.server.stdout is not None
        for line in self.server.stdout:
            if "running" in line:
                time.sleep(0.4)
                return
        pytest.fail("the server ended before the run began")

    def victims(self, who: str) -> list[int]:
        """Process ids of the server, mpirun, one rank or all ranks of the model."""
        if who == "mpirun":
            return [self.model.pid]
        if who == "server":
            return self.processes(self.server, "server.py") if self.separate is None else [self.server.pid]
        ranks = self.processes(self.model, "shallow_water")
        return ranks if who == "model" else ranks[-1:]

    def ended(self, first: str = "server") -> Struck:
        """Wait for the ends of both; the seconds are those of `first`."""
        struck = time.monotonic()
        if self.separate is None:
            end = self.jobs.ended(self.server)
            return Struck(end.code, end.code, end.output, time.monotonic() - struck)
        jobs = [self.server, self.model] if first == "server" else [self.model, self.server]
        ends = {job.pid: self.jobs.ended(job) for job in jobs}
        server, model = ends[self.server.pid], ends[self.model.pid]
        return Struck(server.code, model.code, server.output + model.output, time.monotonic() - struck)


@pytest.fixture
def make_pair(meet, jobs, processes):
    """`make_pair("ZMQ", NAME="value")`: a server and a model that are not started yet."""
    return lambda way, **environment: Pair(way, meet, jobs, processes, **environment)


def blow(victims: list[int], number: signal.Signals) -> None:
    for process in victims:
        os.kill(process, number)


#: what is said of a victim: over MPI, over ZMQ. With mpirun the output of its ranks is gone: `nemo-bridge tune` tells.
DEATHS = {
    "server": ("exited on signal 9", "has died"),
    "model": ("of instance 1 (process", "of instance 0 (process"),
    "one rank": ("of instance 1 (process", "of instance 0 (process"),
    "mpirun": ("", "of instance 0 (process"),
}


@pytest.mark.parametrize(
    ("victim", "activity"),
    [
        ("server", "computing"),
        ("server", "idle"),
        ("server", "transferring"),
        ("model", "computing"),
        ("one rank", "computing"),
        ("one rank", "transferring"),
        ("mpirun", "computing"),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_killed_process_ends_everybody(make_pair, fault, way: str, victim: str, activity: str) -> None:
    pair = make_pair(way, NEMO_BRIDGE_PATIENCE=str(PATIENCE))
    script, arguments = SCRIPTS[activity]
    (pair.jobs.directory / "model.log").write_text("something that a user may want to know\n")
    with pair.running(script, arguments=arguments):
        pair.wait_until_running()
        blow(pair.victims(victim), signal.SIGKILL)
        struck = pair.ended("model" if victim == "server" else "server")
    assert struck.server != 0 and struck.model != 0, struck
    said = struck.line_with(clue) if (clue := DEATHS[victim][WAYS.index(way)]) else ""
    if victim in ("model", "one rank"):
        assert "something that a user may want to know" in struck.output
        assert str(pair.jobs.directory) in struck.output
    fault(f"{victim} killed (-9), {activity}", way, said, struck)


@pytest.mark.parametrize("way", WAYS)
def test_stopped_rank_is_given_up_and_named(make_pair, fault, way: str) -> None:
    pair = make_pair(way, NEMO_BRIDGE_PATIENCE=str(PATIENCE))
    with pair.running(COMPUTING):
        pair.wait_until_running()
        blow(pair.victims("one rank"), signal.SIGSTOP)
        struck = pair.ended()
    assert struck.server == 1 and struck.model != 0, struck
    said = struck.line_with("PeerTimeout: no sign of life from rank ")
    assert f"of 2 of instance {1 if way == 'MPI' else 0} (process" in said and "is stopped" in said
    assert str(pair.jobs.directory) in struck.output
    fault(f"model hangs (SIGSTOP), given up after a patience of {PATIENCE} s", way, said, struck)


def test_stopped_server_is_given_up_and_learns_of_it(make_pair, fault) -> None:
    pair = make_pair("ZMQ", NEMO_BRIDGE_PATIENCE=str(PATIENCE))
    with pair.running(COMPUTING):
        pair.wait_until_running()
        blow(pair.victims("server"), signal.SIGSTOP)
        struck_at = time.monotonic()
        model = pair.jobs.ended(pair.model)
        seconds = time.monotonic() - struck_at
        blow(pair.victims("server"), signal.SIGCONT)
        server = pair.jobs.ended(pair.server)
    assert server.code == 1 and model.code != 0, server.output + model.output
    assert "ModelCrashed" in server.output
    struck = Struck(server.code, model.code, model.output, seconds)
    said = struck.line_with("no sign of life from the server at tcp://")
    fault(f"server hangs (SIGSTOP), computing; half a patience of {PATIENCE} s", "ZMQ", said, struck)


def test_stopped_server_of_an_idle_model_ends_the_job(make_pair, fault) -> None:
    pair = make_pair("MPI", NEMO_BRIDGE_PATIENCE=str(PATIENCE))
    with pair.running(IDLE):
        pair.wait_until_running()
        blow(pair.processes(pair.server, "server.py"), signal.SIGSTOP)
        struck = pair.ended()
    assert struck.server != 0
    said = struck.line_with("no sign of life from the server: its process is stopped")
    fault(f"server hangs (SIGSTOP), the model waits; a patience of {PATIENCE} s", "MPI", said, struck)


@pytest.mark.parametrize("way", WAYS)
def test_ranks_that_do_not_agree_are_refused(make_pair, fault, way: str) -> None:
    pair = make_pair(way)
    with pair.running(OPEN + "opened()\n", "registry_model", ("overlap",)):
        struck = pair.ended()
    assert struck.server == 1 and struck.model != 0, struck
    said = struck.line_with("ProtocolError: cell (j, i) = (0, 0) belongs to 2 ranks")
    fault("wrong grid: ranks that do not agree", way, said, struck)


@pytest.mark.parametrize("way", WAYS)
def test_other_protocol_version_is_refused_on_both_sides(make_pair, fault, way: str) -> None:
    module = "mpi_transport" if way == "MPI" else "envelope"
    pair = make_pair(way)
    with pair.running(f"import bridge.transport.{module} as t\nt.VERSION = 99\n{OPEN}opened()\n"):
        struck = pair.ended()
    assert struck.server == 1 and struck.model != 0, struck
    said = struck.line_with("speaks protocol version")
    assert "99" in said and "rebuild the model" in struck.output
    fault("wrong protocol version", way, said, struck)


def test_two_servers_in_one_job_are_refused(jobs, fault) -> None:
    command = jobs.command(OPEN + "opened()\n", 1, "shallow_water", ())
    server = command[command.index("-n") : command.index(":")]
    with jobs.launched([*command, ":", *server]) as job:
        ended = jobs.ended(job)
    struck = Struck(ended.code, ended.code, ended.output, ended.seconds)
    said = struck.line_with("more than one process of the")
    assert ended.code != 0
    fault("two servers", "MPI", said, struck)


@pytest.mark.parametrize("way", WAYS)
def test_full_disk_under_the_ledger_loses_no_finished_run(make_pair, small_disk, fault, way: str) -> None:
    disk = small_disk("1m")
    script = (
        OPEN
        + f"""
with opened() as session, Ledger(Path({str(disk)!r})) as ledger:
    start = session.snapshot()
    for number in range(1000):
        run = session.run({{"namsw": {{"rn_drag": 1e-6 * number}}}}, start, 10, Recording(("zos", "ub")))
        ledger.store(f"run {{number}}", run)
        print("finished", number, flush=True)
"""
    )
    pair = make_pair(way)
    with pair.running(script):
        struck = pair.ended()
    assert struck.server != 0 and struck.model != 0, struck
    said = struck.line_with("disk is full")
    finished = struck.output.count("finished ")
    with Ledger(disk, read_only=True) as ledger:
        kept = {record.key for record in ledger.records()}
    assert finished > 2 and kept >= {f"run {number}" for number in range(finished)}
    fault("disk full in the run directory", way, said, struck)


@pytest.mark.parametrize("way", WAYS)
def test_full_disk_under_a_snapshot_is_named(make_pair, small_disk, fault, way: str) -> None:
    disk = small_disk("8k")
    script = f"{OPEN}with opened() as session: session.save(session.snapshot(), {str(disk / 'start')!r})\n"
    pair = make_pair(way)
    with pair.running(script):
        struck = pair.ended()
    assert struck.server != 0 and struck.model != 0, struck
    said = struck.line_with("RequestRefused: rank ")
    assert str(disk / "start") in said and "no space left" in said.lower()
    assert not list(disk.glob("*.part"))
    fault("disk full for a snapshot that the model saves", way, said, struck)


@pytest.mark.parametrize("way", WAYS)
def test_nan_in_a_field_is_the_outcome_of_its_run(make_pair, fault, way: str) -> None:
    script = (
        OPEN
        + """
with opened() as session:
    start = session.snapshot()
    field = session.get("zos")
    field[3, 4] = np.nan
    session.set({"zos": field})
    run = session.advance(10, Recording(("zos",)))
    print("outcome:", run.outcome.kind.value, "-", run.outcome.message)
    print("afterwards:", session.run({}, start, 10, Recording(("zos",))).outcome.kind.value)
"""
    )
    pair = make_pair(way)
    with pair.running(script):
        struck = pair.ended()
    if struck.server == 0:
        said = struck.line_with("outcome: blew up - the model blew up at step 1")
        assert "afterwards: completed" in struck.output and struck.model == 0
    else:  # a build that traps invalid operations ends at the first one
        said = struck.line_with("SIGFPE")
        assert struck.model != 0
    fault("NaN in a field", way, said, struck)


@pytest.mark.parametrize("moment", ["start-up", "computing", "transferring"])
@pytest.mark.parametrize(("way", "whom"), [("MPI", "job"), ("ZMQ", "server"), ("ZMQ", "model")])
def test_interrupt_ends_both_sides(make_pair, fault, way: str, whom: str, moment: str) -> None:
    pair = make_pair(way, NEMO_BRIDGE_PATIENCE=str(PATIENCE))
    script, arguments = SCRIPTS.get(moment, SCRIPTS["computing"])
    with pair.running(script, arguments=arguments):
        if moment == "start-up":
            time.sleep(0.3)  # python imports, MPI initialises
        else:
            pair.wait_until_running()
        os.kill(pair.model.pid if whom == "model" else pair.server.pid, signal.SIGINT)
        if moment == "start-up" and way == "ZMQ":
            # The other side has met nobody: it goes on waiting for a partner, and is interrupted in its turn.
            os.kill(pair.server.pid if whom == "model" else pair.model.pid, signal.SIGINT)
        struck = pair.ended()
    assert struck.server != 0 and struck.model != 0, struck
    # An interrupted mpirun does not always pass on what its ranks still say.
    if moment == "start-up" or (whom == "job" and "ModelCrashed: " not in struck.output):
        said = ""
    elif whom == "server":
        said = struck.line_with("KeyboardInterrupt")
        assert "the server gave up" in struck.output or "half-way" in struck.output
    else:
        said = struck.line_with("ModelCrashed: ")
        assert whom == "job" or "of instance 0" in said
    fault(f"Ctrl-C on the {whom}, {moment}", way, said, struck)
