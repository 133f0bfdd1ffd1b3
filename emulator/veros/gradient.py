"""Value and exact gradient of a cost over many steps, by one compiled step and its reverse, whatever their number.

    J(u_0, θ) = Σ_r ℓ(u_{r·every}, d_r),   u_{k+1} = Ψ(u_k, θ)
    backwards:  λ ← λ + ∂ℓ/∂u_k at each record;   (λ, g) ← (A_kᵀ λ, g + B_kᵀ λ)

States are kept at most `keep` at a time, beyond that every √n-th, and the steps in between are made again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from emulator.veros.prognostic import State, fields_and_clock

if TYPE_CHECKING:
    from emulator.veros.model import Params, VerosModel

#: ℓ(state, datum) -> scalar; `datum` is a pytree of arrays of the same shapes at each record
Term = Callable[[State, Any], jax.Array]


class Gradient(NamedTuple):
    """J, and its derivatives with respect to the initial state and the parameters."""

    value: float
    state: State
    params: dict[str, jax.Array]


class GradientSweep:
    """The cost `Σ term(state, datum)` of `model`, with everything compiled once.

    Memory: `keep` states or 2 √n, whichever is more, and what one step's reverse needs.
    """

    def __init__(self, model: VerosModel, term: Term, keep: int = 128) -> None:
        self.step = model.compiled_step
        self._reverse = model.compiled_reverse
        self._term = jax.jit(term)
        self._slope = jax.jit(_value_and_slope(term))
        self._keep = keep

    def of(self, term: Term) -> GradientSweep:
        """The same model and compiled steps with another term."""
        other = copy.copy(self)
        other._term, other._slope = jax.jit(term), jax.jit(_value_and_slope(term))
        return other

    def value(self, state: State, params: Params, data: Sequence[Any], every: int = 1) -> float:
        """J for records `every`, 2 `every`, … steps from `state`, one for each of `data`."""
        _require_records(len(data), every)
        total = 0.0
        for datum in data:
            for _ in range(every):
                state = self.step(state, params)
            total = total + self._term(state, datum)
        return float(total)

    def value_and_gradient(
        self, state: State, params: Params, data: Sequence[Any], every: int = 1
    ) -> Gradient:
        """J and its gradient."""
        _require_records(len(data), every)
        steps = every * len(data)
        value, cotangent = 0.0, jax.tree.map(jnp.zeros_like, fields_and_clock(state)[0])
        slopes = jax.tree.map(jnp.zeros_like, dict(params))
        for number, before, after in self._backwards(state, params, steps):
            if number % every == 0:
                term, force = self._slope(after, data[number // every - 1])
                value, cotangent = value + term, jax.tree.map(jnp.add, cotangent, force)
            cotangent, slope = self._reverse(before, params, cotangent)
            slopes = jax.tree.map(jnp.add, slopes, slope)
        return Gradient(float(value), cotangent, slopes)

    def _backwards(self, state: State, params: Params, steps: int) -> Iterator[tuple[int, State, State]]:
        """(k, state before step k, state after it) for k = steps … 1."""
        length = steps if steps <= self._keep else max(self._keep // 2, int(steps**0.5) + 1)
        starts, kept = [], [state]
        for number in range(steps):
            if number % length == 0:
                starts.append(kept[-1])
                kept = kept[-1:]
            kept.append(self.step(kept[-1], params))
        last = len(starts) - 1
        for segment in range(last, -1, -1):
            first, start = segment * length, starts.pop()
            if segment < last:
                kept = [start]
                for _ in range(length):
                    kept.append(self.step(kept[-1], params))
            while len(kept) > 1:
                after = kept.pop()
                yield first + len(kept), kept[-1], after


def _require_records(records: int, every: int) -> None:
    if records < 1 or every < 1:
        raise ValueError(
            f"expected at least one record, a step or more apart, got {records} every {every} steps"
        )


def _value_and_slope(term: Term) -> Callable:
    def value_and_slope(state: State, datum: Any) -> tuple[jax.Array, State]:
        fields, clock = fields_and_clock(state)
        return jax.value_and_grad(lambda u: term(u | clock, datum))(fields)

    return value_and_slope


def rollout(model: VerosModel, state: State, params: Params, steps: int) -> State:
    """The state after `steps` steps as one differentiable computation; in reverse it holds 2 √n states.

    For use inside other differentiated code. It is compiled anew for every number of steps.
    """
    length = max(1, int(steps**0.5))

    def run(state: State, count: int) -> State:
        step = jax.checkpoint(model.step)
        return jax.lax.scan(lambda now, _: (step(now, params), None), state, None, length=count)[0]

    if steps // length:
        segment = jax.checkpoint(lambda now: run(now, length))
        state = jax.lax.scan(lambda now, _: (segment(now), None), state, None, length=steps // length)[0]
    return run(state, steps % length) if steps % length else state
