"""A step with forcing from outside, linearised about the states that a real run recorded.

    u_k+1 = Ψ(u_k, f_k)        δu_k+1 = A_k δu_k + B_k δf_k        (A_kᵀ λ, B_kᵀ λ) = adjoint(k, λ)

Ψ is the real model over one coupling interval, f_k what a closure gave it for that interval. The derivatives are those
of something else, here of a step in JAX, at the real states. States, forcing and sensitivities are dictionaries
of arrays by field name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bridge.model import Params
from emulator.precision import require_float64
from emulator.sweep import Sweep

Fields = dict[str, Any]
Frozen = Any  # a pytree
#: (state, forcing, frozen, surroundings) -> next state; `frozen` is of one interval, `surroundings` of all
Step = Callable[[Fields, Fields, Frozen, Frozen], Fields]


class ForcedStep:
    """A step in JAX, compiled once, whose linearisations are asked for about any recorded run.

    `step` is applied `substeps` times in each interval. `flow = "identity"` takes A = I (Static-EGA: Ouala et al. 2024,
    Commun. Phys. 7:402, eq. 19).
    """

    def __init__(self, step: Step, substeps: int = 1, flow: str = "model") -> None:
        require_float64()
        self._step, self._substeps, self._flow = step, substeps, flow
        self._push, self._pull = jax.jit(self._tangent), jax.jit(self._adjoint)

    def about(
        self, states: Fields, forcing: Fields, frozen: Frozen = (), surroundings: Frozen = ()
    ) -> Linearisation:
        """About the states [N, …] at which the N intervals begin, and what forced each; `frozen` is [N, …] too."""
        return Linearisation(self, states, forcing, frozen, surroundings)

    def _interval(
        self, state: Fields, forcing: Fields, frozen: Frozen, surroundings: Frozen
    ) -> Callable[[Fields, Fields], Fields]:
        """(δu, δf) -> δu at the end of the interval; the linearisation is held over the substeps."""
        sweep = Sweep(lambda u, f, held: self._step(u, f, held, surroundings), flow=self._flow)
        linear = sweep.linear_step(state, forcing, frozen)

        def interval(du: Fields, df: Fields) -> Fields:
            if self._substeps == 1:
                return linear(du, df)
            return jax.lax.scan(lambda u, _: (linear(u, df), None), du, None, length=self._substeps)[0]

        return interval

    def _tangent(self, point: Any, du: Fields, df: Fields) -> Fields:
        return self._interval(*point)(du, df)

    def _adjoint(self, point: Any, sensitivity: Fields) -> tuple[Fields, Fields]:
        return jax.linear_transpose(self._interval(*point), point[0], point[1])(sensitivity)


@dataclass(frozen=True)
class Linearisation:
    """Products along one recorded run, interval by interval."""

    maker: ForcedStep
    states: Fields
    forcing: Fields
    frozen: Frozen
    surroundings: Frozen

    def tangent(self, interval: int, state: Mapping[str, Any], forcing: Mapping[str, Any]) -> Fields:
        """A δu + B δf; fields that are left out do not change."""
        point = self._point(interval)
        return self.maker._push(point, _filled(state, point[0]), _filled(forcing, point[1]))

    def adjoint(self, interval: int, sensitivity: Mapping[str, Any]) -> tuple[Fields, Fields]:
        """(Aᵀ λ, Bᵀ λ); fields that are left out of λ have none. ValueError for one that the step does not know."""
        point = self._point(interval)
        return self.maker._pull(point, _filled(sensitivity, point[0]))

    def _point(self, interval: int) -> tuple[Fields, Fields, Frozen, Frozen]:
        parts = jax.tree.map(lambda a: jnp.asarray(a[interval]), (self.states, self.forcing, self.frozen))
        return (*parts, self.surroundings)


@dataclass(frozen=True)
class EulerForcing:
    """The Static-EGA of a model of which nothing is known: A = I, and B = h for the tendency of a field.

    `tendencies` maps a forcing to the field that it changes, as {"thetao_tendency": "thetao"}; `interval` is h, in s.
    """

    tendencies: Mapping[str, str]
    interval: float

    @property
    def recorded(self) -> tuple[str, ...]:
        """The fields whose sensitivity it needs."""
        return tuple(self.tendencies.values())

    def linearise(self, states: Fields, forcing: Fields, first_step: int, params: Params) -> EulerForcing:
        """The same everywhere."""
        return self

    def adjoint(self, interval: int, sensitivity: Mapping[str, Any]) -> tuple[Fields, Fields]:
        """(λ, h λ of each field with a tendency)."""
        forcing = {name: self.interval * np.asarray(sensitivity[of]) for name, of in self.tendencies.items()}
        return dict(sensitivity), forcing


def _filled(given: Mapping[str, Any], like: Fields) -> Fields:
    """`given` with zeros for the fields of `like` that it leaves out."""
    if unknown := sorted(set(given) - set(like)):
        raise ValueError(f"the linearised step has the fields {sorted(like)}; it knows nothing of {unknown}")
    return {
        name: jnp.asarray(given[name]) if name in given else jnp.zeros_like(value)
        for name, value in like.items()
    }
