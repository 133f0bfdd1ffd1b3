"""The network in JAX: an equinox multi-layer perceptron that makes diffusivities of a column of temperature."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
from gyre_windows import Columns, Window, mixing_tendency

from emulator.closure import JaxClosure

WIDTH = 32
LARGE = 1.0e-4  # m2 s-1


class JaxLearner:
    """Weights and Adam; one `descend` is one real run for each window."""

    def __init__(self, columns: Columns, rate: float, seed: int) -> None:
        levels = len(columns.e3t)
        network = eqx.nn.MLP(levels, levels - 1, WIDTH, 1, jax.nn.tanh, key=jax.random.key(seed))
        last = network.layers[-1]
        quiet = eqx.tree_at(lambda a: (a.weight, a.bias), last, (0.1 * last.weight, last.bias - 4.0))
        network = eqx.tree_at(lambda n: n.layers[-1], network, quiet)  # begins with next to no mixing
        self.weights, self._static = eqx.partition(network, eqx.is_inexact_array)
        self.columns = columns
        self._arrays = {name: jnp.asarray(values, float) for name, values in vars(columns).items()}
        self._adam = optax.adam(rate)
        self._memory = self._adam.init(self.weights)
        self.history: list[float] = []

    @property
    def closure(self) -> JaxClosure:
        """The network as it is now."""
        return JaxClosure(self._tendency, self.weights)

    def _tendency(self, weights: Any, fields: Any) -> dict[str, jax.Array]:
        network, columns = eqx.combine(weights, self._static), self._arrays
        inputs = (jnp.moveaxis(fields["thetao"], 0, -1) - columns["mean"]) / columns["spread"]
        outputs = jax.vmap(jax.vmap(network))(inputs)
        diffusivity = LARGE * jax.nn.softplus(jnp.moveaxis(outputs, -1, 0))
        return {"thetao_tendency": mixing_tendency(jnp, diffusivity, fields["thetao"], columns)}

    def gradient(self, windows: list[Window]) -> tuple[float, Any]:
        """Mean loss of the windows and its gradient."""
        closure, total, gradient = self.closure, 0.0, None
        for window in windows:
            records, pull = window.run(closure)
            loss, slope = jax.value_and_grad(window.loss)(records["thetao"], window.target, window.weights)
            share = pull({"thetao": slope})
            total += float(loss)
            gradient = share if gradient is None else jax.tree.map(jnp.add, gradient, share)
        return total / len(windows), jax.tree.map(lambda g: g / len(windows), gradient)

    def descend(self, windows: list[Window]) -> float:
        """One step of Adam; the loss before it."""
        loss, gradient = self.gradient(windows)
        change, self._memory = self._adam.update(gradient, self._memory)
        self.weights = optax.apply_updates(self.weights, change)
        self.history.append(loss)
        return loss

    # --- for the check against differences: the weights as one vector ---

    def vector(self) -> np.ndarray:
        """All weights [n]."""
        return np.array(jax.flatten_util.ravel_pytree(self.weights)[0])

    def set_vector(self, values: np.ndarray) -> None:
        """Other weights [n]."""
        self.weights = jax.flatten_util.ravel_pytree(self.weights)[1](jnp.asarray(values))

    def gradient_vector(self, windows: list[Window]) -> np.ndarray:
        """The gradient [n]."""
        return np.asarray(jax.flatten_util.ravel_pytree(self.gradient(windows)[1])[0])

    # --- on disk ---

    def save(self, path: Path) -> None:
        """Weights, Adam's memory and the history; the file is there whole or not at all."""
        leaves = jax.tree.leaves((self.weights, self._memory))
        part = path.with_suffix(".part.npz")
        np.savez(part, *(np.asarray(leaf) for leaf in leaves), history=np.array(self.history))
        os.replace(part, path)

    def load(self, path: Path) -> None:
        """Go on where `save` was called."""
        kept = (self.weights, self._memory)
        with np.load(path) as file:
            leaves = [jnp.asarray(file[f"arr_{n}"]) for n in range(len(jax.tree.leaves(kept)))]
            self.history = [float(loss) for loss in file["history"]]
        self.weights, self._memory = jax.tree.unflatten(jax.tree.structure(kept), leaves)
