"""Functions whose derivative must stay finite where the model itself is not differentiable."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array


def sqrt(x: Array) -> Array:
    """Square root with derivative 0 at x <= 0 (the model's own value there is 0; a land point has x = 0)."""
    positive = x > 0.0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)
