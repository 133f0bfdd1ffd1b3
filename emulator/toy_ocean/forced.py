"""The exact twin under forcing from outside, linearised about a real run: the referee of closures that are learned.

Unlike `ForcedStep`, which holds the linearisation of an interval's beginning, it follows the twin's own steps through
each interval of `every` steps, from the real state with which it begins. A and B are then the model's own derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bridge.errors import ConfigurationError
from bridge.model import Params
from emulator.forced_step import Fields, ForcedStep, Linearisation
from emulator.toy_ocean.gradient import ExactTwin
from emulator.toy_ocean.state import State, Tendencies
from emulator.toy_ocean.step import step


class ForcedExactTwin(ForcedStep):
    """Derivatives of `twin` with respect to its state and the tendencies `send`, an interval of `twin.every` at a time.

    A `Lineariser` of `optim.gradients.CoupledWindow`.
    """

    recorded = State._fields

    def __init__(self, twin: ExactTwin, send: Sequence[str] = ("thetao_tendency",)) -> None:
        if unknown := sorted(set(send) - set(Tendencies._fields)):
            raise ConfigurationError(f"the twin knows the tendencies {Tendencies._fields}, got {unknown}")
        super().__init__(self._step, twin.every)
        self.twin, self.send = twin, tuple(send)

    def linearise(self, states: Fields, forcing: Fields, first_step: int, params: Params) -> Linearisation:
        """About the real states [N, …] at which the intervals begin, the first after `first_step` steps."""
        twin = self.twin
        done = first_step + twin.every * np.arange(len(states[self.recorded[0]]))
        return self.about(states, forcing, done, (twin.grid, twin.forcing, twin.merged(params)))

    def _step(self, state: Fields, forcing: Fields, number: Any, surroundings: Any) -> Fields:
        grid, climatology, params = surroundings
        zero = jnp.zeros_like(grid.tmask)
        tendencies = Tendencies(**{name: forcing.get(name, zero) for name in Tendencies._fields})
        after = step(State(**state), number, params, climatology, grid, self.twin.config, tendencies)
        return after._asdict()

    def _tangent(self, point: Any, du: Fields, df: Fields) -> Fields:
        state, forcing, done, surroundings = point
        return jax.jvp(lambda u, f: self._through(u, f, done, surroundings), (state, forcing), (du, df))[1]

    def _adjoint(self, point: Any, sensitivity: Fields) -> tuple[Fields, Fields]:
        state, forcing, done, surroundings = point
        return jax.vjp(lambda u, f: self._through(u, f, done, surroundings), state, forcing)[1](sensitivity)

    def _through(self, state: Fields, forcing: Fields, done: Any, surroundings: Any) -> Fields:
        """The state at the end of the interval that begins after `done` steps."""

        @jax.checkpoint
        def advance(now: Fields, number: Any) -> tuple[Fields, None]:
            return self._step(now, forcing, number, surroundings), None

        return jax.lax.scan(advance, state, done + jnp.arange(1, self.twin.every + 1))[0]
