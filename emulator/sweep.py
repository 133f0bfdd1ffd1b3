"""One sweep over a recorded trajectory gives every surrogate's sensitivities.

With the real states u_k on record, a surrogate only supplies the linearisation (A_k, B_k) of its step at
those states; it is applied `substeps` times from one record to the next:

    forward    δu ← A_k δu + B_k δθ
    backward   λ ← λ + ∂ℓ/∂u_k at each record;   g ← g + B_kᵀ λ;   λ ← A_kᵀ λ

The surrogate's own rollout never appears, so its drift cannot spoil the gradient. `flow = "identity"`
replaces A_k by I (Static-EGA: Ouala et al. 2024, Commun. Phys. 7:402, eq. 19); `damping` in [0, 1)
multiplies A_k by (1 − damping), which bounds the sensitivities over windows beyond predictability.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

Tree = Any  # a pytree of arrays
Step = Callable[[Tree, Tree, Tree], Tree]  # (state, parameters, frozen) -> next state


@dataclass(frozen=True)
class Sweep:
    """The step that is linearised, and what is read of its tangents.

    `step(state, parameters, frozen)` advances a state; `frozen` is whatever else it needs per record;
    `readout` picks the observed part of a state (linear).
    """

    step: Step
    readout: Callable[[Tree], Tree] = lambda state: state
    substeps: int = 1
    flow: str = "model"
    damping: float = 0.0

    def __post_init__(self) -> None:
        if self.flow not in ("model", "identity"):
            raise ValueError(f'flow must be "model" or "identity", got {self.flow!r}')
        if not 0.0 <= self.damping < 1.0:
            raise ValueError(f"damping must lie in [0, 1), got {self.damping}")
        if self.substeps < 1:
            raise ValueError(f"substeps must be at least 1, got {self.substeps}")

    def linear_step(self, state: Tree, params: Tree, frozen: Tree) -> Callable[[Tree, Tree], Tree]:
        """(δu, δθ) -> A δu + B δθ at one recorded state, linearised once however often it is applied."""
        keep = 1.0 - self.damping
        if self.flow == "identity":
            _, change = jax.linearize(lambda p: self.step(state, p, frozen), params)
            return lambda du, dparams: _combine(keep, du, change(dparams))
        _, both = jax.linearize(lambda u, p: self.step(u, p, frozen), state, params)
        return lambda du, dparams: both(jax.tree.map(lambda d: keep * d, du), dparams)


def _combine(keep: float, du: Tree, change: Tree) -> Tree:
    return jax.tree.map(lambda d, c: keep * d + c, du, change)


def forward_sweep(sweep: Sweep, states: Tree, frozen: Tree, params: Tree, dparams: Tree) -> Tree:
    """Read-out tangents at the end of each interval, leading axis [m].

    `states`: the recorded states at which the m intervals are linearised (leading axis [m]); `dparams`: one
    parameter tangent with the structure of `params`.
    """
    start = jax.tree.map(lambda s: jnp.zeros_like(s[0]), states)

    def advance(du: Tree, record: tuple[Tree, Tree]) -> tuple[Tree, Tree]:
        push = sweep.linear_step(record[0], params, record[1])
        du = _repeat(sweep.substeps, lambda d: push(d, dparams), du)
        return du, sweep.readout(du)

    return jax.lax.scan(advance, start, (states, frozen))[1]


def backward_sweep(sweep: Sweep, states: Tree, frozen: Tree, params: Tree, forcing: Tree) -> Tree:
    """Gradient with respect to `params` of Σ_k ⟨forcing_k, readout(u_k)⟩ over the records; `forcing` is [m, …]."""
    state = jax.tree.map(lambda s: s[0], states)
    read = jax.linear_transpose(sweep.readout, state)

    def retreat(carry: tuple[Tree, Tree], record: tuple[Tree, Tree, Tree]) -> tuple[tuple[Tree, Tree], None]:
        sensitivity, gradient = carry
        pull = jax.linear_transpose(sweep.linear_step(record[0], params, record[1]), state, params)

        def back(carry: tuple[Tree, Tree]) -> tuple[Tree, Tree]:
            earlier, share = pull(carry[0])
            return earlier, jax.tree.map(jnp.add, carry[1], share)

        sensitivity = jax.tree.map(jnp.add, sensitivity, read(record[2])[0])
        return _repeat(sweep.substeps, back, (sensitivity, gradient)), None

    zeros = jax.tree.map(jnp.zeros_like, (state, params))
    (_, gradient), _ = jax.lax.scan(retreat, zeros, (states, frozen, forcing), reverse=True)
    return gradient


def _repeat(times: int, function: Callable[[Tree], Tree], value: Tree) -> Tree:
    if times == 1:
        return function(value)
    return jax.lax.scan(lambda v, _: (function(v), None), value, None, length=times)[0]
