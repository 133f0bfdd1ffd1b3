"""Vertical volume transport through the moving z* levels, from continuity, bottom up."""

from __future__ import annotations

from jax import Array

from emulator.toy_ocean.columns import sum_up
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.par_oce import rho0
from emulator.toy_ocean.stencil import im1, jm1


def wzv_transport(grid: Grid, r3u: Array, r3v: Array, u: Array, v: Array, emp: Array) -> Array:
    """Upward transport W(k) = W(k+1) - [D(k) + e1e2t e3t_0(k)/ht_0 d(ssh)/dt] [m3 s-1]."""
    thickness = grid.e3t_0[:, None, None]
    flux_u = grid.e2u * (1.0 + r3u) * u
    flux_v = grid.e1v * (1.0 + r3v) * v
    divergence = thickness * (flux_u - im1(flux_u) + flux_v - jm1(flux_v))
    rise = -(divergence.sum(axis=0) + grid.e1e2t * emp / rho0) * grid.ssmask
    rise = rise / (grid.ht_0 + 1.0 - grid.ssmask)
    return -sum_up(divergence + thickness * rise * grid.tmask)
