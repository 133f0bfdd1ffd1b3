"""Lateral viscosity: Laplacian as gradient of divergence minus curl of vorticity."""

from __future__ import annotations

from jax import Array

from emulator.toy_ocean.dynvor import vorticity
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.stencil import im1, ip1, jm1, jp1


def dyn_ldf(grid: Grid, ahmt: Array, ahmf: Array, u: Array, v: Array) -> tuple[Array, Array]:
    """Trends with viscosity ahmt at T and ahmf at F [m s-2]; fmask sets the slip at coasts."""
    flux_u, flux_v = grid.e2u * u, grid.e1v * v
    divergence = ahmt * grid.tmask / grid.e1e2t * (flux_u - im1(flux_u) + flux_v - jm1(flux_v))
    rotation = ahmf * grid.fmask * vorticity(grid, u, v)
    ldf_u = (ip1(divergence) - divergence) / grid.e1u - (rotation - jm1(rotation)) / grid.e2u
    ldf_v = (jp1(divergence) - divergence) / grid.e2v + (rotation - im1(rotation)) / grid.e1v
    return grid.umask * ldf_u, grid.vmask * ldf_v
