"""Simplified equation of state (Roquet et al. 2015; NEMO ln_seos) and buoyancy frequency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.isolated import isolated
from emulator.toy_ocean.par_oce import grav, rho0

TEMPERATURE_ORIGIN = 10.0  # degC
SALINITY_ORIGIN = 35.0  # 1e-3


@isolated
def eos_insitu(grid: Grid, p: Mapping[str, Any], t: Array, s: Array) -> Array:
    """Density anomaly over rho0, [k, j, i]; `p` is the group nameos."""
    zt = t - TEMPERATURE_ORIGIN
    zs = s - SALINITY_ORIGIN
    zh = grid.gdept_0[:, None, None]
    density = (
        -p["rn_a0"] * (1.0 + 0.5 * p["rn_lambda1"] * zt + p["rn_mu1"] * zh) * zt
        + p["rn_b0"] * (1.0 - 0.5 * p["rn_lambda2"] * zs - p["rn_mu2"] * zh) * zs
        - p["rn_nu"] * zt * zs
    )
    return density / rho0 * grid.tmask


@isolated
def eos_rab(grid: Grid, p: Mapping[str, Any], t: Array, s: Array) -> tuple[Array, Array]:
    """Thermal expansion [degC-1] and haline contraction [1e3]."""
    zt = t - TEMPERATURE_ORIGIN
    zs = s - SALINITY_ORIGIN
    zh = grid.gdept_0[:, None, None]
    alpha = (p["rn_a0"] * (1.0 + p["rn_lambda1"] * zt + p["rn_mu1"] * zh) + p["rn_nu"] * zs) / rho0
    beta = (p["rn_b0"] * (1.0 - p["rn_lambda2"] * zs - p["rn_mu2"] * zh) - p["rn_nu"] * zt) / rho0
    return alpha, beta


@isolated
def bn2(grid: Grid, t: Array, s: Array, alpha: Array, beta: Array, r3t: Array) -> Array:
    """Squared buoyancy frequency at W [s-2], zero at the surface."""
    depth, above = grid.gdept_0[1:], grid.gdept_0[:-1]
    weight = ((grid.gdepw_0[1 : grid.nz] - depth) / (above - depth))[:, None, None]
    alpha_w = alpha[1:] * (1.0 - weight) + alpha[:-1] * weight
    beta_w = beta[1:] * (1.0 - weight) + beta[:-1] * weight
    buoyancy = grav * (alpha_w * (t[:-1] - t[1:]) - beta_w * (s[:-1] - s[1:]))
    inner = buoyancy / (grid.e3w_0[1:, None, None] * (1.0 + r3t)) * grid.wmask[1:]
    return with_surface(inner)


def with_surface(a: Array) -> Array:
    """[nz-1, j, i] on the interfaces below the surface -> [nz, j, i] with 0 at the surface."""
    return jnp.concatenate([jnp.zeros_like(a[:1]), a], axis=0)
