"""Vertical advection of momentum, in the form that conserves energy."""

from __future__ import annotations

from jax import Array

from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.stencil import ip1, jp1, km1, kp1


def dyn_zad(grid: Grid, r3u: Array, r3v: Array, ww: Array, u: Array, v: Array) -> tuple[Array, Array]:
    """Trends -(q(k) + q(k+1))/(2 e1e2u e3u) [m s-2], q(k) = mean W of the two T points times u(k-1) - u(k)."""
    q_u = 0.5 * (ww + ip1(ww)) * (km1(u) - u) * grid.wumask
    q_v = 0.5 * (ww + jp1(ww)) * (km1(v) - v) * grid.wvmask
    thickness = grid.e3t_0[:, None, None]
    zad_u = -0.5 * (q_u + kp1(q_u)) / (grid.e1e2u * thickness * (1.0 + r3u))
    zad_v = -0.5 * (q_v + kp1(q_v)) / (grid.e1e2v * thickness * (1.0 + r3v))
    return zad_u, zad_v
