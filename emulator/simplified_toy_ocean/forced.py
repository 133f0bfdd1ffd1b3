"""The simplified twin under forcing from outside: what states and tendencies do in each interval of a real run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from bridge.errors import ConfigurationError
from bridge.model import Params
from emulator.forced_step import Fields, ForcedStep, Linearisation
from emulator.simplified_toy_ocean.twin import SimplifiedTwin
from emulator.toy_ocean.state import Tendencies


class ForcedTwin:
    """Linearisations of `twin` with respect to its state and the tendencies `send`, one per interval of `twin.every`.

    Unlike `SimplifiedTwin.linearise` it is linearised where an interval begins: there a closure saw the state.
    """

    def __init__(self, twin: SimplifiedTwin, send: Sequence[str] = ("thetao_tendency",)) -> None:
        if unknown := sorted(set(send) - set(Tendencies._fields)):
            raise ConfigurationError(f"the twin knows the tendencies {Tendencies._fields}, got {unknown}")
        self.twin, self.send = twin, tuple(send)
        self._forced = ForcedStep(self._step, twin.substeps)

    @property
    def recorded(self) -> tuple[str, ...]:
        """The fields of the real model's state that it is linearised about."""
        return self.twin.module.RECORDED

    def linearise(self, states: Fields, forcing: Fields, first_step: int, params: Params) -> Linearisation:
        """About the real states [N, …] at which the intervals begin, the first after `first_step` steps."""
        intervals = len(states[self.recorded[0]])
        ends = first_step + self.twin.every * np.arange(1, intervals + 1)
        state, frozen = self.twin.module.from_record(states, ends, self.twin.every)
        surroundings = (self.twin.grid, self.twin.forcing, self.twin.merged(params))
        return self._forced.about(state._asdict(), forcing, frozen, surroundings)

    def _step(self, state: Fields, forcing: Fields, frozen: Any, surroundings: Any) -> Fields:
        grid, climatology, params = surroundings
        zero = jnp.zeros_like(grid.tmask)
        tendencies = Tendencies(**{name: forcing.get(name, zero) for name in Tendencies._fields})
        module = self.twin.module
        after = module.surrogate_step(
            module.Prognostic(**state), params, frozen, grid, self.twin.config, climatology, tendencies
        )
        return after._asdict()
