"""VEROS spun up: a black box, runs of it compared with a known one, and its own exact adjoint.

Temperature, barotropic streamfunction and mixed-layer depth are observed, as means over boxes and over the window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from bridge.model import Recording, Snapshot
from optim.bench.gradients.boxes import balanced_cost, box_means
from optim.control import Control, ControlVector
from optim.forward import Forward, Window
from optim.observe import ObservationOperator

if TYPE_CHECKING:
    from emulator.veros.black_box import VerosBlackBox
    from emulator.veros.gradient import Gradient, GradientSweep
    from emulator.veros.model import VerosModel
    from emulator.veros.prognostic import State

SPIN_UP = 200  # steps of 12 hours from rest, of the channel
_CLIMATOLOGY = Path("examples/global/global_4deg.nc")
FIELDS = ("temp", "psi", "mld")
BOXES = (8, 4, 12)  # cells on a side: temperature, streamfunction, mixed layer


@dataclass(frozen=True)
class VerosRuns:
    """`veros` itself, for the referee alone; `model`, a black box of it; `state` and `start`, where runs begin."""

    veros: VerosModel
    model: VerosBlackBox
    state: State
    start: Snapshot
    sweep: GradientSweep

    @classmethod
    def spun_up(cls, parameters: Sequence[str], setup: str = "acc", steps: int = SPIN_UP) -> VerosRuns:
        """The set-up of VEROS with these settings as parameters, after `steps` steps from its own start."""
        veros = set_up(setup, parameters)
        state = veros.initial_state()
        for _ in range(steps):
            state = veros.compiled_step(state, veros.params())
        return cls.of(veros, state)

    @classmethod
    def of(cls, veros: VerosModel, state: State) -> VerosRuns:
        """Runs that begin with `state`."""
        from emulator.veros.gradient import GradientSweep
        from emulator.veros_model import veros_black_box

        model = veros_black_box(veros, state)
        return cls(veros, model, state, model.snapshot(), GradientSweep(veros, _weighted(veros)))

    def controls(self, priors: Sequence[tuple[str, float]]) -> ControlVector:
        """Log-normal priors around the set-up's own values; `priors`: names, spreads as logarithms of factors."""
        own = self.veros.params()
        made = []
        for name, spread in priors:
            mean = float(own[name])
            ends = mean * np.exp(-4.0 * spread), mean * np.exp(4.0 * spread)
            made.append(Control("veros", name, *ends, mean, mean * spread, "log"))
        return ControlVector(tuple(made))

    def forward(self, controls: ControlVector, truth: np.ndarray, others: np.ndarray, steps: int) -> Forward:
        """Runs of `steps` steps compared with the one at `truth`; blocks weigh alike in the mean over `others`."""
        observed, *runs = (self._run(controls, x, steps) for x in (truth, *others))
        cost = balanced_cost(self._operators(steps), observed, runs)
        return Forward(self.model, controls, cost, Window(self.start, steps, _recording(steps)))

    def observe(self, controls: ControlVector, x: np.ndarray, steps: int) -> list[np.ndarray]:
        """What a run at x shows: a vector for each block of observations."""
        fields = self._run(controls, x, steps)
        return [np.asarray(operator(fields)) for operator in self._operators(steps)]

    def _run(self, controls: ControlVector, x: np.ndarray, steps: int) -> Mapping[str, np.ndarray]:
        return self.model.run(controls.to_params(x), self.start, steps, _recording(steps)).fields

    def _operators(self, steps: int) -> list[ObservationOperator]:
        """Upper and lower temperature, streamfunction, mixed layer: means over boxes and the window."""
        mask, records = self.model.describe().grid.tmask, steps // _recording(steps).every
        upper, lower = len(mask) // 4 + 1, 3 * len(mask) // 5  # of 15 levels the first 4, and 5 more
        layers = [(0, upper), (upper, lower)]
        wide, middle, coarse = BOXES
        found = [
            *(box_means("temp", mask, wide, [layer]) for layer in layers),
            box_means("psi", mask[0], middle),
            box_means("mld", mask[0], coarse),
        ]
        return [replace(operator, time_weights=np.full((1, records), 1.0 / records)) for operator in found]

    def exact(self, forward: Forward, x: np.ndarray) -> np.ndarray:
        """Gradient [P] with respect to x."""
        gradient = self.exact_gradient(forward, x).params
        names = [control.entry for control in forward.controls.controls]
        return np.array([float(gradient[name]) for name in names]) * forward.controls.slopes(x)

    def exact_gradient(self, forward: Forward, x: np.ndarray) -> Gradient:
        """By the adjoint of VEROS, of the linear functional of the records that the residual at x gives."""
        data, every = (
            self.record_weights(forward, forward.trajectory(x).fields),
            forward.window.recording.every,
        )
        names = [control.entry for control in forward.controls.controls]
        values = dict(zip(names, forward.controls.to_values(x), strict=True))
        params = self.veros.params(**values)
        return self.sweep.value_and_gradient(self.state, params, data, every)

    def record_weights(self, forward: Forward, fields: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        """dJ/d(observed fields) at each record."""
        shapes = {name: fields[name].shape for name in forward.cost.fields}
        weights = forward.cost.misfit_adjoint(forward.cost.misfit(fields), shapes)
        records = forward.window.steps // forward.window.recording.every
        return [{name: jnp.asarray(w[record]) for name, w in weights.items()} for record in range(records)]


def _climatology() -> Path:
    """The file of the 4° world, in the working directory or beside the packages."""
    return _CLIMATOLOGY if _CLIMATOLOGY.is_file() else Path(__file__).parents[3] / _CLIMATOLOGY


def _recording(steps: int) -> Recording:
    """Ten records of a window, or all steps of a shorter one."""
    return Recording(FIELDS, max(1, steps // 10))


def set_up(setup: str, parameters: Sequence[str], overrides: Mapping[str, Any] | None = None) -> VerosModel:
    """A set-up of VEROS by name, with these settings as parameters, and others replaced."""
    from emulator.veros_model import veros_model

    return veros_model(setup, tuple(parameters), overrides, _climatology() if setup == "world" else None)


def observed(veros: VerosModel, state: Mapping[str, Any]) -> dict[str, Any]:
    """What the black box records, differentiable, in its layout [k, j, i]."""
    from emulator.veros.observed import interior, mixed_layer_depth

    temperature = interior(state["temp"]).transpose(2, 1, 0)[::-1]
    depth = mixed_layer_depth(veros, dict(state))
    return {"temp": temperature, "psi": interior(state["psi"]).T, "mld": depth.T}


def _weighted(veros: VerosModel) -> Callable[[Mapping[str, Any], Mapping[str, Any]], jax.Array]:
    def weighted(state: Mapping[str, Any], weights: Mapping[str, Any]) -> jax.Array:
        fields = observed(veros, state)
        return sum((jnp.sum(weight * fields[name]) for name, weight in weights.items()), jnp.zeros(()))

    return weighted
