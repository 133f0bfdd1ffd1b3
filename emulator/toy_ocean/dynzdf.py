"""Vertical viscosity, wind stress and bottom drag, implicit in time."""

from __future__ import annotations

from typing import Any

from jax import Array

from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.par_oce import rho0
from emulator.toy_ocean.stencil import ip1, jp1, kp1
from emulator.toy_ocean.tridiagonal import tridiagonal


def dyn_zdf_u(grid: Grid, dt: Any, avm: Array, rcdu: Array, r3u: Array, utau: Array, u: Array) -> Array:
    """u* of (1 - dt d/dz avm d/dz + drag) u* = u + dt utau/(rho0 e3u(1)); avm at W, drag >= 0 at T."""
    viscosity = 0.5 * (avm + ip1(avm)) * grid.wumask
    return implicit_columns(grid, dt, viscosity, 0.5 * (rcdu + ip1(rcdu)), r3u, utau, grid.umask, u)


def dyn_zdf_v(grid: Grid, dt: Any, avm: Array, rcdu: Array, r3v: Array, vtau: Array, v: Array) -> Array:
    """The same for v."""
    viscosity = 0.5 * (avm + jp1(avm)) * grid.wvmask
    return implicit_columns(grid, dt, viscosity, 0.5 * (rcdu + jp1(rcdu)), r3v, vtau, grid.vmask, v)


def implicit_columns(
    grid: Grid, dt: Any, viscosity: Array, drag: Array, r3: Array, stress: Array, mask: Array, x: Array
) -> Array:
    """One backward Euler step of every velocity column: viscosity at its interfaces, drag in its lowest wet cell."""
    thickness = grid.e3t_0[:, None, None] * (1.0 + r3)
    exchange = viscosity * dt / (grid.e3w_0[:, None, None] * (1.0 + r3))
    lower = -exchange / thickness
    upper = -kp1(exchange) / thickness
    lowest_wet = mask - kp1(mask)
    diagonal = 1.0 - lower - upper + lowest_wet * dt * drag / thickness
    rhs = x.at[0].add(mask[0] * dt * stress / (rho0 * thickness[0]))
    return tridiagonal(lower, diagonal, upper, rhs)
