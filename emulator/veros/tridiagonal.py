"""VEROS's vertical solves, with the derivative of a solve in place of that of its loops.

    A x = d:   δx = A⁻¹ (δd − δA x),   and in reverse one solve with Aᵀ

VEROS's JAX backend solves by two scans (Thomas' algorithm). Their own reverse is two more that keep what the first did.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

#: solve(a, b, c, d, water_mask, edge_mask) -> x, all [x, y, z]: a is below the diagonal, b on it, c above it
Solve = Callable[..., jax.Array]


def with_derivative_of_a_solve(stock: Solve) -> Solve:
    """VEROS's `solve_tridiagonal`, with a derivative of its own.

    Columns are solved from the `edge_mask` upwards; where the `water_mask` is false x is 0.
    """

    @jax.custom_jvp
    def solve(a: Any, b: Any, c: Any, d: Any, water_mask: Any, edge_mask: Any) -> jax.Array:
        return stock(a, b, c, d, water_mask, edge_mask)

    def unmasked(a: jax.Array, b: jax.Array, c: jax.Array, d: jax.Array) -> jax.Array:
        return stock(a, b, c, d, jnp.ones(d.shape, bool), jnp.zeros(d.shape, bool))

    @solve.defjvp
    def derivative(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[jax.Array, jax.Array]:
        a, b, c, _, water, edge = primals
        change_a, change_b, change_c, change_d, *_ = tangents
        x = solve(*primals)
        inner = water & ~edge
        a, b, c = jnp.where(inner, a, 0.0), jnp.where(water, b, 1.0), jnp.where(water, c, 0.0)
        change_of_product = inner * change_a * _below(x) + water * (change_b * x + change_c * _above(x))
        change = lax.custom_linear_solve(
            lambda x: a * _below(x) + b * x + c * _above(x),
            water * change_d - change_of_product,
            lambda _, right: unmasked(a, b, c, right),
            lambda _, right: unmasked(_below(c), b, _above(a), right),
        )
        return x, change

    return solve


def _below(x: jax.Array) -> jax.Array:
    """At each level the value of the level below, 0 at the lowest."""
    return jnp.concatenate([jnp.zeros_like(x[..., :1]), x[..., :-1]], axis=-1)


def _above(x: jax.Array) -> jax.Array:
    """At each level the value of the level above, 0 at the highest."""
    return jnp.concatenate([x[..., 1:], jnp.zeros_like(x[..., :1])], axis=-1)
