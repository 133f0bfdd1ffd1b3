"""A Jacobian known by its products: the object that estimators hand to minimisers.

Vectors are flat `[n]` (input) and `[m]` (output) unless a maker says that they are pytrees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from emulator.precision import require_float64

Tangent = Any  # an array [n] or a pytree of arrays


@dataclass(frozen=True)
class TangentLinear:
    """Products of a Jacobian J: `mv(v)` is J v, `rmv(w)` is Jᵀ w.

    `mv_many` maps a batch of inputs with a leading axis to the batch of outputs in one sweep, where
    the maker can do better than a loop.
    """

    mv: Callable[[Tangent], Tangent]
    rmv: Callable[[Tangent], Tangent]
    mv_many: Callable[[Tangent], Tangent] | None = None

    def columns(self, directions: np.ndarray) -> Tangent:
        """J applied to each row of `directions` [q, n]; outputs with a leading axis [q]."""
        if self.mv_many is not None:
            return self.mv_many(directions)
        outputs = [self.mv(direction) for direction in directions]
        return jax.tree.map(lambda *parts: np.stack([np.asarray(p) for p in parts]), *outputs)


def from_matrix(matrix: np.ndarray) -> TangentLinear:
    """The tangent linear of a Jacobian held as a matrix [m, n] (right when n is small)."""
    matrix = np.asarray(matrix, dtype=float)
    return TangentLinear(
        mv=lambda v: matrix @ v,
        rmv=lambda w: matrix.T @ w,
        mv_many=lambda directions: directions @ matrix.T,
    )


def to_matrix(tangent: TangentLinear, size: int) -> np.ndarray:
    """The Jacobian [m, n] of a tangent linear between flat vectors; `size` is n."""
    return np.asarray(tangent.columns(np.eye(size))).T


def linearise(function: Callable[[Tangent], Tangent], point: Tangent) -> tuple[Tangent, TangentLinear]:
    """Value and exact tangent linear of a JAX function at `point` (pytrees allowed)."""
    require_float64()
    value, push = jax.linearize(function, point)
    pull = jax.linear_transpose(push, point)
    return value, TangentLinear(
        mv=push, rmv=lambda w: pull(jax.tree.map(jnp.asarray, w))[0], mv_many=jax.vmap(push)
    )


def chain(outer: TangentLinear, inner: TangentLinear) -> TangentLinear:
    """The tangent linear of outer∘inner: J = J_outer J_inner."""
    return TangentLinear(
        mv=lambda v: outer.mv(inner.mv(v)),
        rmv=lambda w: inner.rmv(outer.rmv(w)),
        mv_many=lambda directions: outer.columns(inner.columns(directions)),
    )


def inner_product(a: Tangent, b: Tangent) -> float:
    """Euclidean inner product of two pytrees of the same shape."""
    parts = jax.tree.map(lambda x, y: float(np.vdot(np.asarray(x), np.asarray(y))), a, b)
    return sum(jax.tree.leaves(parts))


def dot_product_error(tangent: TangentLinear, v: Tangent, w: Tangent) -> float:
    """|⟨J v, w⟩ − ⟨v, Jᵀ w⟩| over the Cauchy–Schwarz bound; rounding only (≲ 1e-12) when `rmv` is right."""
    pushed, pulled = tangent.mv(v), tangent.rmv(w)
    forward, backward = inner_product(pushed, w), inner_product(v, pulled)
    bound = np.sqrt(inner_product(pushed, pushed) * inner_product(w, w))
    return abs(forward - backward) / max(bound, np.finfo(float).tiny)
