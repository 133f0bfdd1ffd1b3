"""Tangent linears and sweeps: products against finite differences, adjoints against the dot product."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emulator.sweep import Sweep, backward_sweep, forward_sweep
from emulator.tangent_linear import (
    TangentLinear,
    chain,
    dot_product_error,
    from_matrix,
    inner_product,
    linearise,
    to_matrix,
)

RANDOM = np.random.default_rng(3)


def test_linearised_function_matches_finite_differences_and_its_adjoint() -> None:
    def function(x):
        return {"a": jnp.sin(x[:2]) * x[2], "b": jnp.exp(x)}

    x, v, h = np.array([0.3, -0.2, 1.1]), np.array([1.0, 0.5, -2.0]), 1e-6
    value, tangent = linearise(function, x)
    difference = jax.tree.map(lambda p, m: (p - m) / (2 * h), function(x + h * v), function(x - h * v))
    for name, expected in difference.items():
        assert np.asarray(tangent.mv(v)[name]) == pytest.approx(np.asarray(expected), rel=1e-8, abs=1e-9)
    weights = jax.tree.map(lambda a: RANDOM.standard_normal(a.shape), value)
    assert dot_product_error(tangent, v, weights) < 1e-14  # a handful of operations: rounding


def test_columns_of_any_tangent_linear_form_its_matrix() -> None:
    matrix = RANDOM.standard_normal((5, 3))
    by_loop = TangentLinear(mv=lambda v: matrix @ v, rmv=lambda w: matrix.T @ w)
    assert np.allclose(to_matrix(by_loop, 3), matrix, rtol=1e-15)
    assert np.allclose(to_matrix(from_matrix(matrix), 3), matrix, rtol=1e-15)


def test_chain_multiplies_the_jacobians() -> None:
    outer, inner = RANDOM.standard_normal((4, 5)), RANDOM.standard_normal((5, 3))
    product = chain(from_matrix(outer), from_matrix(inner))
    assert np.allclose(to_matrix(product, 3), outer @ inner, rtol=1e-13)
    assert np.allclose(product.rmv(np.ones(4)), (outer @ inner).T @ np.ones(4), rtol=1e-13)


def step(state, theta, frozen):
    """A small nonlinear step on a pytree state."""
    a = state["a"] + 0.1 * (theta[0] * jnp.sin(state["b"]) - theta[1] * state["a"] * frozen)
    return {"a": a, "b": state["b"] + 0.05 * a**2}


def rollout(theta, count=6):
    state = {"a": jnp.array([1.0, 2.0]), "b": jnp.array([0.5, -0.5])}
    states, frozen = [state], jnp.linspace(1.0, 2.0, count)
    for number in range(count):
        states.append(step(states[-1], theta, frozen[number]))
    return jax.tree.map(lambda *s: jnp.stack(s), *states), frozen


def recorded(theta):
    states, frozen = rollout(theta)
    return jax.tree.map(lambda s: s[:-1], states), frozen


THETA = jnp.array([0.7, 0.3])


def test_forward_sweep_at_the_models_own_states_is_the_exact_tangent() -> None:
    starts, frozen = recorded(THETA)
    dtheta = jnp.array([1.0, -2.0])
    swept = forward_sweep(Sweep(step), starts, frozen, THETA, dtheta)
    exact = jax.jvp(lambda t: rollout(t)[0], (THETA,), (dtheta,))[1]
    for name in swept:
        assert np.allclose(swept[name], exact[name][1:], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("flow", ["model", "identity"])
@pytest.mark.parametrize(("damping", "substeps"), [(0.0, 1), (0.3, 1), (0.1, 3)])
def test_backward_sweep_is_the_adjoint_of_the_forward_sweep(flow: str, damping: float, substeps: int) -> None:
    starts, frozen = recorded(THETA)
    sweep = Sweep(step, lambda s: s["a"], substeps, flow, damping)
    dtheta, forcing = jnp.array([0.4, 1.0]), RANDOM.standard_normal((6, 2))
    forward = inner_product(forward_sweep(sweep, starts, frozen, THETA, dtheta), forcing)
    backward = inner_product(dtheta, backward_sweep(sweep, starts, frozen, THETA, jnp.asarray(forcing)))
    assert forward == pytest.approx(backward, rel=1e-13)


def test_identity_flow_adds_up_the_parameter_tangents() -> None:
    starts, frozen = recorded(THETA)
    dtheta = jnp.array([1.0, 0.0])
    swept = forward_sweep(Sweep(step, flow="identity"), starts, frozen, THETA, dtheta)
    shares = jax.vmap(lambda s, f: jax.jvp(lambda t: step(s, t, f), (THETA,), (dtheta,))[1])(starts, frozen)
    assert np.allclose(swept["a"], np.cumsum(np.asarray(shares["a"]), axis=0), rtol=1e-13)


def test_substeps_apply_the_same_linearisation_again() -> None:
    starts, frozen = recorded(THETA)
    once = jax.tree.map(lambda s: s[:1], starts)
    thrice = jax.tree.map(lambda s: jnp.repeat(s, 3, axis=0), once)
    dtheta = jnp.array([1.0, -2.0])
    held = forward_sweep(Sweep(step, substeps=3), once, frozen[:1], THETA, dtheta)
    repeated = forward_sweep(Sweep(step), thrice, jnp.repeat(frozen[:1], 3), THETA, dtheta)
    assert np.allclose(held["a"][-1], repeated["a"][-1], rtol=1e-14)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="flow"):
        Sweep(step, flow="static")
    with pytest.raises(ValueError, match="damping"):
        Sweep(step, damping=1.0)
