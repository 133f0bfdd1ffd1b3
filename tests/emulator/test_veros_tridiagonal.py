"""The vertical solves and their derivatives, beside a dense solve of each column."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from emulator.veros.runtime import ready


def test_vertical_solves_and_their_derivatives_are_those_of_dense_matrices() -> None:
    ready()
    from veros.core import utilities

    rng = np.random.default_rng(0)
    shape = nx, ny, nz = 3, 2, 5
    a, c, d = rng.normal(size=(3, *shape))
    b = 4 + rng.uniform(size=shape)
    bottom = np.array([[0, 1], [2, 4], [5, 3]])[
        ..., None
    ]  # of 5 levels: a column of one cell, and one of none
    water, edge = np.arange(nz) >= bottom, np.arange(nz) == bottom

    def dense(a: jax.Array, b: jax.Array, c: jax.Array, d: jax.Array) -> jax.Array:
        below = jnp.where(water & ~edge, a, 0.0)[..., 1:]
        matrix = jax.vmap(jax.vmap(lambda low, on, up: jnp.diag(low, -1) + jnp.diag(on) + jnp.diag(up, 1)))
        rows = matrix(below, jnp.where(water, b, 1.0), jnp.where(water, c, 0.0)[..., :-1])
        return jnp.linalg.solve(rows, jnp.where(water, d, 0.0)[..., None])[..., 0]

    def ours(a: jax.Array, b: jax.Array, c: jax.Array, d: jax.Array) -> jax.Array:
        return utilities.solve_tridiagonal(a, b, c, d, water, edge)

    point, along, weights = (a, b, c, d), tuple(rng.normal(size=(4, *shape))), rng.normal(size=shape)
    for found, expected in zip(jax.jvp(ours, point, along), jax.jvp(dense, point, along), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    (x, pull), (_, pull_dense) = jax.vjp(jax.jit(ours), *point), jax.vjp(dense, *point)
    assert np.all(x[~water] == 0)
    for found, expected in zip(pull(weights), pull_dense(weights), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
