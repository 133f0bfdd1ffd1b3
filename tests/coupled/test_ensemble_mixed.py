"""Unlike instances in one batch: an ocean at two resolutions and another model, in one job or in jobs of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from bridge import namelist
from bridge.models import toy_ocean

GYRE = Path(__file__).resolve().parents[2] / "examples" / "gyre" / "namelist_cfg"

SCRIPT = """
import json, logging, sys
from pathlib import Path
import numpy as np
from bridge import Recording
from bridge.ensemble_batch import RunRequest
from bridge.ensemble_mixed import MixedEnsemble
from bridge.session import Session

logging.basicConfig()
folder, endpoint, instances, pause = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
said = {}

def note(name, action):
    try:
        said[name] = ["returned", repr(action())]
    except Exception as error:
        said[name] = [type(error).__name__, str(error)]

def tell(position, run):
    print("ended", position, flush=True)

def opened():
    if endpoint == "mpi":
        return MixedEnsemble.over_mpi(timeout=60)
    return MixedEnsemble.over_zmq(endpoint, instances, timeout=40)

ocean = [{"namzdf_tke": {"rn_ediff": 0.05 * n}} for n in (1, 2, 3)]
water = [{"namsw": {"rn_drag": 1e-5 * n, "rn_pause": pause}} for n in range(5)]
with opened() as mixed:
    kinds = {}
    for kind in mixed.kinds:
        grid = kind.describe().grid
        kinds[f"{kind.describe().name} {grid.nx} x {grid.ny}"] = kind
    said["kinds"] = {name: len(kind.sessions) for name, kind in kinds.items()}
    first = min(s.instance for kind in mixed.kinds for s in kind.sessions)
    said["first label"] = mixed.kind_of(first) is mixed.kinds[0]
    note("unknown label", lambda: mixed.kind_of(999))
    starts = {kind: kind.snapshot() for kind in mixed.kinds}
    wanted = []
    for name, kind in kinds.items():
        if name.startswith("toy_ocean"):
            wanted += [RunRequest(kind, p, starts[kind], 3, Recording(("thetao", "zos"), 3)) for p in ocean]
        else:
            wanted += [RunRequest(kind, p, starts[kind], 20, Recording(("zos", "ub"), 5)) for p in water]
    wanted = wanted[::2] + wanted[1::2]  # kinds take turns
    names = [next(name for name, kind in kinds.items() if kind is request.kind) for request in wanted]
    runs = mixed.map(wanted, tell)
    said["outcomes"] = [r.outcome.kind.value for r in runs]
    said["same params"] = [r.params for r in runs] == [w.params for w in wanted]
    if endpoint != "mpi":
        note("foreign kind", lambda: mixed.map([RunRequest(None, {}, starts[mixed.kinds[0]], 1, Recording(()))]))
    bad = RunRequest(mixed.kinds[0], {"nam": {"x": 1}}, starts[mixed.kinds[0]], 1, Recording(()))
    note("unknown parameter", lambda: mixed.map([bad, *wanted[:2]]))
fields = {
    f"{name} {run.params} {field}".replace(f", 'rn_pause': {pause}", ""): values
    for name, run in zip(names, runs) for field, values in run.fields.items()
}
np.savez(folder / "fields.npz", **fields)
(folder / "said.json").write_text(json.dumps(said))
"""


def prepare_box(directory: Path, cells: int) -> None:
    """A wind-driven double gyre in a box of 2000 km, `cells` by `cells`."""
    settings = {
        "namcfg": {"cn_cfg": "idealised"},
        "namusr_def": {
            "nn_nx": cells, "nn_ny": cells, "nn_nz": 5, "rn_dx": 2.0e6 / cells, "rn_beta": 2.0e-11,
            "rn_n2": 1.0e-5, "cn_wind": "gyre", "rn_tau_x": 0.1,
        },
        "namrun": {"nn_write": 0},
        "namdom": {"ln_meshmask": False, "rn_Dt": 3600.0},
    }  # fmt: skip
    toy_ocean.prepare(directory, namelist.apply(toy_ocean.read_namelist(GYRE), settings), GYRE.parent)


class Results:
    """What the script kept."""

    def __init__(self, directory: Path) -> None:
        self.fields = dict(np.load(directory / "fields.npz"))
        self.said = json.loads((directory / "said.json").read_text())

    def check(self) -> None:
        said = self.said
        assert set(said["outcomes"]) == {"completed"} and len(said["outcomes"]) == 11
        assert said["same params"] and said["first label"]
        assert said["unknown label"][0] == "ValueError" and "999" in said["unknown label"][1]
        assert said["unknown parameter"][0] == "ConfigurationError"

    def assert_same_bits_as(self, other: Results) -> None:
        assert self.said["kinds"].keys() == other.said["kinds"].keys()
        assert self.fields.keys() == other.fields.keys()
        for name, values in other.fields.items():
            assert np.array_equal(self.fields[name], values), name


KINDS = ["toy_ocean 20 x 20", "toy_ocean 10 x 10", "shallow_water 24 x 16"]


def programs(jobs, directory: Path, kinds: tuple[int, ...]) -> list[list[str]]:
    """mpirun's arguments for an instance of each of `kinds` (places in KINDS), in run directories of their own."""
    parts = []
    for number, kind in enumerate(kinds):
        home = directory / f"instance{number}"
        home.mkdir()
        if kind < 2:
            prepare_box(home, (20, 10)[kind])
        program = jobs.executable("toy_ocean" if kind < 2 else "shallow_water")
        parts.append(["-n", "1" if kind < 2 else "2", "-wdir", str(home), str(program)])
    return parts


def server(jobs, endpoint: str, instances: int, pause: float) -> list[str]:
    (jobs.directory / "server.py").write_text(SCRIPT)
    arguments = [str(jobs.directory), endpoint, str(instances), str(pause)]
    return [sys.executable, str(jobs.directory / "server.py"), *arguments]


@pytest.fixture(scope="module")
def in_one_job(make_jobs, tmp_path_factory) -> Results:
    """One instance of each kind, all in one mpirun."""
    directory = tmp_path_factory.mktemp("mpi")
    jobs = make_jobs(directory)
    command = [*jobs.mpirun, "-n", "1", *server(jobs, "mpi", 3, 0.0)]
    for part in programs(jobs, directory, (0, 1, 2)):
        command += [":", *part]
    with jobs.launched(command) as job:
        ended = jobs.ended(job)
    assert ended.code == 0, ended.output
    return Results(directory)


def test_unlike_programs_of_one_job_share_a_batch(in_one_job: Results) -> None:
    in_one_job.check()
    assert in_one_job.said["kinds"] == dict.fromkeys(KINDS, 1)


def wait_for(job, *texts: str) -> str:
    """Return when the job has said each of `texts`."""
    so_far = ""
    for line in job.stdout:
        so_far += line
        if all(text in so_far for text in texts):
            return so_far
    pytest.fail(f"the server ended before it said all of {texts}; it said:\n{so_far}")


@pytest.mark.fault
def test_newcomer_takes_the_place_of_its_own_kind_only(meet, processes, in_one_job: Results, fault) -> None:
    pair = meet("ipc", NEMO_BRIDGE_PATIENCE="6")
    jobs, settings = pair.jobs, {"NEMO_BRIDGE_ENDPOINT": pair.endpoint} | pair.environment
    parts = programs(jobs, jobs.directory, (2, 0, 1, 0, 2))
    smaller = [*parts[4], "0", "12", "16"]  # another grid than any of the others
    with contextlib.ExitStack() as stack:

        def start(label: int, part: list[str]):
            environment = settings | {"NEMO_BRIDGE_INSTANCE": str(label)}
            return stack.enter_context(jobs.launched([*jobs.mpirun, *part], environment))

        serving = stack.enter_context(jobs.launched(server(jobs, pair.endpoint, 4, 0.05), pair.environment))
        models = [start(number, part) for number, part in enumerate(parts[:4])]
        wait_for(serving, "ended 0")
        os.kill(processes(models[0], "shallow_water")[-1], signal.SIGKILL)
        unwanted = start(8, smaller)
        refused = jobs.ended(unwanted)
        newcomer = start(9, [*parts[0]])
        ends = [jobs.ended(job) for job in (serving, *models, newcomer)]
    assert [end.code for end in (ends[0], *ends[2:])] == [0] * 5, ends
    assert ends[1].code != 0
    said = "instance 8 may not join: it has another grid and another model than the others"
    assert refused.code != 0 and said in refused.output, refused.output
    assert "instance 9 joins the ensemble" in ends[0].output and said in ends[0].output
    results = Results(jobs.directory)
    results.check()
    assert sorted(results.said["kinds"].values()) == [1, 1, 2]
    assert results.said["foreign kind"][0] == "ValueError"
    results.assert_same_bits_as(in_one_job)
    fault("wrong grid: a newcomer to an ensemble; the others go on", "ZMQ", said, refused)


LABELS = """
import sys
from bridge.session import Session
sessions = Session.all_over_mpi(timeout=60)
print("labels", [(s.instance, s.describe().grid.nx, s._model.transport.ranks) for s in sessions])
for session in sessions:
    session.stop()
"""


def labelled(jobs, *programs: tuple[str, str]):
    """A job of shallow-water models, each with a label from the environment and a number of columns."""
    command = [*jobs.mpirun, "-n", "1", sys.executable, "server.py"]
    (jobs.directory / "server.py").write_text(LABELS)
    for label, columns in programs:
        program = str(jobs.executable("shallow_water"))
        command += [":", "-n", "2", "env", f"NEMO_BRIDGE_INSTANCE={label}", program, "0", columns, "16"]
    with jobs.launched(command) as job:
        return jobs.ended(job)


def test_programs_of_a_launcher_that_does_not_number_them_are_told_apart_by_the_environment(jobs) -> None:
    ended = labelled(jobs, ("7", "24"), ("4", "12"))
    assert ended.code == 0, ended.output
    assert "labels [(4, 12, 2), (7, 24, 2)]" in ended.output


def test_unlike_programs_that_nothing_tells_apart_are_refused_with_advice(jobs) -> None:
    ended = labelled(jobs, ("1", "24"), ("1", "12"))  # as if the launcher had numbered neither
    assert ended.code != 0
    assert "rank 0 gave global_shape" in ended.output and "NEMO_BRIDGE_INSTANCE" in ended.output
