"""A model of diffusion whose coefficient is a map, and twins of it: what estimators of maps are tested on."""

from __future__ import annotations

import numpy as np

from bridge.fields import FieldSpec
from bridge.ledger import Ledger
from bridge.model import Grid, ModelDescription, Outcome, OutcomeKind, Recording, Snapshot, Trajectory
from optim.control import Control, ControlVector
from optim.cost import Cost, Observations
from optim.forward import Forward, Window
from optim.observe import each_record, select
from optim.patches import MapControl, PatchControl, lay

START = Snapshot("start", 0, 0)
NY, NX = 12, 18
SWITCH = 4, 7  # in the middle of patch [1, 2]
MAP = MapControl("nam", "kappa", 0.05, 20.0, 1.0, 0.5, "log", patches=(4, 6))
RELAXATION = Control("nam", "rn_gamma", 0.001, 0.1, 0.01, 0.005, "log")


class Diffusion:
    """T after steps of dT = kappa(j, i) ∇²T - gamma T with closed walls, from a rough field; a step reaches one cell.

    A run blows up where kappa exceeds `limit`. With `switch`, a patch with kappa above 0.9 acts as one with 0.2 less
    whose middle is warmer: as when a column mixes, the misfit jumps, and has a minimum on either side.
    """

    def __init__(self, limit: float = 1e9, switch: bool = False) -> None:
        self.initial = np.random.default_rng(0).standard_normal((NY, NX))
        self.limit, self.switch, self.calls = limit, switch, 0

    def describe(self) -> ModelDescription:
        grid = Grid(NX, NY, 1, {"tmask": np.ones((1, NY, NX))})
        fields = {"x": FieldSpec("x", "x", "", "1", "T", ("j", "i"))}
        return ModelDescription("diffusion", "1", 1.0, grid, fields, {})

    def run(self, params, snapshot, steps, record) -> Trajectory:
        self.calls += 1
        values = params["nam"]
        kappa, gamma = 0.02 * np.asarray(values["kappa"]), float(values.get("rn_gamma", 0.01))
        warmer = np.zeros_like(kappa)
        if self.switch and kappa[SWITCH] > 0.02 * 0.9:
            kappa[3:6, 6:9] -= 0.02 * 0.2
            warmer[SWITCH] = 0.05
        state, states = self.initial, []
        for _ in range(steps):
            wide = np.pad(state, 1, mode="edge")
            sides = wide[2:, 1:-1] + wide[:-2, 1:-1] + wide[1:-1, 2:] + wide[1:-1, :-2]
            state = state + kappa * (sides - 4.0 * state) - gamma * state
            states.append(state + warmer)
        kept = np.arange(record.every, steps + 1, record.every)
        kind = OutcomeKind.BLEW_UP if np.max(values["kappa"]) > self.limit else OutcomeKind.COMPLETED
        return Trajectory(
            kept, 1.0, {"x": np.array(states)[kept - 1]}, params, Outcome(kind, steps), snapshot
        )


def twin(steps: int = 2, number: bool = False, ledger: Ledger | None = None, switch: bool = False) -> Forward:
    """Every cell observed at the end; the truth is a smooth map, and a number if asked."""
    model = Diffusion(switch=switch)
    controls = lay(ControlVector((MAP, RELAXATION) if number else (MAP,)), model.describe().grid)
    patches = [control.place for control in controls.controls if isinstance(control, PatchControl)]
    truth = smooth_map(patches) + [1.0] * number
    recording = Recording(("x",), steps)
    data = model.run(controls.to_params(np.array(truth)), START, steps, recording).fields
    operator = select("x", each_record(1), np.ones((NY, NX), bool))
    block = Observations(operator, np.asarray(operator(data)), np.full(NY * NX, 1e-3), "x")
    model.calls = 0
    return Forward(model, controls, Cost((block,), prior=False), Window(START, steps, recording), ledger)


def smooth_map(patches: list[tuple[int, int]]) -> list[float]:
    """The true x of patches at (row, column)."""
    return [1.5 * float(np.sin(1.2 * row) * np.cos(0.9 * column)) for row, column in patches]


def point(forward: Forward) -> np.ndarray:
    return np.random.default_rng(3).uniform(-0.5, 0.5, len(forward.controls))
