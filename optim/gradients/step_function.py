"""An in-process model as a StepModel: a JAX function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from emulator.precision import require_float64
from optim.gradients.step_model import State, Values, checked


@dataclass
class FunctionStepModel:
    """An in-process model: a JAX function (state, parameters) -> state, compiled once, many states at once.

    The function is the real model here, so it is only ever called, in batches of at most `batch` states.
    """

    function: Callable[[Any, Any], Any]
    batch: int = 256
    steps_spent: int = 0
    _one: Callable = field(init=False, repr=False)
    _many: Callable = field(init=False, repr=False)
    _rolled: Callable = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_float64()
        self._one = jax.jit(self.function)
        self._many = jax.jit(jax.vmap(self.function))
        self._rolled = jax.jit(self._scan, static_argnums=2)

    def step(self, state: State, params: Values) -> State:
        """The state after one step."""
        self.steps_spent += 1
        return checked(_as_numpy(self._one(dict(state), dict(params))), params)

    def step_each(self, states: Sequence[State], params: Sequence[Values]) -> list[State]:
        """One step from each of `states`."""
        done: list[State] = []
        for first in range(0, len(states), self.batch):
            part = slice(first, first + self.batch)
            after = _as_numpy(self._many(stacked(states[part]), stacked([dict(p) for p in params[part]])))
            done += unstacked(after, len(states[part]))
        self.steps_spent += len(done)
        return done

    def roll(self, state: State, params: Values, steps: int) -> list[State]:
        """The states 0, 1, …, `steps`; ModelBlewUp with the first one that is not finite."""
        after = _as_numpy(self._rolled(dict(state), dict(params), steps))
        self.steps_spent += steps
        return [state, *(checked(u, params) for u in unstacked(after, steps))]

    def _scan(self, state: Any, params: Any, steps: int) -> Any:
        def body(now: Any, _: None) -> tuple[Any, Any]:
            after = self.function(now, params)
            return after, after

        return jax.lax.scan(body, jax.tree.map(jnp.asarray, state), None, length=steps)[1]


def stacked(trees: Sequence[Any]) -> Any:
    """Pytrees of the same structure as one with a leading axis."""
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *trees)


def unstacked(tree: Any, length: int) -> list[Any]:
    """The members of a pytree with a leading axis."""
    return [jax.tree.map(lambda leaf, n=n: leaf[n], tree) for n in range(length)]


def _as_numpy(tree: Any) -> Any:
    return jax.tree.map(np.asarray, tree)
