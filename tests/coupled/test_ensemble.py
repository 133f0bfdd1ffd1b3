"""Several instances behind one Ensemble: the same bits in the same order as one, also when instances are killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bridge import namelist
from bridge.models import toy_ocean

GYRE = Path(__file__).resolve().parents[2] / "examples" / "gyre" / "namelist_cfg"

OPEN = """
import json, logging, sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
import numpy as np
from bridge import Recording
from bridge.ensemble import Ensemble
from bridge.model import BatchModel, Snapshot
from bridge.session import Session

folder = Path(sys.argv[1])
made, begin = Counter(), Session.running  # which instance made how many runs

def counted(session, *arguments):
    made[session.instance] += 1
    return begin(session, *arguments)

Session.running = counted
said = {}

def note(name, action):
    try:
        said[name] = ["returned", repr(action())]
    except Exception as error:
        said[name] = [type(error).__name__, str(error)]

def keep(runs):
    outcomes = [[r.outcome.kind.value, r.outcome.step, r.params, r.outcome.message] for r in runs]
    fields = {f"{n} {name}": values for n, r in enumerate(runs) for name, values in r.fields.items()}
    np.savez(folder / "fields.npz", **fields)
    (folder / "said.json").write_text(json.dumps(said | {"outcomes": outcomes, "made": sorted(made.values())}))
"""

#: per program: the batch, steps and what is recorded
BATCHES = {
    "shallow_water": """
batch = [{"namsw": {"rn_drag": 1e-5 * n, "rn_pause": 0.002}} for n in range(9)]
batch[4]["namsw"]["rn_grav"] = 1e5  # blows up
steps, record = 20, Recording(("zos", "ub"), 5)
""",
    "toy_ocean": """
batch = [{"namzdf_tke": {"rn_ediff": 0.05 * (n + 1)}} for n in range(5)]
steps, record = 3, Recording(("thetao", "zos"), 3)
""",
}

ONE_AFTER_THE_OTHER = """
with Session.over_mpi(timeout=60) as session:
    start = session.snapshot()
    keep([session.run(params, start, steps, record) for params in batch])
"""

TOGETHER = """
with Ensemble.over_mpi(timeout=60) as ensemble:
    said["is a model"] = isinstance(ensemble, BatchModel)
    start = ensemble.snapshot()
    told = []
    runs = ensemble.map(batch, start, steps, record, lambda position, run: told.append(position))
    said["told"] = sorted(told)
    said["same start"] = all(run.initial == start for run in runs)
    again = ensemble.run(batch[1], start, steps, record)
    name = record.fields[0]
    said["single run"] = bool(np.array_equal(again.fields[name], runs[1].fields[name]))

    other = replace(start, id="0123456789abcdef")
    note("wrong hash", lambda: ensemble.run({}, other, steps, record))
    note("wrong hash in load", lambda: ensemble.load(start.path, expected=other))
    note("without a file", lambda: ensemble.run({}, Snapshot("unknown", None, 0), steps, record))
    note("unknown parameter", lambda: ensemble.map([*batch[:3], {"nam": {"x": 1}}], start, steps, record))
    moved = ensemble.save(start, folder / "moved")
    said["moved"] = ensemble.load(moved.path, expected=start) == moved
    ensemble.restore(moved)
    ensemble.drop(start)
    note("dropped twice", lambda: ensemble.drop(start))
    reloaded = ensemble.run(batch[1], moved, steps, record)
    said["after a move"] = bool(np.array_equal(reloaded.fields[name], runs[1].fields[name]))
note("after stop", lambda: ensemble.snapshot())
keep(runs)
"""


def prepare_gyre(directory: Path) -> None:
    settings = {"namrun": {"nn_write": 0}, "namdom": {"ln_meshmask": False}}
    toy_ocean.prepare(directory, namelist.apply(toy_ocean.read_namelist(GYRE), settings), GYRE.parent)


def nothing_to_prepare(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)


PREPARE = {"shallow_water": nothing_to_prepare, "toy_ocean": prepare_gyre}


class Results:
    """What a script kept: fields, outcomes and what was said."""

    def __init__(self, directory: Path) -> None:
        self.fields = dict(np.load(directory / "fields.npz"))
        self.said = json.loads((directory / "said.json").read_text())
        self.outcomes = self.said["outcomes"]

    def assert_same_bits_as(self, other: Results) -> None:
        assert [outcome[:3] for outcome in self.outcomes] == [outcome[:3] for outcome in other.outcomes]
        assert self.fields.keys() == other.fields.keys()
        for name, values in other.fields.items():
            assert np.array_equal(self.fields[name], values), name


@pytest.fixture(scope="module")
def in_one_job(make_jobs, executable, tmp_path_factory):
    """`in_one_job(script, program, ranks…)`: results of a job of the server and one instance per number of ranks."""

    def run(
        script: str, program: str, *ranks: int, arguments: Callable[[int], tuple[str, ...]] | None = None
    ):
        directory = tmp_path_factory.mktemp("job")
        jobs = make_jobs(directory)
        file = directory / "server.py"
        file.write_text(OPEN + BATCHES[program] + script)
        command = [*jobs.mpirun, "-n", "1", sys.executable, str(file), str(directory)]
        for number, count in enumerate(ranks):
            PREPARE[program](home := directory / f"instance{number}")
            command += [":", "-n", str(count), "-wdir", str(home), str(executable(program))]
            command += arguments(number) if arguments else ()
        with jobs.launched(command) as job:
            ended = jobs.ended(job)
        return ended, directory

    return run


@pytest.fixture(scope="module")
def one_after_the_other(in_one_job):
    """`one_after_the_other(program)`: the batch by one instance on 2 ranks, done once."""
    done: dict[str, Results] = {}

    def run(program: str) -> Results:
        if program not in done:
            ended, directory = in_one_job(ONE_AFTER_THE_OTHER, program, 2)
            assert ended.code == 0, ended.output
            done[program] = Results(directory)
        return done[program]

    return run


@pytest.mark.parametrize(
    ("program", "ranks"),
    [("shallow_water", (2, 2)), ("shallow_water", (1, 1, 1)), ("toy_ocean", (1, 1))],
    ids=["two", "three", "two oceans"],
)
def test_instances_of_one_job_give_the_bits_of_one(in_one_job, one_after_the_other, program, ranks) -> None:
    ended, directory = in_one_job(TOGETHER, program, *ranks)
    assert ended.code == 0, ended.output
    results = Results(directory)
    results.assert_same_bits_as(one_after_the_other(program))
    said = results.said
    assert said["told"] == list(range(len(results.outcomes)))
    assert all(said[name] for name in ("is a model", "same start", "single run", "moved", "after a move"))
    assert len(said["made"]) == len(ranks), "an instance was idle all the time"
    for name in ("wrong hash", "wrong hash in load"):
        assert said[name][0] == "ProtocolError" and "expected 0123456789abcdef" in said[name][1]
    assert said["without a file"][0] == "ValueError" and "has no file" in said["without a file"][1]
    assert said["dropped twice"][0] == "ValueError" and said["after stop"][0] == "ModelCrashed"
    assert said["unknown parameter"][0] == "ConfigurationError"
    if program == "shallow_water":
        assert results.outcomes[4][0] == "blew up"


@pytest.mark.fault
def test_instances_that_differ_are_refused(in_one_job, fault) -> None:
    sizes = (("0", "24", "16"), ("0", "12", "16"))
    ended, _ = in_one_job(TOGETHER, "shallow_water", 1, 1, arguments=lambda number: sizes[number])
    assert ended.code == 1
    said = next(line for line in ended.output.splitlines() if line.startswith("ValueError"))
    assert "instance 2 has another grid than instance 1" in said
    fault("wrong grid: instances of an ensemble", "MPI", said, ended)


# --- jobs of their own --------------------------------------------------------------------------------------

#: "ended <how many>" on standard output as each run ends
APART = (
    OPEN
    + """
logging.basicConfig()
instances, attempts, crashing, milliseconds = map(int, sys.argv[3:7])
batch = [{"namsw": {"rn_drag": 1e-5 * n, "rn_pause": 1e-3 * milliseconds}} for n in range(10)]
steps, record = 20, Recording(("zos", "ub"), 5)
if crashing:
    batch[3]["namsw"]["nn_crash"] = 5
with Ensemble.over_zmq(sys.argv[2], instances, timeout=40, attempts=attempts) as ensemble:
    ensemble.set({"utau": np.full((16, 24), 0.1)})
    start = ensemble.snapshot()
    ended = []
    def tell(position, run):
        ended.append(position)
        print("ended", len(ended), flush=True)
    keep(ensemble.map(batch, start, steps, record, tell))
"""
)


class Apart:
    """A server and models that are jobs of their own, all over ZMQ."""

    def __init__(self, pair, directory: Path, stack: contextlib.ExitStack) -> None:
        self.pair, self.directory, self.stack = pair, directory, stack

    def server(
        self, instances: int, attempts: int = 3, crashing: int = 0, milliseconds: int = 10
    ) -> subprocess.Popen[str]:
        file = self.directory / "server.py"
        file.write_text(APART)
        numbers = [str(number) for number in (instances, attempts, crashing, milliseconds)]
        command = [sys.executable, str(file), str(self.directory), self.pair.endpoint, *numbers]
        return self.stack.enter_context(self.pair.jobs.launched(command, self.pair.environment))

    def model(self, label: int) -> subprocess.Popen[str]:
        return self.stack.enter_context(self.pair.model(2, NEMO_BRIDGE_INSTANCE=str(label)))

    def ended(self, job: subprocess.Popen[str]):
        return self.pair.jobs.ended(job)


@pytest.fixture
def apart(meet, tmp_path):
    """Jobs that meet at an ipc endpoint, of which nothing survives the test."""
    with contextlib.ExitStack() as stack:
        yield Apart(meet("ipc", NEMO_BRIDGE_PATIENCE="6"), tmp_path, stack)


def wait_for(server: subprocess.Popen[str], text: str) -> None:
    """Return when the server has said `text`."""
    assert server.stdout is not None
    so_far = ""
    for line in server.stdout:
        so_far += line
        if text in line:
            return
    pytest.fail(f"the server ended before it said {text!r}; it said:\n{so_far}")


@pytest.fixture(scope="module")
def undisturbed(make_jobs, tmp_path_factory) -> Results:
    """The batch by one instance that nobody kills."""
    directory = tmp_path_factory.mktemp("undisturbed")
    endpoint, jobs = f"ipc://{directory}/meet", make_jobs(directory)
    (directory / "server.py").write_text(APART)
    command = [sys.executable, str(directory / "server.py"), str(directory), endpoint, "1", "1", "0", "10"]
    model = [*jobs.mpirun, "-n", "2", str(jobs.executable("shallow_water"))]
    with jobs.launched(command) as server, jobs.launched(model, {"NEMO_BRIDGE_ENDPOINT": endpoint}) as job:
        ends = jobs.ended(server), jobs.ended(job)
    assert [end.code for end in ends] == [0, 0], ends
    return Results(directory)


@pytest.mark.fault
def test_killed_instance_costs_no_run(apart, processes, undisturbed: Results, fault) -> None:
    server, victim, survivor = apart.server(2), apart.model(0), apart.model(1)
    wait_for(server, "ended 2")
    os.kill(processes(victim, "shallow_water")[-1], signal.SIGKILL)
    ends = [apart.ended(job) for job in (server, victim, survivor)]
    assert ends[0].code == 0 and ends[2].code == 0, ends
    assert ends[1].code != 0
    said = next(line for line in ends[0].output.splitlines() if "lost instance 0" in line)
    fault("an ensemble's instance killed (-9); its run is made again", "ZMQ", said, ends[0])
    Results(apart.directory).assert_same_bits_as(undisturbed)


def test_newcomer_takes_over_when_no_instance_is_left(apart, processes, undisturbed: Results) -> None:
    server, victim = apart.server(1), apart.model(0)
    wait_for(server, "ended 2")
    os.kill(processes(victim, "shallow_water")[-1], signal.SIGKILL)
    newcomer = apart.model(7)
    ends = [apart.ended(job) for job in (server, victim, newcomer)]
    assert ends[0].code == 0 and ends[2].code == 0, ends
    assert "instance 7 joins the ensemble" in ends[0].output
    results = Results(apart.directory)
    results.assert_same_bits_as(undisturbed)
    assert sum(results.said["made"]) == len(results.outcomes) + 1  # one was made twice


def test_run_that_kills_its_instances_is_an_outcome(apart, undisturbed: Results) -> None:
    server, *models = apart.server(2, attempts=1, crashing=1), apart.model(0), apart.model(1)
    ends = [apart.ended(job) for job in (server, *models)]
    assert ends[0].code == 0, ends
    assert sorted(end.code == 0 for end in ends[1:]) == [False, True]
    results = Results(apart.directory)
    kind, _, params, message = results.outcomes.pop(3)
    assert kind == "crashed" and "instance" in message and params["namsw"]["nn_crash"] == 5
    assert [o[:3] for o in results.outcomes] == [o[:3] for n, o in enumerate(undisturbed.outcomes) if n != 3]
    for name, values in results.fields.items():
        assert np.array_equal(values, undisturbed.fields[name]), name


def test_interrupt_in_a_batch_ends_every_instance(apart) -> None:
    server, *models = apart.server(2, milliseconds=100), apart.model(0), apart.model(1)
    wait_for(server, "ended 2")
    time.sleep(0.5)  # both are in the middle of a run of 2 s
    os.kill(server.pid, signal.SIGINT)
    ends = [apart.ended(job) for job in (server, *models)]
    assert "KeyboardInterrupt" in ends[0].output and "ended 4" not in ends[0].output
    assert all(end.code != 0 for end in ends), ends
