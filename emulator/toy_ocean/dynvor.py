"""Rotation terms of the vector-invariant momentum equation, in the form that conserves energy
(NEMO's ENE; Sadourny 1975): relative vorticity (`dyn_vor`) and Coriolis (`cor_u`, `cor_v`)."""

from __future__ import annotations

from jax import Array

from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.stencil import im1, ip1, jm1, jp1


def dyn_vor(grid: Grid, u: Array, v: Array) -> tuple[Array, Array]:
    """Trends of the relative vorticity: zeta v in u and -zeta u in v [m s-2]."""
    zeta = vorticity(grid, u, v)
    return rotate_u(grid, zeta, v), rotate_v(grid, zeta, u)


def cor_u(grid: Grid, v: Array) -> Array:
    """Coriolis trend of u from v, f v [m s-2]."""
    return rotate_u(grid, grid.ff_f, v)


def cor_v(grid: Grid, u: Array) -> Array:
    """Coriolis trend of v from u, -f u [m s-2]."""
    return rotate_v(grid, grid.ff_f, u)


def vorticity(grid: Grid, u: Array, v: Array) -> Array:
    """Relative vorticity at F, not masked [s-1]."""
    e2v_v, e1u_u = grid.e2v * v, grid.e1u * u
    return (ip1(e2v_v) - e2v_v - jp1(e1u_u) + e1u_u) / grid.e1e2f


def rotate_u(grid: Grid, z: Array, v: Array) -> Array:
    """z v at U, z at F: each F point carries the flux e1v v of its two V neighbours."""
    flux = grid.e1v * v
    at_f = z * (ip1(flux) + flux)
    return 0.25 / grid.e1u * grid.umask * (at_f + jm1(at_f))


def rotate_v(grid: Grid, z: Array, u: Array) -> Array:
    """-z u at V, z at F."""
    flux = grid.e2u * u
    at_f = z * (flux + jp1(flux))
    return -0.25 / grid.e2v * grid.vmask * (at_f + im1(at_f))
