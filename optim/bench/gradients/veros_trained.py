"""Flows of VEROS that are learned once, from a run whose parameters lie far from all test points, and serve all others.

The run has every parameter `_FAR` log-units off its prior mean, at random to either side: two spreads of the widest
prior, more of the others, where test points lie within half a spread.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optim.bench.gradients.veros_stepped import FIELD, SteppedVeros
from optim.gradients.ensemble_flow import EnsembleFlow, FittedFlow
from optim.gradients.layout import Layout
from optim.gradients.linearisation import RecordedRun
from optim.gradients.network import StencilNetwork, network
from optim.gradients.network_training import Training, pairs
from optim.gradients.other_step import OtherStep
from optim.gradients.stencil import Stencil, cross, grid_stencil

_FAR = 0.6
_STEPS = 20
_SPREAD = 1e-6  # K
_RESPONSES = 5  # displaced steps for each step of the run
_TRAINING = Training(steps=400, batch=2, rate=3e-3, tangent_weight=1.0)
_ENERGY = "tke"  # says how strongly a column mixes


@dataclass(frozen=True)
class Lessons:
    """Runs far from the test points, and what has been learned from them, by seed."""

    stepped: SteppedVeros
    _trained: dict[int, OtherStep] = field(default_factory=dict)

    def far_run(self, seed: int) -> RecordedRun:
        """The run that is learned from."""
        own = self.stepped.runs.veros.params()
        sides = np.random.default_rng([seed, 1]).choice([-1.0, 1.0], len(own))
        factors = np.exp(_FAR * sides)
        params = {f"veros/{n}": float(v) * f for (n, v), f in zip(own.items(), factors, strict=True)}
        return RecordedRun.of(self.stepped.model, self.stepped.start, params, _STEPS)

    def fitted(self, kind: EnsembleFlow, seed: int) -> FittedFlow:
        """An ensemble's coefficients along the far run."""
        return kind.fit(self.far_run(seed))

    def trained(self, seed: int) -> OtherStep:
        """A network that knows the changes of temperature along the far run and their responses.

        Every call pays for the run and the responses, and only the first one trains.
        """
        run = self.far_run(seed)
        random = np.random.default_rng([seed, 2])
        wet = self.stepped.runs.model.describe().grid.tmask
        moved = [
            [{FIELD: _SPREAD * random.standard_normal(wet.shape) * wet} for _ in range(run.steps)]
            for _ in range(_RESPONSES)
        ]
        start = _untrained(self.stepped, run, seed)
        data = pairs(start, [run] * _RESPONSES, self.stepped.model, moved)
        if seed not in self._trained:
            self._trained[seed] = _TRAINING.go_on(_TRAINING.begin(start), data).network.kind()
        return self._trained[seed]


def _untrained(stepped: SteppedVeros, run: RecordedRun, seed: int) -> StencilNetwork:
    layout = Layout.of({name: stepped.start[name] for name in (FIELD, _ENERGY)})
    stencil = _stencil(layout, stepped.runs.model.describe().grid.tmask)
    samples = [layout.flat(state) for state in run.states]
    changes = [after - before for before, after in zip(samples, samples[1:], strict=False)]
    shape = layout.shapes[FIELD]
    place = np.stack(np.unravel_index(stencil.outputs[:, 0], shape), axis=1) / np.array(shape) - 0.5
    return network(stencil, layout, {}, samples[:-1], changes, width=32, place=place[:, :2], seed=seed)


def _stencil(layout: Layout, wet: np.ndarray) -> Stencil:
    """Temperature from its column, its four neighbours and the column's turbulent energy."""
    outputs = Layout({FIELD: layout.shapes[FIELD]})
    aside = [shift for shift in cross(0, 1, 1) if any(shift)]
    made = grid_stencil(layout, outputs, {FIELD: aside}, (False, False, True), (FIELD, _ENERGY))
    return made.of_wet_cells(wet.ravel() > 0)
