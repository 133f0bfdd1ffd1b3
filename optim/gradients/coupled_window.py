"""Online training: the gradient of a loss along a real run by the weights of the closure that takes part in it.

In interval k the model goes from u_k to u_k+1 = Ψ(u_k, f_k) with the forcing f_k = M(u_k; w) that the closure made.
With (A_k, B_k) a linearisation of Ψ about the recorded real states, for the derivative that the model does not have,

    λ ← λ + ∂L/∂u_k+1;   φ = B_kᵀ λ;   dL/dw += (∂M/∂w)ᵀ φ;   λ ← A_kᵀ λ + (∂M/∂u)ᵀ φ        k = N-1, …, 0

(Ouala et al. 2024, Commun. Phys. 7:402, eq. 17: there B = h; with A = I also eq. 19, Static-EGA.) One run of the real
model per gradient, however many weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import jax
import numpy as np

from bridge.coupling import Coupling
from bridge.errors import ModelBlewUp
from bridge.model import Params, Recording, Snapshot, Trajectory
from emulator.closure import Closure, Fields, Weights

#: sensitivities {field: [records, (k,) j, i]} -> gradient with respect to the weights
Pull = Callable[[Mapping[str, Any]], Weights]


class CoupledModel(Protocol):
    """A live model that can be run with a closure: a Session."""

    def restore(self, snapshot: Snapshot) -> None:
        """Bring the state back."""
        ...

    def get(self, name: str) -> Any:
        """A field of the present state."""
        ...

    def run(
        self, params: Params, snapshot: Snapshot, steps: int, record: Recording, coupling: Coupling | None
    ) -> Trajectory:
        """As Session.run."""
        ...


class IntervalLinearisation(Protocol):
    """Products along a recorded run."""

    def adjoint(self, interval: int, sensitivity: Mapping[str, Any]) -> tuple[Fields, Fields]:
        """(A_kᵀ λ, B_kᵀ λ): to the state at the beginning of interval k, and to its forcing."""
        ...


class Lineariser(Protocol):
    """Something that has derivatives and stands in for the model (`ForcedTwin`)."""

    @property
    def recorded(self) -> tuple[str, ...]:
        """The fields of the real states that it wants."""
        ...

    def linearise(
        self, states: Fields, forcing: Fields, first_step: int, params: Params
    ) -> IntervalLinearisation:
        """About the real states {name: [N, …]} at which the intervals begin, and what forced each of them."""
        ...


@dataclass(frozen=True)
class CoupledWindow:
    """Runs of `model` from `start` over `steps` steps with a closure, recorded every `every` steps.

    The closure is given `receive` and makes `send`, as in `bridge.Coupling`; `observed` are the fields that a loss may
    depend on, `params` what the runs set.
    """

    model: CoupledModel
    start: Snapshot
    steps: int
    receive: tuple[str, ...]
    send: tuple[str, ...]
    lineariser: Lineariser
    observed: tuple[str, ...]
    every: int = 1
    lag: int = 0
    params: Params = field(default_factory=dict)

    def run(self, closure: Closure) -> tuple[Fields, Pull]:
        """Records {field: [N, (k,) j, i]} of one real run, and the map from sensitivities to the weights' gradient.

        Raises ModelBlewUp if the run does not reach its end: it has no gradient.
        """
        seen: list[Fields] = []
        initial = self._initial(self.lineariser.recorded)
        forced = [self._initial(self.send)] * self.lag

        def couple(step: int, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            seen.append({name: values.copy() for name, values in fields.items()})
            forced.append(closure.forcing(seen[-1]))
            return forced[-1]

        names = tuple(dict.fromkeys((*self.lineariser.recorded, *self.observed)))
        coupling = Coupling(couple, self.receive, self.send, self.every, self.lag)
        run = self.model.run(self.params, self.start, self.steps, Recording(names, self.every), coupling)
        if not run.outcome.completed:
            raise ModelBlewUp(run.outcome.message or "the coupled run failed", run.outcome.step, self.params)
        states = {
            name: np.concatenate([initial[name][None], run.fields[name][:-1]])
            for name in self.lineariser.recorded
        }
        forcing = {name: np.stack([made[name] for made in forced]) for name in self.send}
        linearisation = self.lineariser.linearise(states, forcing, self.start.step, self.params)
        records = {name: run.fields[name] for name in self.observed}
        return records, lambda weights: closure_gradient(linearisation, closure, seen, weights, self.lag)

    def _initial(self, names: tuple[str, ...]) -> Fields:
        """What the window begins with."""
        self.model.restore(self.start)
        return {name: np.array(self.model.get(name)) for name in names}


def closure_gradient(
    linearisation: IntervalLinearisation,
    closure: Closure,
    seen: list[Fields],
    sensitivity: Mapping[str, Any],
    lag: int = 0,
) -> Weights:
    """dL/dw (a pytree) from ∂L/∂(records), {field: [N, …]}; `seen` is what the closure was given in each interval."""
    intervals = len(next(iter(sensitivity.values())))
    state: Fields = {}
    forced: list[Fields] = [{}] * intervals
    gradient = None
    for number in reversed(range(intervals)):
        state = _sum(state, {name: values[number] for name, values in sensitivity.items()})
        state, forced[number] = linearisation.adjoint(number, state)
        if number + lag >= intervals:
            continue  # the closure was not called: nothing was left to be forced by it
        of_fields, share = closure.pull(seen[number], forced[number + lag])
        gradient = share if gradient is None else jax.tree.map(np.add, gradient, share)
        state = _sum(state, {name: values for name, values in of_fields.items() if name in state})
    return gradient


def _sum(a: Fields, b: Mapping[str, Any]) -> Fields:
    return {**a, **{name: a[name] + values if name in a else values for name, values in b.items()}}
