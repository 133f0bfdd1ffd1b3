"""Running sums along columns, level by level in the order of the Fortran model: the pressure is a large number
whose horizontal differences are small, so that another order of summation shows."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def sum_down(a: Array) -> Array:
    """b(k) = a(1) + … + a(k), [k, j, i]."""
    return _running_sum(a, reverse=False)


def sum_up(a: Array) -> Array:
    """b(k) = a(nz) + … + a(k), [k, j, i]."""
    return _running_sum(a, reverse=True)


def _running_sum(a: Array, *, reverse: bool) -> Array:
    def add(total: Array, level: Array) -> tuple[Array, Array]:
        total = total + level
        return total, total

    return jax.lax.scan(add, jnp.zeros_like(a[0]), a, reverse=reverse)[1]
