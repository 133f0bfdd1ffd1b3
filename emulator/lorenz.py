"""The Lorenz models, as step functions (state, parameters) -> state; M independent copies at once.

lorenz63            a hybrid model: the equations of Lorenz (1963) without −beta z, and a closure in its place
two_scale_lorenz96  the coarse variables of Lorenz (1996) with the fine ones, J to each
one_scale_lorenz96  the coarse ones alone, with a cubic closure and an offset of the forcing at each point

All are advanced by the classical Runge-Kutta scheme of fourth order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

State = dict[str, Any]
Params = Mapping[str, Any]
Tendency = Callable[[State, Params], State]

#: parameters of the closure of `lorenz63_closure`, with the values that make up the missing term
LORENZ63_TRUTH = {"closure/a": 0.0, "closure/b": 0.0, "closure/c": 8.0 / 3.0}


def runge_kutta(tendency: Tendency, time_step: float) -> Callable[[State, Params], State]:
    """One step of the classical fourth-order scheme."""

    def moved(state: State, rates: State, share: float) -> State:
        return {name: state[name] + share * time_step * rates[name] for name in state}

    def step(state: State, params: Params) -> State:
        first = tendency(state, params)
        second = tendency(moved(state, first, 0.5), params)
        third = tendency(moved(state, second, 0.5), params)
        fourth = tendency(moved(state, third, 1.0), params)
        return {
            name: value
            + time_step / 6.0 * (first[name] + 2.0 * second[name] + 2.0 * third[name] + fourth[name])
            for name, value in state.items()
        }

    return step


def lorenz63_physics(state: State, params: Params) -> State:
    """dx/dt of Lorenz (1963) with sigma = 10, rho = 28 and no −beta z; field "x" is [M, 3]."""
    x, y, z = jnp.moveaxis(state["x"], -1, 0)
    return {"x": jnp.stack([10.0 * (y - x), 28.0 * x - y - x * z, x * y], axis=-1)}


def lorenz63_closure(state: State, params: Params) -> State:
    """What is to be learned: (a x, b y, −c z)."""
    factors = jnp.stack([params["closure/a"], params["closure/b"], -params["closure/c"]])
    return {"x": state["x"] * factors}


def lorenz63_network(state: State, params: Params) -> State:
    """A network of two hidden layers of three, tanh, in the closure's place; weights "network/w0", "network/b0", …"""
    x = state["x"]
    for layer in range(2):
        x = jnp.tanh(x @ params[f"network/w{layer}"] + params[f"network/b{layer}"])
    return {"x": x @ params["network/w2"] + params["network/b2"]}


def network_weights(random: np.random.Generator, size: int = 3) -> dict[str, np.ndarray]:
    """Weights before any training, uniform in ±1/sqrt(inputs)."""
    limit = size**-0.5
    shapes = {f"network/w{n}": (size, size) for n in range(3)} | {f"network/b{n}": (size,) for n in range(3)}
    return {name: random.uniform(-limit, limit, shape) for name, shape in shapes.items()}


def lorenz63(state: State, params: Params) -> State:
    """Physics and closure."""
    return {"x": lorenz63_physics(state, params)["x"] + lorenz63_closure(state, params)["x"]}


def _advection(x: Any) -> Any:
    return -jnp.roll(x, 1, -1) * (jnp.roll(x, 2, -1) - jnp.roll(x, -1, -1))


def two_scale_lorenz96(state: State, params: Params) -> State:
    """Lorenz (1996), equations 2 and 3: "x" is [M, K], "y" is [J, M, K]; forcing F, coupling h, scales c and b."""
    x, y = state["x"], state["y"]
    h, c, b = params["fine/h"], params["fine/c"], params["fine/b"]
    chain = jnp.moveaxis(y, 0, -1).reshape(
        *x.shape[:-1], -1
    )  # all fine variables around the circle, [M, K J]
    fast = -c * b * jnp.roll(chain, -1, -1) * (jnp.roll(chain, -2, -1) - jnp.roll(chain, 1, -1)) - c * chain
    rates = jnp.moveaxis(fast.reshape(*x.shape, -1), -1, 0)
    return {
        "x": _advection(x) - x + params["coarse/forcing"] - h * c / b * y.sum(0),
        "y": rates + h * c / b * x,
    }


def lorenz96_closure(state: State, params: Params) -> State:
    """−(a0 + a1 x + a2 x² + a3 x³) + offset, the stand-in for the fine variables (Wilks 2005); offset is [K]."""
    x = state["x"]
    cubic = params["closure/a0"] + x * (
        params["closure/a1"] + x * (params["closure/a2"] + x * params["closure/a3"])
    )
    return {"x": params["closure/offset"] - cubic}


def one_scale_lorenz96(state: State, params: Params) -> State:
    """The coarse equations with the cubic closure."""
    x = state["x"]
    return {"x": _advection(x) - x + params["coarse/forcing"] + lorenz96_closure(state, params)["x"]}


def spun_up(step: Callable[[State, Params], State], state: State, params: Params, steps: int) -> State:
    """The state after `steps` steps, on the attractor if they are many."""
    return jax.lax.fori_loop(0, steps, lambda _, u: step(u, params), jax.tree.map(jnp.asarray, state))
