"""A closure with its derivatives: what a coupled run needs of a network in order to train it.

A closure maps fields of the model to forcing, both dictionaries of arrays by name. This file takes those written in JAX
(equinox included); `emulator.torch_interop.TorchClosure` takes a torch module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from emulator.precision import require_float64

Fields = dict[str, Any]
Weights = Any  # a pytree of arrays


class Closure(Protocol):
    """Forcing from fields, and the transpose of its derivative."""

    def forcing(self, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What is sent to the model: {name: [(k,) j, i]}."""
        ...

    def pull(
        self, fields: Mapping[str, np.ndarray], sensitivity: Mapping[str, Any]
    ) -> tuple[dict[str, np.ndarray], Weights]:
        """Sensitivities to the fields and to the weights (a pytree) from those to the forcing."""
        ...


@dataclass(frozen=True)
class JaxClosure:
    """`function(weights, fields) -> forcing` at these weights.

    It is compiled once per function object: make a new JaxClosure of the same function for other weights.
    With equinox: `weights, static = eqx.partition(network, eqx.is_inexact_array)`, and combine them in the function.
    """

    function: Callable[[Weights, Fields], Fields]
    weights: Weights

    def __post_init__(self) -> None:
        require_float64()

    def forcing(self, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What is sent to the model."""
        made = _forcing(self.function, self.weights, _on_device(fields))
        return {name: np.asarray(values) for name, values in made.items()}

    def pull(
        self, fields: Mapping[str, np.ndarray], sensitivity: Mapping[str, Any]
    ) -> tuple[dict[str, np.ndarray], Weights]:
        """(to the fields, to the weights)."""
        weights, of_fields = _pull(self.function, self.weights, _on_device(fields), _on_device(sensitivity))
        return {name: np.asarray(values) for name, values in of_fields.items()}, weights


def _on_device(fields: Mapping[str, Any]) -> dict[str, jax.Array]:
    return {name: jnp.asarray(values) for name, values in fields.items()}


@partial(jax.jit, static_argnums=0)
def _forcing(function: Callable, weights: Weights, fields: Fields) -> Fields:
    return function(weights, fields)


@partial(jax.jit, static_argnums=0)
def _pull(
    function: Callable, weights: Weights, fields: Fields, sensitivity: Fields
) -> tuple[Weights, Fields]:
    return jax.vjp(function, weights, fields)[1](sensitivity)
