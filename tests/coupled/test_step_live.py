"""A live ocean model one step at a time: in any order, from any state, it makes the steps of its own run."""

from __future__ import annotations

import json
from pathlib import Path

from bridge import namelist
from bridge.models import toy_ocean

GYRE = Path(__file__).resolve().parents[2] / "examples" / "gyre" / "namelist_cfg"

SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
from bridge import Recording
from bridge.errors import ModelBlewUp
from bridge.session import Session
from optim.gradients.step_live import LiveStepModel

FIELDS = ("thetao", "so", "uo", "vo", "zos", "en")
RATE = {"namtra_qsr/rn_si1": 15.0}
said = {}

def same(state, record, n):
    return all(np.array_equal(state[name], record.fields[name][n]) for name in FIELDS)

with Session.over_mpi(timeout=60) as session:
    session.advance(5, Recording(()))
    start = session.snapshot()
    own = session.run({}, start, 4, Recording(FIELDS))
    other = session.run({"namtra_qsr": {"rn_si1": 15.0}}, start, 4, Recording(FIELDS))
    model = LiveStepModel(session, start, FIELDS)
    first = model.start()
    rolled = model.roll(first, RATE, 4)
    said["a roll is the run"] = all(same(rolled[n + 1], other, n) for n in range(4))
    said["its own value holds again"] = same(model.roll(first, {}, 4)[4], own, 3)
    said["a step back is the step of then"] = same(model.step(rolled[1], RATE), other, 1)
    said["paid"] = model.steps_spent

    fresh = LiveStepModel(session, start, FIELDS)
    said["a state that another one recorded will do"] = same(fresh.step(rolled[3], RATE), other, 3)
    said["paid by the fresh one"] = fresh.steps_spent
    warm = {**rolled[3], "thetao": rolled[3]["thetao"] + 0.1}
    said["a changed state has another future"] = not same(fresh.step(warm, RATE), other, 3)
    try:
        fresh.step({**rolled[3], "uo": rolled[3]["uo"] + 50.0}, RATE)
    except ModelBlewUp as error:
        said["blew up"] = str(error)
    said["and lives on"] = same(fresh.step(rolled[3], RATE), other, 3)
    try:
        fresh.step({**first, "step": np.array(3)}, RATE)
    except ValueError as error:
        said["too early"] = str(error)
    fresh.close(), model.close()
(Path(sys.argv[1]) / "said.json").write_text(json.dumps(said))
"""


def test_a_live_model_makes_single_steps(jobs, tmp_path: Path) -> None:
    settings = {"namrun": {"nn_write": 0, "nn_stock": 0}, "namdom": {"ln_meshmask": False}}
    configuration = namelist.apply(toy_ocean.read_namelist(GYRE), settings)
    toy_ocean.prepare(tmp_path, configuration, GYRE.parent)
    ended = jobs.run(SCRIPT, 2, "toy_ocean")
    assert ended.code == 0, ended.output
    said = json.loads((tmp_path / "said.json").read_text())
    assert said.pop("paid") == 9
    assert said.pop("paid by the fresh one") == 4  # three to get there, and the step
    assert "step 5 or later" in said.pop("too early")
    assert "rn_si1" in said.pop("blew up")
    assert said and all(value is True for value in said.values()), said
