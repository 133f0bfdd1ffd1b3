"""Horizontal gradient of the kinetic energy (vector-invariant advection of momentum)."""

from __future__ import annotations

from jax import Array

from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.stencil import im1, ip1, jm1, jp1


def dyn_keg(grid: Grid, u: Array, v: Array) -> tuple[Array, Array]:
    """Trends -(K(i+1) - K(i))/e1u [m s-2] with K = (u(i-1)^2 + u(i)^2 + v(j-1)^2 + v(j)^2)/4."""
    u2, v2 = u * u, v * v
    energy = 0.25 * (im1(u2) + u2 + jm1(v2) + v2)
    keg_u = -(ip1(energy) - energy) / grid.e1u * grid.umask
    keg_v = -(jp1(energy) - energy) / grid.e2v * grid.vmask
    return keg_u, keg_v
