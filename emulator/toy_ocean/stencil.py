"""Neighbours of [k, j, i] or [j, i] arrays: `ip1(a)` is a at i+1.

In i and j the arrays wrap, which is right for a periodic grid and harmless on a closed one, whose outer ring is
land (masks are 0 there). In k nothing wraps: what lies outside is 0.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from emulator.toy_ocean.isolated import isolated


@isolated
def ip1(a: Array) -> Array:
    """a(i+1)."""
    return jnp.roll(a, -1, axis=-1)


@isolated
def im1(a: Array) -> Array:
    """a(i-1)."""
    return jnp.roll(a, 1, axis=-1)


@isolated
def jp1(a: Array) -> Array:
    """a(j+1)."""
    return jnp.roll(a, -1, axis=-2)


@isolated
def jm1(a: Array) -> Array:
    """a(j-1)."""
    return jnp.roll(a, 1, axis=-2)


def kp1(a: Array) -> Array:
    """a(k+1), the level below; 0 below the last one. Only for [k, j, i]."""
    return jnp.concatenate([a[1:], jnp.zeros_like(a[:1])], axis=0)


def km1(a: Array) -> Array:
    """a(k-1), the level above; 0 above the first one. Only for [k, j, i]."""
    return jnp.concatenate([jnp.zeros_like(a[:1]), a[:-1]], axis=0)
