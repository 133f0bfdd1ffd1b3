"""Runs coupled to a closure in Python: what `every` and `lag` mean exactly, on every way and number of ranks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

STEPS = 12

# One job per way and number of ranks; the tests below look at what it wrote. `by_hand` does with get, set and
# single steps what a coupled run does in one go.
SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
from bridge import Coupling, Recording
from bridge.errors import ModelCrashed
from bridge.session import Session

folder, endpoint = Path(sys.argv[1]), (sys.argv + ["mpi"])[2]
session = Session.over_mpi(timeout=60) if endpoint == "mpi" else Session.over_zmq(endpoint, timeout=60)
out, said = {}, {"calls": {}}
record = Recording(("zos", "ub", "vb"), 4)
rng = np.random.default_rng(3)
bump = rng.normal(0, 0.1, (16, 24))

def wind(step, fields):
    return {"utau": bump * np.sin(step) + 0.01 * (fields["zos"] - fields["ub"])}

def deeper(step, fields):
    zos = fields["zos"]
    curvature = zos[1:-1, 2:] + zos[1:-1, :-2] + zos[2:, 1:-1] + zos[:-2, 1:-1] - 4 * zos[1:-1, 1:-1]
    return {"namsw/depth": 100 + 10 * curvature, "namsw/rn_drag": 1e-5 * (1 + step)}

def by_hand(closure, receive, every=1, lag=0, halo=0, dtype=None):
    session.restore(start)
    made, records = [], []
    for n in range(0, STEPS, every):
        fields = {name: session.get(name, halo=halo, dtype=dtype) for name in receive}
        made.append(closure(session.step, fields))
        if n // every >= lag:
            session.set({k: v if dtype is None else v.astype(dtype) for k, v in made[n // every - lag].items()})
        for _ in range(min(every, STEPS - n)):
            session.advance(1, Recording(()))
            if (session.step - start.step) % 4 == 0:
                records.append([session.get(name) for name in record.fields])
    return {name: np.array([r[i] for r in records]) for i, name in enumerate(record.fields)}

def note(name, action):
    try:
        said[name] = ["returned", repr(action())]
    except BaseException as error:
        said[name] = [type(error).__name__, str(error)]

def both(name, closure, receive, send, **how):
    calls = []
    def counted(step, fields):
        calls.append(step)
        return closure(step, fields)
    run = session.run({}, start, STEPS, record, Coupling(counted, receive, send, **how))
    session.set(calm)
    hand = by_hand(closure, receive, **how)
    session.set(calm)
    said["calls"][name] = calls
    said[name] = [run.outcome.completed, run.outcome.step]
    for field in record.fields:
        out[f"{name}/{field}"], out[f"{name}/{field}/hand"] = run.fields[field], hand[field]

with session:
    start = session.snapshot()
    calm = {"utau": np.zeros((16, 24)), "namsw/depth": np.full((16, 24), 100.0), "namsw/rn_drag": 1e-5}
    session.set(calm)
    seen, forced = ("zos", "ub"), ("utau",)
    alone = session.run({}, start, STEPS, record)
    both("each step", wind, seen, forced)
    both("every third", wind, seen, forced, every=3)
    both("every fifth", wind, seen, forced, every=5)
    both("lag 1", wind, seen, forced, lag=1)
    both("lag 2", wind, seen, forced, lag=2)
    both("lag 2 of 4", wind, seen, forced, every=4, lag=2)
    both("lag beyond the end", wind, seen, forced, lag=STEPS)
    both("parameters", deeper, ("zos",), ("namsw/depth", "namsw/rn_drag"), halo=1)
    both("float32", wind, seen, forced, dtype=np.float32)
    both("nothing received", lambda step, fields: {"utau": bump * step}, (), forced)
    both("nothing sent", lambda step, fields: {}, seen, ())

    def reusing(buffer):
        def closure(step, fields):
            np.copyto(buffer, wind(step, fields)["utau"])
            return {"utau": buffer}
        return closure
    session.set(calm)
    again = session.run({}, start, STEPS, record, Coupling(reusing(np.zeros((16, 24))), seen, forced, lag=2))
    for field in record.fields:
        out[f"own buffer/{field}"] = again.fields[field]

    # Whatever goes wrong, the session lives on: `at` tells where the model stands after it.
    def failing(error, when):
        def closure(step, fields):
            if step == when:
                raise error
            return wind(step, fields)
        return closure
    bad = {
        "raises": failing(ZeroDivisionError("in my closure"), 5),
        "interrupted": failing(KeyboardInterrupt(), 5),
        "wrong name": lambda step, fields: {"taum": 1.0},
        "no dictionary": lambda step, fields: bump,
        "wrong shape": lambda step, fields: {"utau": bump.T},
        "complex": lambda step, fields: {"utau": bump * 1j},
        "asks": lambda step, fields: {"utau": session.get("zos")},
        "steps": lambda step, fields: session.run({}, start, 1, record),
        "stops": lambda step, fields: session.stop(),
        "meets others": failing(ModelCrashed("another model"), 5),
        "not finite": lambda step, fields: {"utau": np.where(bump == bump[2, 3], np.nan, bump)},
    }
    for lag in (0, 2):
        for name, closure in bad.items():
            coupling = Coupling(closure, seen, forced, lag=lag)
            note(f"{name}, lag {lag}", lambda: session.run({}, start, STEPS, record, coupling))
            said[f"{name}, lag {lag}"].append(session.step)
        def push(step, fields):
            return {"zos": np.full_like(fields["zos"], 12.0 * (step + 1))}
        blown = session.run({}, start, STEPS, Recording(("zos",)), Coupling(push, ("zos",), ("zos",), lag=lag))
        said[f"blown up, lag {lag}"] = [blown.outcome.kind.value, blown.outcome.step, len(blown.steps)]
    note("after a blow-up", lambda: session.advance(1, record, coupling=Coupling(wind, seen, forced)))
    note("unknown", lambda: session.run({}, start, 1, record, Coupling(wind, ("zoss",), forced)))
    note("read only", lambda: session.run({}, start, 1, record, Coupling(wind, seen, ("ke",))))
    said["steps 0"] = session.run({}, start, 0, record, Coupling(wind, seen, forced)).outcome.step
    after = session.run({}, start, STEPS, record)
    for field in record.fields:
        out[f"alone/{field}"], out[f"alone/{field}/hand"] = alone.fields[field], after.fields[field]
np.savez(folder / "out.npz", **out)
(folder / "said.json").write_text(json.dumps(said))
""".replace("STEPS", str(STEPS))

#: name -> steps at which the closure is called
CALLS = {
    "each step": [*range(12)],
    "every third": [0, 3, 6, 9],
    "every fifth": [0, 5, 10],
    "lag 1": [*range(11)],
    "lag 2": [*range(10)],
    "lag 2 of 4": [0],
    "lag beyond the end": [],
    "parameters": [*range(12)],
    "float32": [*range(12)],
    "nothing received": [*range(12)],
    "nothing sent": [*range(12)],
}
#: transport, ranks, and whether the small fields of these tests lie in shared memory, too
WAYS = ["mpi 1", "mpi 2 shared", "mpi 4", "ipc 1 shared", "tcp 2", "ipc 4 shared"]
SHARE_ALL = "import bridge.shared_memory\nbridge.shared_memory.SMALLEST_SHARED = 1\n"


@dataclass
class Found:
    """What a job wrote."""

    arrays: dict[str, np.ndarray]
    said: dict


@pytest.fixture(scope="module")
def found(make_jobs, make_meeting, tmp_path_factory):
    """`found("mpi 2")`: the job on that way with so many ranks, run once."""
    done: dict[str, Found] = {}

    def run(name: str) -> Found:
        if name not in done:
            way, ranks, *shared = name.split()
            folder: Path = tmp_path_factory.mktemp(way + ranks)
            script = SHARE_ALL + SCRIPT if shared else SCRIPT
            if way == "mpi":
                ends = [make_jobs(folder).run(script, int(ranks))]
            else:
                ends = list(make_meeting(make_jobs(folder), way).run(script, int(ranks)))
            assert [end.code for end in ends] == [0] * len(ends), [end.output for end in ends]
            said = json.loads((folder / "said.json").read_text())
            done[name] = Found(dict(np.load(folder / "out.npz")), said)
        return done[name]

    return run


@pytest.fixture(params=WAYS)
def each(request, found) -> Found:
    """The job on each way and number of ranks."""
    return found(request.param)


@pytest.mark.parametrize("case", CALLS)
def test_coupled_run_is_what_get_and_set_make_step_by_step(each: Found, case: str) -> None:
    assert each.said[case] == [True, STEPS]
    assert each.said["calls"][case] == CALLS[case]
    for field in ("zos", "ub", "vb"):
        assert np.array_equal(each.arrays[f"{case}/{field}"], each.arrays[f"{case}/{field}/hand"]), field


def test_each_coupling_has_an_effect_of_its_own(each: Found) -> None:
    alike = {"lag beyond the end", "nothing sent"}  # these leave the model alone
    ends = {case: each.arrays[f"{case}/ub"][-1] for case in [*CALLS, "alone"]}
    for case in CALLS:
        assert np.array_equal(ends[case], ends["alone"]) == (case in alike), case
    different = [case for case in CALLS if case not in alike]
    assert len({ends[case].tobytes() for case in different}) == len(different)


def test_closure_may_use_its_arrays_again(each: Found) -> None:
    for field in ("zos", "ub", "vb"):
        assert np.array_equal(each.arrays[f"own buffer/{field}"], each.arrays[f"lag 2/{field}"])


@pytest.mark.parametrize("way", WAYS[1:])
def test_every_way_and_number_of_ranks_gives_the_same_bits(found, way: str) -> None:
    mine, reference = found(way).arrays, found(WAYS[0]).arrays
    assert mine.keys() == reference.keys()
    for name, values in reference.items():
        assert np.array_equal(mine[name], values), name


@pytest.mark.parametrize("lag", [0, 2])
@pytest.mark.parametrize(
    ("case", "kind", "text", "step"),
    [
        ("raises", "ZeroDivisionError", "in my closure", 5),
        ("interrupted", "KeyboardInterrupt", "", 5),
        (
            "wrong name",
            "ValueError",
            "expected the closure to return ['utau'] as a dictionary, got ['taum']",
            0,
        ),
        ("no dictionary", "ValueError", "got ndarray at step 0", 0),
        ("wrong shape", "ValueError", "'utau' has shape (16, 24), got (24, 16)", 0),
        ("complex", "ValueError", "'utau' should be real numbers, got complex128", 0),
        ("asks", "ValueError", "this session is in the middle of a run: a closure sees the fields", 0),
        ("steps", "ValueError", "this session is in the middle of a run: a closure sees the fields", 0),
        ("stops", "ValueError", "a closure cannot stop its session", 0),
        ("meets others", "ModelCrashed", "another model", 5),
        ("not finite", "ValueError", "finite values of 'utau'", 0),
    ],
)
def test_closure_that_fails_ends_the_run_where_the_model_stands(
    each: Found, case: str, kind: str, text: str, step: int, lag: int
) -> None:
    """With a lag it is known one interval later."""
    error, message, stands = each.said[f"{case}, lag {lag}"]
    assert error == kind and text in message
    assert stands == step + (lag > 0)


def test_blow_up_in_the_middle_is_an_outcome(each: Found) -> None:
    """zos is set to 12 m more before each step, beyond 100 m the model has blown up; or as much later as the lag."""
    assert each.said["blown up, lag 0"] == ["blew up", 9, 8]
    assert each.said["blown up, lag 2"] == ["blew up", 11, 10]
    assert each.said["after a blow-up"][0] == "RequestRefused"


def test_session_lives_on_after_all_that_with_its_own_forcing(each: Found) -> None:
    for field in ("zos", "ub", "vb"):
        assert np.array_equal(each.arrays[f"alone/{field}"], each.arrays[f"alone/{field}/hand"])


def test_wrong_use_is_refused_before_anything_runs(each: Found) -> None:
    assert each.said["unknown"][0] == "ConfigurationError" and "did you mean zos" in each.said["unknown"][1]
    assert each.said["read only"][0] == "ConfigurationError"
    assert each.said["steps 0"] == 0


# Two instances, all runs coupled: what `map` makes of them, and what one instance makes alone, one after the other.
INSTANCES = """
import sys
from pathlib import Path
import numpy as np
from bridge import Coupling, Recording
from bridge.ensemble_mixed import MixedEnsemble, RunRequest

folder, endpoint = Path(sys.argv[1]), (sys.argv + ["mpi"])[2]
over_zmq = lambda: MixedEnsemble.over_zmq(endpoint, 2, timeout=60)
batch = [{"namsw": {"rn_drag": 1e-5 * n, "rn_pause": 0.001}} for n in range(5)]
record = Recording(("zos", "ub"), 4)
bump = np.random.default_rng(3).normal(0, 0.1, (16, 24))
out, threw = {}, []

def wind(step, fields):
    return {"utau": bump * np.sin(step) + 0.01 * (fields["zos"] - fields["ub"])}

def growing():
    memory = np.zeros((16, 24))
    def closure(step, fields):
        memory[...] += fields["zos"]
        return {"utau": bump + 0.01 * memory}
    return closure

def failing(step, fields):
    raise ZeroDivisionError(f"at step {step}")

def coupled(closure, lag=0):
    return Coupling(closure, ("zos", "ub"), ("utau",), every=2, lag=lag)

def keep(name, runs):
    for n, run in enumerate(runs):
        assert run.outcome.completed
        out.update({f"{name}/{n}/{field}": values for field, values in run.fields.items()})

with MixedEnsemble.over_mpi(timeout=60) if endpoint == "mpi" else over_zmq() as mixed:
    [kind] = mixed.kinds
    start = kind.snapshot()
    for lag in (0, 1):
        keep(f"map, lag {lag}", kind.map(batch, start, STEPS, record, coupling=coupled(wind, lag)))
    own = [RunRequest(kind, params, start, STEPS, record, coupled(growing())) for params in batch]
    keep("own closures", mixed.map(own))
    keep("run", [kind.run(batch[1], start, STEPS, record, coupled(wind))])
    try:
        kind.map(batch, start, STEPS, record, coupling=coupled(failing))
    except ZeroDivisionError as error:
        threw.append(str(error))
    assert threw == ["at step 0"] and len(kind.sessions) == 2, threw
    keep("uncoupled", kind.map(batch, start, STEPS, record))

    alone = kind.sessions[0]
    mine = alone.load(start.path, start)
    for lag in (0, 1):
        keep(f"alone/map, lag {lag}", [alone.run(p, mine, STEPS, record, coupled(wind, lag)) for p in batch])
    keep("alone/own closures", [alone.run(p, mine, STEPS, record, coupled(growing())) for p in batch])
    keep("alone/run", [alone.run(batch[1], mine, STEPS, record, coupled(wind))])
    keep("alone/uncoupled", [alone.run(p, mine, STEPS, record) for p in batch])
np.savez(folder / "out.npz", **out)
""".replace("STEPS", str(STEPS))


def ended_instances(way: str, jobs, meet) -> list:
    """The ends of a server with INSTANCES and two models: over MPI one job, over ZMQ three."""
    if way == "mpi":
        command = jobs.command(INSTANCES, 1, "shallow_water", ())
        with jobs.launched([*command, ":", "-n", "1", str(jobs.executable("shallow_water"))]) as job:
            return [jobs.ended(job)]
    pair = meet("ipc")
    models = [pair.model(1, NEMO_BRIDGE_INSTANCE=label) for label in "01"]
    with pair.server(INSTANCES) as server, models[0] as first, models[1] as second:
        return [jobs.ended(job) for job in (server, first, second)]


@pytest.mark.parametrize("way", ["mpi", "ipc"])
def test_instances_give_coupled_runs_the_bits_of_one_session(way: str, jobs, meet) -> None:
    ends = ended_instances(way, jobs, meet)
    assert [end.code for end in ends] == [0] * len(ends), ends
    found = dict(np.load(jobs.directory / "out.npz"))
    together = [name for name in found if not name.startswith("alone/")]
    assert len(together) == len(found) / 2 == 2 * (4 * 5 + 1)
    for name in together:
        assert np.array_equal(found[name], found[f"alone/{name}"]), name
    cases = ("map, lag 0", "map, lag 1", "own closures", "uncoupled")
    assert len({found[f"{case}/2/ub"].tobytes() for case in cases}) == len(cases)
