"""Over ZMQ a model gives the same bits as over MPI, on any number of ranks, whoever starts first."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bridge import namelist
from bridge.models import toy_ocean

GYRE = Path(__file__).resolve().parents[2] / "examples" / "gyre" / "namelist_cfg"

OPEN = """
import sys
from pathlib import Path
import numpy as np
from bridge import Recording
from bridge.session import Session

folder, endpoint = Path(sys.argv[1]), (sys.argv + ["mpi"])[2]
def opened():
    return Session.over_mpi(timeout=60) if endpoint == "mpi" else Session.over_zmq(endpoint, timeout=60)
"""

SHALLOW_WATER = (
    OPEN
    + """
out = {}
with opened() as session:
    rng = np.random.default_rng(1)
    session.set({"utau": rng.normal(0, 0.1, (16, 24)), "namsw/depth": 100 + rng.uniform(0, 20, (16, 24))})
    out["depth"] = session.get("namsw/depth")
    record = Recording(("zos", "ub", "vb", "ke", "steps_taken"), 5)
    start = session.snapshot()
    first = session.run({}, start, 40, record)
    blown = session.run({"namsw": {"rn_grav": 1e5}}, start, 40, Recording(("zos",), 1))
    out["blown"] = np.array([blown.outcome.step, len(blown.steps)])
    saved = session.save(start, folder / "start")
    again = session.run({}, session.load(folder / "start", expected=start), 40, record)
    try:
        session.load(folder / "nowhere")
    except Exception as error:
        out["refused"] = np.array(type(error).__name__)
    for name in record.fields:
        assert np.array_equal(first.fields[name], again.fields[name]), name
        out[name] = first.fields[name]
np.savez(folder / "out.npz", **out)
"""
)

TOY_OCEAN = (
    OPEN
    + """
with opened() as session:
    grid = session.describe().grid
    start = session.snapshot()
    run = session.run({"namzdf_tke": {"rn_ediff": 0.2}}, start, 6, Recording(("thetao", "so", "uo", "zos"), 3))
    session.set({"thetao": run.fields["thetao"][-1]})
    back = session.get("thetao")
np.savez(folder / "out.npz", back=back, glamt=grid.glamt, tmask=grid.tmask, **run.fields)
"""
)


def prepare_gyre(directory: Path) -> None:
    settings = {"namrun": {"nn_write": 0}, "namdom": {"ln_meshmask": False}}
    toy_ocean.prepare(directory, namelist.apply(toy_ocean.read_namelist(GYRE), settings), GYRE.parent)


def results(directory: Path) -> dict[str, np.ndarray]:
    return dict(np.load(directory / "out.npz"))


@pytest.fixture(scope="module")
def over_mpi(make_jobs, tmp_path_factory):
    """`over_mpi(script, program)`: what a job with both programs in it wrote, done once."""
    done: dict[str, dict[str, np.ndarray]] = {}

    def run(
        script: str, program: str, prepare: Callable[[Path], None] | None = None
    ) -> dict[str, np.ndarray]:
        if program not in done:
            directory = tmp_path_factory.mktemp("mpi")
            if prepare is not None:
                prepare(directory)
            ended = make_jobs(directory).run(script, 2, program)
            assert ended.code == 0, ended.output
            done[program] = results(directory)
        return done[program]

    return run


def assert_same(mine: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    assert mine.keys() == theirs.keys()
    for name, values in theirs.items():
        assert np.array_equal(mine[name], values), name


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("way", ["ipc", "tcp"])
def test_shallow_water_gives_the_same_bits_as_over_mpi(
    meet, over_mpi, tmp_path, way: str, ranks: int
) -> None:
    server, model = meet(way).run(SHALLOW_WATER, ranks)
    assert server.code == 0, server.output + model.output
    assert model.code == 0, model.output
    assert_same(results(tmp_path), over_mpi(SHALLOW_WATER, "shallow_water"))


@pytest.mark.parametrize(
    ("way", "ranks", "shared"), [("ipc", 1, "on"), ("tcp", 2, "off"), ("ipc", 2, "on"), ("ipc", 4, "off")]
)
def test_toy_ocean_gives_the_same_bits_as_over_mpi(
    meet, over_mpi, tmp_path, way: str, ranks: int, shared: str
) -> None:
    prepare_gyre(tmp_path)
    server, model = meet(way, NEMO_BRIDGE_SHARED_MEMORY=shared).run(TOY_OCEAN, ranks, "toy_ocean")
    assert server.code == 0, server.output + model.output
    assert model.code == 0, model.output
    assert_same(results(tmp_path), over_mpi(TOY_OCEAN, "toy_ocean", prepare_gyre))


@pytest.mark.parametrize("first", ["server", "model"])
@pytest.mark.parametrize("way", ["ipc", "tcp"])
def test_server_and_model_start_in_either_order(meet, way: str, first: str) -> None:
    script = (
        OPEN + "with opened() as session: print('step', session.advance(3, Recording(())).outcome.step)\n"
    )
    pair = meet(way)
    with pair.server(script) if first == "server" else pair.model() as one:
        time.sleep(1.5)
        with pair.model() if first == "server" else pair.server(script) as other:
            ends = [pair.jobs.ended(one), pair.jobs.ended(other)]
    assert [end.code for end in ends] == [0, 0], ends
    assert "step 3" in ends[0].output + ends[1].output


def test_instances_are_told_apart_by_their_labels(meet) -> None:
    script = (
        OPEN
        + """
sessions = Session.all_over_zmq(endpoint, 2, timeout=60)
results = [s.run({}, s.snapshot(), 10, Recording(("zos",), 5)).fields["zos"] for s in sessions]
print("labels", [s._model.transport.instance for s in sessions], [s._model.transport.ranks for s in sessions])
print("equal", np.array_equal(*results))
for session in sessions:
    session.stop()
"""
    )
    pair = meet("ipc")
    with (
        pair.server(script) as server,
        pair.model(2, NEMO_BRIDGE_INSTANCE="7") as one,
        pair.model(1, NEMO_BRIDGE_INSTANCE="3") as other,
    ):
        ends = [pair.jobs.ended(job) for job in (server, one, other)]
    assert [end.code for end in ends] == [0, 0, 0], ends
    assert "labels [3, 7] [1, 2]" in ends[0].output and "equal True" in ends[0].output
