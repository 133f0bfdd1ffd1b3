"""Cells that compare gradients with differences: by parameter, along random directions of temperature, elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from optim.bench.veros.cells import Cells
from optim.bench.veros.differences import central, displaced, values_along
from optim.bench.veros.reference import LOSSES, loss

if TYPE_CHECKING:
    from emulator.veros.model import VerosModel

#: relative to the parameter
PARAMETER_STEPS = tuple(10.0**-k for k in range(2, 8))
#: °C at each point, of a direction of unit variance
TEMPERATURE_STEPS = tuple(10.0**-k for k in range(3, 9))


@dataclass(frozen=True)
class Point:
    """Where gradients are compared: a model, a state to start from, parameters; `tag` names its cells."""

    model: VerosModel
    state: Any
    params: Any
    horizons: tuple[int, ...]
    cells: Cells
    tag: str

    @cached_property
    def losses(self) -> dict[str, Any]:
        """The losses, compiled."""
        return {name: jax.jit(loss(self.model, name)) for name in LOSSES}

    def gradient(self, name: str, horizon: int) -> dict[str, np.ndarray]:
        """Derivatives of a loss after `horizon` steps with respect to parameters and initial temperature, kept."""
        from emulator.veros.gradient import GradientSweep

        file = self.cells.file(f"{self.tag}.gradient.{name}.n{horizon}", ".npz")
        if not file.exists():
            sweep = GradientSweep(self.model, loss(self.model, name))
            found = sweep.value_and_gradient(self.state, self.params, [None], every=horizon)
            unfinished = file.with_suffix(".part.npz")
            np.savez(unfinished, **found.params, temp=found.state["temp"])
            unfinished.rename(file)
        with np.load(file) as kept:
            return dict(kept)

    def compared(self, direction: Mapping[str, Any], steps: Sequence[float]) -> dict[str, Any]:
        """{loss: {horizon: the exact derivative and its differences}} along `direction`."""

        def evaluate(size: float) -> Any:
            moved = displaced(self.state, self.params, direction, size)
            return values_along(self.model.compiled_step, self.losses, *moved, self.horizons)

        differences = central(evaluate, steps)
        return {
            name: {
                str(n): {"exact": self._exact(name, n, direction), "differences": differences[name][n]}
                for n in self.horizons
            }
            for name in LOSSES
        }

    def _exact(self, name: str, horizon: int, direction: Mapping[str, Any]) -> float:
        gradient = self.gradient(name, horizon)
        return float(sum(np.vdot(gradient[where], change) for where, change in direction.items()))


def parameter_cells(point: Point, names: Sequence[str]) -> dict[str, Any]:
    """{parameter: {loss: {horizon: …}}}; each parameter is a cell, and its derivative is times its value."""

    def measure(name: str) -> Any:
        return point.compared({name: float(point.params[name])}, PARAMETER_STEPS)

    return {name: point.cells.get(f"{point.tag}.{name}", measure, name) for name in names}


def temperature_cells(point: Point, seeds: Sequence[int]) -> dict[str, Any]:
    """{direction: {loss: {horizon: …}}} for random directions of the initial temperature, one for each seed."""
    wet = point.model.constant("maskT")

    def measure(seed: int) -> Any:
        direction = {"temp": np.random.default_rng(seed).normal(size=wet.shape) * wet}
        return point.compared(direction, TEMPERATURE_STEPS)

    return {
        f"direction{seed}": point.cells.get(f"{point.tag}.direction{seed}", measure, seed) for seed in seeds
    }


def elsewhere(model: VerosModel, seed: int, names: Sequence[str]) -> dict[str, Any]:
    """Parameters at a random point: each times a log-normal factor with a spread of 30 %."""
    factors = np.exp(0.3 * np.random.default_rng(seed).normal(size=len(names)))
    own = model.params()
    return {**own, **{name: own[name] * factor for name, factor in zip(names, factors, strict=True)}}
