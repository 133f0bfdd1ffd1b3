"""Training of a step network on recorded runs of the real model with different parameters, resumable.

    loss = mean |S^-1 (net(u, theta) − (u' − u))|²  +  weight · mean |S_r^-1 (D net(u, theta) du − (dPsi − du))|²

with S and S_r the spreads of changes and of what is left of responses: the second term compares the network's tangent
with responses of the real model to small displacements, where there are any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from optim.gradients.linearisation import RecordedRun
from optim.gradients.network import StencilNetwork
from optim.gradients.step_model import State, StepModel, difference, displaced, step_each


class Pairs(NamedTuple):
    """Flat states [m, size], parameters [m, P], changes in one step [m, size]; and displaced ones with their responses.

    `displacements` [m, size] and `responses` [m, size] (change of the next state) may be empty.
    """

    states: np.ndarray
    theta: np.ndarray
    changes: np.ndarray
    displacements: np.ndarray
    responses: np.ndarray


def pairs(
    network: StencilNetwork,
    runs: Sequence[RecordedRun],
    model: StepModel | None = None,
    displacements: Sequence[Sequence[State]] = (),
) -> Pairs:
    """Training pairs from runs; with `displacements` (one for each step of each run) `model` makes their responses."""
    layout = network.layout
    states = [layout.flat(u) for run in runs for u in run.states[:-1]]
    after = [layout.flat(u) for run in runs for u in run.states[1:]]
    theta = [[float(run.params[name]) for name in network.names] for run in runs for _ in range(run.steps)]
    moved = [layout.flat(change) for row in displacements for change in row]
    responses: list[np.ndarray] = []
    for run, row in zip(runs, displacements, strict=bool(displacements)):
        assert model is not None, "responses need the model"
        at = [displaced(u, change) for u, change in zip(run.states[:-1], row, strict=True)]
        there = step_each(model, at, [run.params] * run.steps)
        responses += [layout.flat(difference(v, u)) for v, u in zip(there, run.states[1:], strict=True)]
    empty = np.zeros((0, layout.size))
    return Pairs(
        np.stack(states),
        np.array(theta).reshape(len(states), len(network.names)),
        np.stack(after) - np.stack(states),
        np.stack(moved) if moved else empty,
        np.stack(responses) if responses else empty,
    )


@dataclass(frozen=True)
class Training:
    """Adam with a cosine schedule over `steps` batches of `batch` states, drawn from `seed`."""

    steps: int
    batch: int = 64
    rate: float = 3e-3
    tangent_weight: float = 0.0
    seed: int = 0

    def optimiser(self) -> optax.GradientTransformation:
        return optax.adam(optax.cosine_decay_schedule(self.rate, self.steps))

    def begin(self, network: StencilNetwork) -> Progress:
        """Before the first batch."""
        return Progress(network, self.optimiser().init(_trained(network)), 0, np.inf)

    def go_on(self, progress: Progress, data: Pairs, until: int | None = None) -> Progress:
        """Train up to batch `until` (default: the last one); the same numbers however often it is interrupted."""
        if self.tangent_weight and not len(data.responses):
            raise ValueError("a tangent weight was given, but the pairs have no responses")
        network, state, loss = progress.network, progress.optimiser_state, progress.loss
        spread = _spread(data.changes), _spread(data.responses - data.displacements)
        last = self.steps if until is None else min(until, self.steps)
        for number in range(progress.batches, last):
            rows = np.random.default_rng([self.seed, number]).integers(0, len(data.states), self.batch)
            batch = Pairs(*(values[rows] if len(values) else values for values in data))
            network, state, found = _updated(self, network, state, batch, spread)
            loss = float(found)
        return Progress(network, state, max(progress.batches, last), loss)


class Progress(NamedTuple):
    """Where a training stands: all that it needs to go on."""

    network: StencilNetwork
    optimiser_state: Any
    batches: int
    loss: float

    def save(self, path: Path) -> None:
        """Weights, moments and the number of batches done."""
        eqx.tree_serialise_leaves(path, (self.network, self.optimiser_state, self.batches, self.loss))

    def load(self, path: Path) -> Progress:
        """What was saved, for a progress with the same settings."""
        like = (self.network, self.optimiser_state, self.batches, self.loss)
        return Progress(*eqx.tree_deserialise_leaves(path, like))


@eqx.filter_jit
def _updated(
    training: Training, network: StencilNetwork, state: Any, batch: Pairs, spread: tuple[Any, Any]
) -> tuple[StencilNetwork, Any, Any]:
    """Network and optimiser's state after one batch, and its loss before."""
    moving, fixed = eqx.partition(network, _filter(network))

    def loss(moving: Any) -> Any:
        return _loss(eqx.combine(moving, fixed), batch, spread, training.tangent_weight)

    value, slope = jax.value_and_grad(loss)(moving)
    step, state = training.optimiser().update(slope, state)
    return eqx.combine(optax.apply_updates(moving, step), fixed), state, value


def _loss(network: StencilNetwork, batch: Pairs, spread: tuple[Any, Any], tangent_weight: float) -> Any:
    error = jax.vmap(network.changes)(batch.states, batch.theta) - batch.changes
    total = jnp.mean((error / spread[0]) ** 2)
    if not tangent_weight:
        return total

    def tangent(state: Any, theta: Any, change: Any) -> Any:
        return jax.jvp(lambda u: network.changes(u, theta), (state,), (change,))[1]

    moved = jax.vmap(tangent)(batch.states, batch.theta, batch.displacements)
    missed = moved - (batch.responses - batch.displacements)
    return total + tangent_weight * jnp.mean((missed / spread[1]) ** 2)


def _spread(values: np.ndarray) -> np.ndarray:
    """Standard deviation of each component; 1 where nothing varies or there is nothing."""
    if not len(values):
        return np.ones(values.shape[1:])
    deviation = values.std(0)
    return np.where(deviation > 0.0, deviation, 1.0)


def _filter(network: StencilNetwork) -> Any:
    """Only the layers are trained; scales stay."""
    nothing = jax.tree.map(lambda _: False, network)
    return eqx.tree_at(lambda n: n.layers, nothing, jax.tree.map(eqx.is_inexact_array, network.layers))


def _trained(network: StencilNetwork) -> Any:
    return eqx.filter(network, _filter(network))
