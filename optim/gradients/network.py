"""A network that has learned one step of the real model, for its derivative at recorded states.

At every cell of a stencil the same small network maps the values around it, the parameters and what is particular to
the place to the change of the cell's own values:

    u_{k+1} − u_k  =  S_out net([ (u_inputs − mean)/S_in ; (theta − theta_0)/S_theta ; place ])

It never runs by itself. How well it predicts says little about how well it responds (small errors of values, large ones
of derivatives), so that it is trained on parameter-diverse runs and, if there are any, on responses (`training`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from emulator.precision import require_float64
from optim.gradients.layout import Layout
from optim.gradients.linearisation import Needs
from optim.gradients.other_step import OtherStep
from optim.gradients.stencil import NOTHING, Stencil


class StencilNetwork(eqx.Module):
    """Weights and scales. Scalar parameters only; `names` gives their order."""

    layers: eqx.nn.MLP
    centre: jax.Array  # [p] of the stencil's inputs
    width: jax.Array  # [p]
    change: jax.Array  # [q] of the stencil's outputs
    background: jax.Array  # [parameters]
    spread: jax.Array  # [parameters]
    place: jax.Array  # [cells, features]
    inputs: jax.Array  # [cells, p] of whole numbers, as the stencil's
    outputs: jax.Array  # [cells, q]
    layout: Layout = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)

    def changes(self, vector: Any, theta: Any) -> Any:
        """Change of a flat state [size] in one step, with parameters [P]."""
        seen = (jnp.append(vector, 0.0)[self.inputs] - self.centre) / self.width
        given = jnp.broadcast_to((theta - self.background) / self.spread, (len(seen), len(self.names)))
        answers = jax.vmap(self.layers)(jnp.concatenate([seen, given, self.place], axis=1)) * self.change
        places = jnp.where(self.outputs == NOTHING, self.layout.size, self.outputs)
        return jnp.zeros(self.layout.size + 1).at[places].add(answers)[:-1]

    def step(self, state: Any, params: Any) -> dict[str, Any]:
        """The next state, as a step map."""
        vector = jnp.concatenate([jnp.ravel(state[name]) for name in self.layout.shapes])
        theta = (
            jnp.stack([jnp.asarray(params[name], float) for name in self.names])
            if self.names
            else jnp.zeros(0)
        )
        after = vector + self.changes(vector, theta)
        ends = np.cumsum([int(np.prod(shape)) for shape in self.layout.shapes.values()])
        parts = jnp.split(after, ends[:-1])
        return {
            n: part.reshape(shape) for part, (n, shape) in zip(parts, self.layout.shapes.items(), strict=True)
        }

    def kind(self) -> OtherStep:
        """Flow and forcing with this network's derivatives."""
        return OtherStep(self.step, Needs(training=True))

    def save(self, path: Path) -> None:
        """Weights and scales; settings are the caller's."""
        eqx.tree_serialise_leaves(path, self)

    def load(self, path: Path) -> StencilNetwork:
        """A network of the same settings with the weights and scales that were saved."""
        return eqx.tree_deserialise_leaves(path, self)


def network(
    stencil: Stencil,
    layout: Layout,
    spreads: Mapping[str, tuple[float, float]],
    samples: Sequence[np.ndarray],
    responses: Sequence[np.ndarray],
    *,
    width: int = 64,
    depth: int = 2,
    place: np.ndarray | None = None,
    seed: int = 0,
) -> StencilNetwork:
    """An untrained network for states of `layout`, scaled by `samples` of flat states and their changes.

    `spreads` gives (background, spread) of each parameter; `place` [cells, features] tells cells apart.
    """
    require_float64()
    states = np.append(np.stack(samples), np.zeros((len(samples), 1)), axis=1)
    moved = np.append(np.stack(responses), np.zeros((len(responses), 1)), axis=1)
    seen, made = states[:, stencil.inputs], moved[:, stencil.outputs]
    features = np.zeros((len(stencil.inputs), 0)) if place is None else np.asarray(place, float)
    size = stencil.inputs.shape[1] + len(spreads) + features.shape[1]
    layers = eqx.nn.MLP(
        size, stencil.outputs.shape[1], width, depth, jax.nn.gelu, key=jax.random.PRNGKey(seed), dtype=float
    )
    return StencilNetwork(
        layers,
        jnp.asarray(seen.mean((0, 1))),
        jnp.asarray(_positive(seen.std((0, 1)))),
        jnp.asarray(_positive(made.std((0, 1)))),
        jnp.asarray([centre for centre, _ in spreads.values()], float),
        jnp.asarray([spread for _, spread in spreads.values()], float),
        jnp.asarray(features),
        jnp.asarray(stencil.inputs),
        jnp.asarray(stencil.outputs),
        layout,
        tuple(spreads),
    )


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0.0, values, 1.0)
