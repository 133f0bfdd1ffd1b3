"""One sweep over a recorded real trajectory gives every surrogate's sensitivities.

With the real states u_k on record, a surrogate only supplies the linearisation (A_k, B_k) of the map
from one record to the next, at those states:

    forward    δu_{k+1} = A_k δu_k + B_k δθ
    backward   λ ← λ + ∂ℓ/∂u_{k+1};   g ← g + B_kᵀ λ;   λ ← A_kᵀ λ

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
Step = Callable[[Tree, Tree, Tree], Tree]  # (state, parameters, frozen) -> state at the next record


@dataclass(frozen=True)
class Sweep:
    """The step that is linearised, and what is read of its tangents.

    `step(state, parameters, frozen)` maps the state of one record to the next; `readout` picks the
    observed part of a state (linear); `frozen` is whatever else the step needs per record.
    """

    step: Step
    readout: Callable[[Tree], Tree] = lambda state: state
    flow: str = "model"
    damping: float = 0.0

    def __post_init__(self) -> None:
        if self.flow not in ("model", "identity"):
            raise ValueError(f'flow must be "model" or "identity", got {self.flow!r}')
        if not 0.0 <= self.damping < 1.0:
            raise ValueError(f"damping must lie in [0, 1), got {self.damping}")

    def linear_step(self, state: Tree, params: Tree, frozen: Tree) -> Callable[[Tree, Tree], Tree]:
        """(δu, δθ) -> A δu + B δθ at one recorded state."""
        keep = 1.0 - self.damping

        def push(du: Tree, dparams: Tree) -> Tree:
            moved = jax.tree.map(jnp.zeros_like, du) if self.flow == "identity" else du
            _, change = jax.jvp(
                lambda u, p: self.step(u, p, frozen),
                (state, params),
                (jax.tree.map(lambda d: keep * d, moved), dparams),
            )
            if self.flow == "identity":
                return jax.tree.map(lambda d, c: keep * d + c, du, change)
            return change

        return push


def forward_sweep(sweep: Sweep, states: Tree, frozen: Tree, params: Tree, dparams: Tree) -> Tree:
    """Read-out tangents after each interval, leading axis [m].

    `states`: recorded states at the start of each of the m intervals (leading axis [m]);
    `dparams`: one parameter tangent with the structure of `params`.
    """
    start = jax.tree.map(lambda s: jnp.zeros_like(s[0]), states)

    def advance(du: Tree, record: tuple[Tree, Tree]) -> tuple[Tree, Tree]:
        du = sweep.linear_step(record[0], params, record[1])(du, dparams)
        return du, sweep.readout(du)

    return jax.lax.scan(advance, start, (states, frozen))[1]


def backward_sweep(sweep: Sweep, states: Tree, frozen: Tree, params: Tree, forcing: Tree) -> Tree:
    """Gradient with respect to `params` of Σ_k ⟨forcing_k, readout(u_{k+1})⟩; `forcing` has leading axis [m]."""
    state = jax.tree.map(lambda s: s[0], states)
    read = jax.linear_transpose(sweep.readout, state)

    def retreat(carry: tuple[Tree, Tree], record: tuple[Tree, Tree, Tree]) -> tuple[tuple[Tree, Tree], None]:
        sensitivity, gradient = carry
        sensitivity = jax.tree.map(jnp.add, sensitivity, read(record[2])[0])
        push = sweep.linear_step(record[0], params, record[1])
        earlier, share = jax.linear_transpose(push, state, params)(sensitivity)
        return (earlier, jax.tree.map(jnp.add, gradient, share)), None

    zeros = jax.tree.map(jnp.zeros_like, (state, params))
    (_, gradient), _ = jax.lax.scan(retreat, zeros, (states, frozen, forcing), reverse=True)
    return gradient
