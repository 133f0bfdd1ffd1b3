"""Implicit vertical diffusion of tracers: twin of trazdf.f90."""

from __future__ import annotations

from jax import Array

from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.tridiagonal import diffusion


def tra_zdf(grid: Grid, config: Config, r3t_new: Array, diffusivity: Array, contents: Array) -> Array:
    """Contents after the explicit terms -> tracers of step n+1, both [k, tracer, j, i]: one matrix for all.

    diffusivity: avt + akz at W, [k, j, i] m2 s-1.
    """
    stretch = 1.0 + r3t_new
    e3w = grid.e3w_0[:, None, None] * stretch
    coupling = config.rn_Dt * diffusivity / e3w * grid.wmask  # of k - 1 and k
    thickness = grid.e3t_0[:, None, None] * stretch
    solution = diffusion(coupling[:, None], thickness[:, None], contents)
    return solution * grid.tmask[:, None]
