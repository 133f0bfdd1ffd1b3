"""Sums of padded arrays made in place: the same values, and the program that was meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emulator.veros.window_sums import with_window_sums


def primitives(function: Callable, *args: Any) -> Counter[str]:
    """How often each primitive stands in the program."""
    return Counter(equation.primitive.name for equation in jax.make_jaxpr(function)(*args).eqns)


def laplacian(x: jax.Array) -> jax.Array:
    """Of three terms, one of them computed by a function of its own, with a halo that is set."""
    inner = x[2:, 1:-1] + x[:-2, 1:-1] + jax.jit(jnp.square)(x)[1:-1, 2:] - 3 * x[1:-1, 1:-1] * x[1:-1, :-2]
    return jnp.zeros_like(x).at[1:-1, 1:-1].set(inner).at[0].set(x[-1]).at[:, -1].add(x[:, 1] ** 2)


def looped(x: jax.Array) -> jax.Array:
    """A scan over windows, with rows taken from known and from computed places."""

    def body(carry: jax.Array, row: jax.Array) -> tuple[jax.Array, jax.Array]:
        return carry + row[1:] * row[:-1], carry[2:]

    total, parts = jax.lax.scan(body, jnp.zeros(x.shape[1] - 1), x)
    return jnp.concatenate([total, parts.ravel(), x[3] * x[jnp.argmax(x[:, 0])], x[::2, 1]])


def folded(x: jax.Array) -> jax.Array:
    """Windows within windows, a padding that is not zero, one that cuts off, and an index out of bounds."""
    part = x[1:, 1:]
    wide = jnp.pad(part[:-2] * part[2:], 2, constant_values=1.5)
    cut = jax.lax.pad(x, 0.0, [(-1, 2, 0), (1, 0, 1)])
    return jnp.sum(wide**2) + jnp.sum(cut**3) + jnp.sum(x.at[len(x) + 3].get(mode="clip") ** 2)


@pytest.mark.parametrize("function", [laplacian, looped, folded])
def test_a_reverse_keeps_its_values(function: Callable) -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(7, 6)))

    def reverse(x: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, ...]:
        return jax.vjp(function, x)[1](cotangent)

    cotangent = jnp.asarray(np.random.default_rng(1).normal(size=function(x).shape))
    expected = reverse(x, cotangent)[0]
    for found in (with_window_sums(reverse), jax.jit(with_window_sums(reverse))):
        # sums of a few numbers of order 1 in another order
        np.testing.assert_allclose(found(x, cotangent)[0], expected, rtol=1e-13, atol=1e-13)


def test_windows_are_added_before_they_are_padded_and_sums_in_place() -> None:
    x = jnp.ones((7, 6))

    def reverse(x: jax.Array) -> tuple[jax.Array, ...]:
        product = lambda x: x[1:] * x[:-1] + jnp.sin(x[1:]) - x[1:] * x[:-1] ** 2  # noqa: E731
        return jax.vjp(product, x)[1](x[1:])

    before, after = (primitives(function, x) for function in (reverse, with_window_sums(reverse)))
    # five cuts in two windows: one is padded, the other added to it
    assert (before["pad"], before["dynamic_update_slice"]) == (5, 0)
    assert (after["pad"], after["dynamic_update_slice"]) == (1, 1)


def test_scatters_and_gathers_of_one_window_are_updates_and_slices() -> None:
    def reverse(x: jax.Array) -> tuple[jax.Array, ...]:
        return jax.vjp(lambda x: x.at[1:-1, -2].set(x[2, 1:5]) ** 2, x)[1](x)

    x = jnp.ones((6, 7))
    before, after = (primitives(function, x) for function in (reverse, with_window_sums(reverse)))
    assert before["scatter"] and before["gather"]
    assert not after["scatter"] and not after["gather"]


def test_sums_that_are_used_twice_are_made_once() -> None:
    x = jnp.arange(5.0)

    def sums(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        slope = jax.vjp(lambda x: x[1:] * x[:-1], x)[1](x[1:])[0]
        return slope, slope**2

    assert primitives(with_window_sums(sums), x)["dynamic_update_slice"] == 1
    np.testing.assert_allclose(with_window_sums(sums)(x)[1], sums(x)[1], rtol=1e-15)


def test_a_function_applied_in_a_window_is_applied() -> None:
    x = jnp.arange(1.0, 7.0)
    for where in (2, slice(1, 3)):
        applied = with_window_sums(lambda x, where=where: x.at[where].apply(jnp.sin))
        np.testing.assert_array_equal(applied(x), x.at[where].apply(jnp.sin))


def test_complex_values_are_padded_too() -> None:
    x = jnp.arange(5.0) + 1j
    reverse = lambda x: jax.vjp(lambda x: x[1:] - x[:-1], x)[1](x[1:])[0]  # noqa: E731
    np.testing.assert_array_equal(with_window_sums(reverse)(x), reverse(x))
