"""VEROS one step at a time, as trajectory adjoints see it: states [k, j, i], from the surface down, no ghost points.

Ghost points in x continue the grid, those in y never change, so that a state without them is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from optim.gradients.step_model import State, Values, checked

if TYPE_CHECKING:
    from emulator.veros.model import VerosModel

GROUP = "veros"
_GHOSTS = 2


class VerosSteps:
    """`veros` as a `StepModel`; parameters are "veros/<setting>". Only ever called."""

    def __init__(self, veros: VerosModel, like: Mapping[str, Any]) -> None:
        self.steps_spent = 0
        self._step = veros.compiled_step
        self._params = veros.params()
        self._interior, self._whole = jax.jit(interior_state), jax.jit(continued(like))

    def seen(self, state: Mapping[str, Any]) -> State:
        """A state of VEROS without ghost points."""
        return _numpy(self._interior(dict(state)))

    def step(self, state: State, params: Values) -> State:
        """The state after one step."""
        return self.roll(state, params, 1)[1]

    def roll(self, state: State, params: Values, steps: int) -> list[State]:
        """The states 0, 1, …, `steps`; ModelBlewUp with the first one that is not finite."""
        states, inside = [state], self._whole(state)
        given = {**self._params, **settings(params)}
        for _ in range(steps):
            inside = self._step(inside, given)
            self.steps_spent += 1
            states.append(checked(self.seen(inside), params))
        return states


def settings(params: Values) -> dict[str, Any]:
    """Values of VEROS's settings by their own names."""
    return {name.removeprefix(f"{GROUP}/"): jnp.asarray(value, float) for name, value in params.items()}


def on_interior(veros: VerosModel, like: Mapping[str, Any]) -> Callable[[Any, Any], Any]:
    """`veros.step` between states without ghost points, in JAX: for a wrong twin, or for the referee."""
    whole = continued(like)
    return lambda state, params: interior_state(veros.step(whole(state), settings(params)))


def interior_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """[k, j, i] of VEROS's [x, y, z]; entries that do not lie on the grid (the clock, dpsin) as they are."""
    return {name: _interior(value) if jnp.ndim(value) >= 2 else value for name, value in state.items()}


def continued(like: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """The inverse of `interior_state` on a periodic grid; ghost points in y, and shapes, are those of `like`."""
    fixed = {name: np.asarray(value) for name, value in like.items()}

    def whole(state: Mapping[str, Any]) -> dict[str, Any]:
        return {n: _filled(v, fixed[n]) if jnp.ndim(fixed[n]) >= 2 else v for n, v in state.items()}

    return whole


def folded(sensitivity: np.ndarray) -> np.ndarray:
    """Sensitivities [x, y, z] with ghost points to those without, [k, j, i]: a ghost point moves with its source."""
    total = np.array(sensitivity)
    total[-2 * _GHOSTS : -_GHOSTS] += total[:_GHOSTS]
    total[_GHOSTS : 2 * _GHOSTS] += total[-_GHOSTS:]
    return np.asarray(_interior(total))


def _interior(array: Any) -> Any:
    inner = array[_GHOSTS:-_GHOSTS, _GHOSTS:-_GHOSTS]
    return inner.transpose(2, 1, 0)[::-1] if inner.ndim == 3 else inner.T


def _filled(inner: Any, like: np.ndarray) -> Any:
    inner = inner[::-1].transpose(2, 1, 0) if inner.ndim == 3 else inner.T
    rows = jnp.asarray(like).at[_GHOSTS:-_GHOSTS, _GHOSTS:-_GHOSTS].set(inner)
    return rows.at[-_GHOSTS:].set(rows[_GHOSTS : 2 * _GHOSTS]).at[:_GHOSTS].set(rows[-2 * _GHOSTS : -_GHOSTS])


def _numpy(tree: Any) -> Any:
    return jax.tree.map(np.asarray, tree)
