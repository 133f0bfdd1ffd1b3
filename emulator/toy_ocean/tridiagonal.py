"""Thomas algorithm for columns: elimination from the top, back substitution, no pivoting
(the matrices of implicit vertical mixing are diagonally dominant)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from emulator.toy_ocean.stencil import km1, kp1


def tridiagonal(a_up: Array, diag: Array, a_dn: Array, rhs: Array) -> Array:
    """Solution x [nz, ...] of a_up(k) x(k-1) + diag(k) x(k) + a_dn(k) x(k+1) = rhs(k).

    a_up(1) and a_dn(nz) are not read; the coefficients broadcast against rhs. Its derivative is one more
    solve, forward or transposed, rather than the derivative of the elimination.
    """
    a_up = jnp.asarray(a_up).at[0].set(0.0)
    a_dn = jnp.asarray(a_dn).at[-1].set(0.0)
    return jax.lax.custom_linear_solve(
        lambda x: a_up * km1(x) + diag * x + a_dn * kp1(x),
        rhs,
        solve=lambda _, b: thomas(a_up, diag, a_dn, b),
        transpose_solve=lambda _, b: thomas(km1(a_dn), diag, kp1(a_up), b),
    )


def thomas(a_up: Array, diag: Array, a_dn: Array, rhs: Array) -> Array:
    """The algorithm, one level at a time."""

    def eliminate(above: tuple[Array, Array, Array], row: tuple[Array, ...]) -> tuple:
        pivot, upper, right = above
        a, d, c, b = row
        factor = a / pivot
        new = (d - factor * upper, c, b - factor * right)
        return new, (new[0], new[2])

    def substitute(below: Array, row: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        pivot, upper, right = row
        x = (right - upper * below) / pivot
        return x, x

    start = (jnp.ones_like(diag[0]), jnp.zeros_like(a_dn[0]), jnp.zeros_like(rhs[0]))
    _, (pivot, right) = jax.lax.scan(eliminate, start, (a_up, diag, a_dn, rhs))
    _, x = jax.lax.scan(substitute, jnp.zeros_like(rhs[0]), (pivot, a_dn, right), reverse=True)
    return x


def diffusion(coupling: Array, thickness: Array, content: Array) -> Array:
    """Solution x [nz, ...] of thickness x + coupling(k) (x(k) - x(k-1)) - coupling(k+1) (x(k+1) - x(k)) = content.

    coupling >= 0, between k - 1 and k; coupling(1) is not read. The elimination has no subtraction, so that
    strong mixing (coupling >> thickness) costs no digits (see trazdf.f90).
    """
    coupling = jnp.asarray(coupling).at[0].set(0.0)
    below = kp1(coupling)
    return jax.lax.custom_linear_solve(
        lambda x: (thickness + coupling + below) * x - coupling * km1(x) - below * kp1(x),
        content,
        solve=lambda _, b: _without_subtraction(coupling, below, thickness, b),
        symmetric=True,
    )


def _without_subtraction(coupling: Array, below: Array, thickness: Array, rhs: Array) -> Array:
    def eliminate(above: tuple[Array, Array, Array], row: tuple[Array, ...]) -> tuple:
        s_above, inverse_above, right_above = above
        c, c_below, e3t, b = row
        ratio = c * inverse_above
        s = e3t + ratio * s_above
        inverse = 1.0 / (s + c_below)
        right = b + ratio * right_above
        return (s, inverse, right), (inverse, right)

    def substitute(x_below: Array, row: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        inverse, c_below, right = row
        x = (right + c_below * x_below) * inverse
        return x, x

    start = (jnp.zeros_like(thickness[0]), jnp.ones_like(thickness[0]), jnp.zeros_like(rhs[0]))
    _, (inverse, right) = jax.lax.scan(eliminate, start, (coupling, below, thickness, rhs))
    _, x = jax.lax.scan(substitute, jnp.zeros_like(rhs[0]), (inverse, below, right), reverse=True)
    return x
