"""A session with the shallow-water model over mpirun, on 1 to 4 ranks, against a numpy rerun of its equations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

NX, NY, STEPS, EVERY = 13, 10, 60, 20

# One job per number of ranks; the tests below look at what it wrote.
EPISODE = (
    """
import json, sys
from pathlib import Path
import numpy as np
from bridge import Recording
from bridge.session import Session

folder = Path(sys.argv[1])
out, said = {}, {}

def note(name, action):
    try:
        said[name] = ["returned", repr(action())]
    except Exception as error:
        said[name] = [type(error).__name__, str(error)]

with Session.over_mpi(timeout=60) as session:
    card = session.describe()
    said["card"] = [card.name, card.version, card.time_step, card.grid.nx, card.grid.ny, card.grid.nz]
    said["parameters"] = {k: v for k, v in card.parameters.items() if np.ndim(v) == 0}
    said["field"] = [card.fields["utau"].units, card.fields["utau"].point, list(card.fields["utau"].dims)]
    out["gphit"] = card.grid.gphit
    rng = np.random.default_rng(1)
    forcing = {"utau": rng.normal(0, 0.1, (NY, NX)), "namsw/depth": 100 + rng.uniform(0, 20, (NY, NX))}
    out["utau"], out["depth"] = forcing["utau"], forcing["namsw/depth"]
    session.set(forcing)
    out["utau_back"], out["depth_back"] = session.get("utau"), session.get("namsw/depth")
    out["zos_start"] = session.get("zos")

    record = Recording(("zos", "ub", "vb", "ke"), EVERY)
    start = session.snapshot()
    first = session.run({}, start, STEPS, record)
    kept = session.get("zos")
    kept_copy = kept.copy()
    other = session.run({"namsw": {"rn_drag": 1e-3, "ln_rot": False}}, start, STEPS, record)
    said["unchanged"] = bool(np.array_equal(kept, kept_copy))
    again = session.run({}, start, STEPS, record)
    blown = session.run({"namsw": {"rn_grav": 1e5}}, start, STEPS, Recording(("zos",), 1))
    said["blown"] = [blown.outcome.kind.value, blown.outcome.step, len(blown.steps), len(blown.fields["zos"])]
    note("after a blow-up", lambda: session.advance(1, record))
    after = session.run({}, start, STEPS, record)
    said["steps_taken"] = session.get("steps_taken")
    for name, run in {"first": first, "other": other, "again": again, "after": after}.items():
        said[name] = [run.outcome.kind.value, run.steps.tolist()]
        out.update({f"{name}_{field}": values for field, values in run.fields.items()})

    middle = session.run({}, start, STEPS // 2, record) and session.snapshot()
    saved = session.save(middle, folder / "middle")
    said["saved"] = [saved.id, saved.step]
    loaded = session.load(folder / "middle", expected=middle)
    note("other content", lambda: session.load(folder / "middle", expected=start))
    session.drop(middle)
    note("dropped", lambda: session.restore(middle))
    session.restore(loaded)
    rest = session.advance(STEPS // 2, Recording(("zos",), STEPS // 2))
    said["rest"] = rest.steps.tolist()
    out["rest_zos"] = rest.fields["zos"]

    note("unknown field", lambda: session.get("zoss"))
    note("unknown parameter", lambda: session.run({"namsw": {"rn_drug": 1}}, start, 1, record))
    note("not a parameter", lambda: session.run({"namsw": {"zos": 1}}, start, 1, record))
    note("wrong shape", lambda: session.set({"utau": np.zeros((NX, NY))}))
    note("read only", lambda: session.set({"ke": np.zeros((NY, NX))}))
    note("missing file", lambda: session.load(folder / "nowhere"))
    note("nothing to do", lambda: session.advance(0, record).outcome.kind.value)
    note("after refusals", lambda: session.get("namsw/rn_drag"))
note("after stop", lambda: session.get("zos"))
np.savez(folder / "out.npz", **out)
(folder / "said.json").write_text(json.dumps(said))
""".replace("NX", str(NX))
    .replace("NY", str(NY))
    .replace("STEPS", str(STEPS))
    .replace("EVERY", str(EVERY))
)


class Episode:
    """What the job wrote: arrays, what was said, and the exit code."""

    def __init__(self, directory: Path, ended) -> None:
        import json

        self.directory = directory
        self.ended = ended
        assert ended.code == 0, ended.output
        self.arrays = dict(np.load(directory / "out.npz"))
        self.said = json.loads((directory / "said.json").read_text())


@pytest.fixture(scope="module")
def episode(make_jobs, tmp_path_factory):
    """`episode(ranks)`: the job on that many ranks, run once."""
    done: dict[int, Episode] = {}

    def run(ranks: int) -> Episode:
        if ranks not in done:
            folder = tmp_path_factory.mktemp(f"ranks{ranks}")
            arguments = ("0", str(NX), str(NY), str(folder / "last"))
            done[ranks] = Episode(folder, make_jobs(folder).run(EPISODE, ranks, arguments=arguments))
        return done[ranks]

    return run


@pytest.fixture(params=[1, 2, 3, 4], ids=lambda ranks: f"{ranks} ranks")
def each(request, episode) -> Episode:
    """The episode on each number of ranks."""
    return episode(request.param)


def test_model_describes_itself(each: Episode) -> None:
    assert each.said["card"] == ["shallow_water", "1.0", 100.0, NX, NY, 1]
    assert each.said["parameters"] == {
        "namsw/rn_grav": 9.81,
        "namsw/rn_drag": 1.0e-5,
        "namsw/rn_pause": 0.0,
        "namsw/nn_crash": 0,
        "namsw/ln_rot": True,
    }
    assert each.said["field"] == ["N m-2", "U", ["j", "i"]]
    assert np.allclose(each.arrays["gphit"][:, 0], 45 + 10 * (np.arange(1, NY + 1) / NY - 0.5), rtol=1e-15)


def test_what_was_set_is_read_back(each: Episode) -> None:
    assert np.array_equal(each.arrays["utau_back"], each.arrays["utau"])
    assert np.array_equal(each.arrays["depth_back"], each.arrays["depth"])


def test_recorded_fields_obey_the_equations(each: Episode) -> None:
    assert each.said["first"] == ["completed", [20, 40, 60]]
    expected = rerun(each.arrays["zos_start"], each.arrays["utau"], each.arrays["depth"])
    for name in ("zos", "ub", "vb", "ke"):
        # numpy may add in another order, a few units in the last place per step.
        np.testing.assert_allclose(each.arrays[f"first_{name}"], expected[name], rtol=0, atol=1e-13)


def test_every_number_of_ranks_gives_the_same_bits(each: Episode, episode) -> None:
    reference = episode(1).arrays
    assert reference.keys() == each.arrays.keys()
    for name, values in reference.items():
        assert np.array_equal(values, each.arrays[name]), name


@pytest.mark.parametrize("repetition", ["again", "after"])
def test_rewind_is_bit_exact_after_other_parameters_and_a_blow_up(each: Episode, repetition: str) -> None:
    assert not np.array_equal(each.arrays["other_zos"], each.arrays["first_zos"])
    assert each.said[repetition] == each.said["first"]
    for name in ("zos", "ub", "vb", "ke"):
        assert np.array_equal(each.arrays[f"{repetition}_{name}"], each.arrays[f"first_{name}"]), name
    assert each.said["steps_taken"] == STEPS


def test_blow_up_is_an_outcome_with_the_records_until_then(each: Episode) -> None:
    kind, step, recorded, fields = each.said["blown"]
    assert kind == "blew up"
    assert 1 < step < STEPS
    assert recorded == fields == step - 1
    assert each.said["after a blow-up"][0] == "RequestRefused"
    assert "restore a snapshot" in each.said["after a blow-up"][1]


def test_returned_arrays_are_not_overwritten(each: Episode) -> None:
    assert each.said["unchanged"] is True


def test_snapshot_survives_in_a_file(each: Episode) -> None:
    assert each.said["saved"][1] == STEPS // 2
    assert each.said["rest"] == [STEPS]
    assert np.array_equal(each.arrays["rest_zos"][-1], each.arrays["first_zos"][-1])
    assert each.said["other content"][0] == "ProtocolError"
    assert not list(each.directory.glob("*.part"))


def test_wrong_use_is_explained_and_harmless(each: Episode) -> None:
    said = each.said
    assert said["unknown field"][0] == "ConfigurationError" and "did you mean zos" in said["unknown field"][1]
    assert "did you mean namsw/rn_drag" in said["unknown parameter"][1]
    assert said["not a parameter"][0] == "ConfigurationError"
    assert str((NY, NX)) in said["wrong shape"][1] and str((NX, NY)) in said["wrong shape"][1]
    assert said["read only"][0] == "ConfigurationError" and "diagnostic" in said["read only"][1]
    assert said["dropped"][0] == "ValueError" and "load it first" in said["dropped"][1]
    assert said["missing file"][0] == "RequestRefused" and "nowhere" in said["missing file"][1]
    assert said["nothing to do"] == ["returned", "'completed'"]
    assert said["after refusals"] == ["returned", "1e-05"]
    assert said["after stop"][0] == "ProtocolError"


def test_stand_alone_run_gives_the_same_bits(jobs, tmp_path: Path) -> None:
    script = """
import sys, numpy as np
from bridge import Recording
from bridge.session import Session
with Session.over_mpi(timeout=60) as session:
    session.advance(50, Recording(("zos",), 7))
    np.savez(sys.argv[1] + "/fields.npz", **{name: session.get(name) for name in ("zos", "ub", "vb")})
"""
    assert jobs.run(script, 2, arguments=("0", str(NX), str(NY), str(tmp_path / "coupled"))).code == 0
    alone = jobs.run_alone(3, "shallow_water", ("50", str(NX), str(NY), str(tmp_path / "alone")))
    assert alone.code == 0, alone.output
    coupled = read_state(tmp_path, "coupled")
    assert np.array_equal(read_state(tmp_path, "alone"), coupled)
    received = np.load(tmp_path / "fields.npz")
    assert np.array_equal(np.stack([received[name] for name in ("zos", "ub", "vb")]), coupled)


def read_state(directory: Path, name: str) -> np.ndarray:
    """Global [zos ub vb, j, i] from the files that the model wrote, one per rank."""
    state = np.full((3, NY, NX), np.nan)
    for file in directory.glob(f"{name}.*"):
        i, j, ni, nj = np.fromfile(file, np.int32, 4)
        state[:, j - 1 : j - 1 + nj, i - 1 : i - 1 + ni] = np.fromfile(file, offset=16).reshape(3, nj, ni)
    return state


def rerun(zos: np.ndarray, utau: np.ndarray, depth: np.ndarray) -> dict[str, np.ndarray]:
    """The equations of shallow_water_model.f90 in numpy; arrays [record, j, i]."""
    step, spacing, coriolis, density, gravity, drag = 100.0, 1.0e4, 1.0e-4, 1026.0, 9.81, 1.0e-5

    def east(a):
        return np.roll(a, -1, axis=-1)

    def west(a):
        return np.roll(a, 1, axis=-1)

    def north(a, beyond=0.0):
        return np.vstack([a[1:], np.full_like(a[:1], beyond)])

    def south(a):
        return np.vstack([np.zeros_like(a[:1]), a[:-1]])

    zos, u, v = zos.copy(), np.zeros_like(zos), np.zeros_like(zos)
    hu, hv = 0.5 * (depth + east(depth)), 0.5 * (depth + north(depth, 100.0))
    wall = np.ones_like(zos)
    wall[-1] = 0.0
    records: dict[str, list[np.ndarray]] = {"zos": [], "ub": [], "vb": [], "ke": []}
    for n in range(1, STEPS + 1):
        zos = zos - step / spacing * (hu * u - west(hu * u) + hv * v - south(hv * v))
        mean_v = 0.25 * (v + east(v) + south(v) + south(east(v)))
        mean_u = 0.25 * (u + west(u) + north(u) + north(west(u)))
        slope_x, slope_y = (east(zos) - zos) / spacing, (north(zos) - zos) / spacing
        new_u = u + step * (coriolis * mean_v - gravity * slope_x - drag * u + utau / (density * hu))
        v = wall * (v + step * (-coriolis * mean_u - gravity * slope_y - drag * v))
        u = new_u
        if n % EVERY == 0:
            ke = 0.25 * (u**2 + west(u) ** 2 + v**2 + south(v) ** 2)
            for name, values in (("zos", zos), ("ub", u), ("vb", v), ("ke", ke)):
                records[name].append(values)
    return {name: np.stack(values) for name, values in records.items()}
