"""Forward mode: what is observed along a run, and its Jacobian with respect to a few parameters, in one sweep.

δu_{k+1} = A_k δu_k + B_k δθ,   all directions at once; nothing is stored
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from emulator.veros.prognostic import State, fields_and_clock

if TYPE_CHECKING:
    from emulator.veros.model import Params, VerosModel

#: what is observed of a state, a vector [m]
Observe = Callable[[State], jax.Array]


class TangentSweep:
    """Observations of `model` and their derivatives with respect to the parameters `names`, compiled once."""

    def __init__(self, model: VerosModel, observe: Observe, names: Sequence[str]) -> None:
        self.names = tuple(names)
        unknown = sorted(set(names) - set(model.parameters))
        if unknown or len(set(names)) < len(self.names):
            raise ValueError(
                f"expected different parameters among {', '.join(model.parameters)}, got {', '.join(self.names)}"
            )
        self._step = model.compiled_step
        self._observe = model.compiled(observe)
        self._step_columns = model.compiled(_columns_of_step(model.step, self.names))
        self._observe_columns = model.compiled(_columns_of(observe))

    def observed(self, state: State, params: Params, records: int, every: int) -> np.ndarray:
        """[records, m]: observations every `every` steps."""
        rows = []
        for _ in range(records):
            for _ in range(every):
                state = self._step(state, params)
            rows.append(np.asarray(self._observe(state)))
        return np.array(rows)

    def observed_and_jacobian(
        self, state: State, params: Params, records: int, every: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """[records, m] and the derivatives [records, m, names]."""
        fields, _ = fields_and_clock(state)
        columns = jax.tree.map(lambda x: jnp.zeros((len(self.names), *x.shape)), fields)
        rows, slopes = [], []
        for _ in range(records):
            for _ in range(every):
                state, columns = self._step_columns(state, params, columns)
            seen, slope = self._observe_columns(state, columns)
            if seen.ndim != 1:
                raise ValueError(
                    f"expected a vector to be observed, got an array of shape {seen.shape}: ravel it"
                )
            rows.append(np.asarray(seen))
            slopes.append(np.asarray(slope).T)
        return np.array(rows), np.array(slopes)


def _columns_of_step(step: Callable[[State, Params], State], names: tuple[str, ...]) -> Callable:
    """(state, θ, columns of the state) -> (next state, its columns), a column for each of `names`."""

    def advance(state: State, params: Params, columns: State) -> tuple[State, State]:
        fields, clock = fields_and_clock(state)
        directions = {name: jnp.array([float(name == own) for own in names]) for name in params}

        def following(u: State, theta: Params) -> State:
            return fields_and_clock(step(u | clock, theta))[0]

        # one column after the other: columns side by side, compiled by XLA, end in overflow on "acc"
        after, push = jax.linearize(following, fields, dict(params))
        pushed = lax.map(lambda column: push(*column), (columns, directions))
        return {**after, **{name: value + 1 for name, value in clock.items()}}, pushed

    return advance


def _columns_of(observe: Observe) -> Callable:
    def seen(state: State, columns: State) -> tuple[jax.Array, jax.Array]:
        fields, clock = fields_and_clock(state)
        push = jax.vmap(
            lambda change: jax.jvp(lambda u: observe(u | clock), (fields,), (change,)), out_axes=(None, 0)
        )
        return push(columns)

    return seen
