"""Functions put into VEROS's modules in place of its own: the same values, and derivatives that exist.

* sqrt: its derivative at 0 is infinite, and 0 · ∞ is NaN. TKE, EKE and speeds at rest are 0.
* vertical solves: their derivative is a solve (`tridiagonal`).
* the time level of the equation of state: static, like all others.
"""

from __future__ import annotations

import sys
from typing import Any

import jax
import jax.numpy as jnp

from emulator.veros.tridiagonal import with_derivative_of_a_solve

_ROOTS = ("veros.core.tke", "veros.core.eke", "veros.core.friction", "veros.core.density.gsw")


def install() -> None:
    """Put them into the imported modules of VEROS, before anything of it is compiled."""
    from veros.core import thermodynamics, utilities
    from veros.core.operators import solve_tridiagonal

    for name in _ROOTS:
        sys.modules[name].npx = SafeRoots()  # type: ignore[attr-defined]
    utilities.solve_tridiagonal = with_derivative_of_a_solve(solve_tridiagonal)
    thermodynamics.calc_eq_of_state.static_argnums = [1]


class SafeRoots:
    """jax.numpy with `sqrt` replaced by `safe_sqrt`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(jnp, name)

    @staticmethod
    def sqrt(x: Any) -> jax.Array:
        """`safe_sqrt` of a number or an array."""
        return safe_sqrt(jnp.asarray(x, dtype=float))


@jax.custom_jvp
def safe_sqrt(x: jax.Array) -> jax.Array:
    """√x, with derivative 0 where x ≤ 0: XLA sees `sqrt`, and simplifies what is around it as in stock VEROS."""
    return jnp.sqrt(x)


@safe_sqrt.defjvp
def _slope_of_sqrt(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    (x,), (change,) = primals, tangents
    positive = x > 0
    slope = jnp.where(positive, 0.5 / jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)
    return safe_sqrt(x), slope * change
