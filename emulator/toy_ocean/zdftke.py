"""Turbulent kinetic energy closure (Gaspar et al. 1990; Blanke and Delecluse 1993): twin of zdftke.f90.

Index 0 of k is the surface interface W(1) of the Fortran.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from emulator.toy_ocean import guarded
from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.par_oce import grav, rho0, vkarmn
from emulator.toy_ocean.tridiagonal import tridiagonal

RN2_MIN = 1.0e-16  # smallest N^2 in the mixing length, s-2
SHEAR_MIN = 1.0e-20  # keeps the Richardson number finite, m2 s-3
PDL_MIN = 0.1  # smallest inverse Prandtl number


def tke_avm(
    grid: Grid, config: Config, params: Mapping[str, Any], en: Array, rn2: Array, taum: Array, r3t: Array
) -> tuple[Array, Array, Array]:
    """At W [k, j, i] from the energy of step n: rn_ediff l sqrt(en), viscosity [m2 s-1], sqrt(en)/l [s-1]."""
    tke = params["namzdf_tke"]
    shortest = 1.0e-6 / (tke["rn_ediff"] * jnp.sqrt(tke["rn_emin"]))
    squared = 2.0 * en[1:] / jnp.maximum(rn2[1:], RN2_MIN) * grid.wmask[1:]
    length = jnp.maximum(shortest, guarded.sqrt(squared))
    lup = _downward_sweep(grid, _surface_length(config, params, taum), length, r3t)
    if config.nn_mxl == 2:
        lup = ldn = _upward_sweep(grid, shortest, lup, r3t)
    else:
        ldn = _upward_sweep(grid, shortest, length, r3t)
    speed = guarded.sqrt(en[1:])
    zav = tke["rn_ediff"] * jnp.minimum(lup, ldn) * speed
    avm = jnp.maximum(zav, params["namzdf"]["rn_avm0"]) * grid.wmask[1:]
    return _below_surface(zav), _below_surface(avm), _below_surface(speed / jnp.sqrt(lup * ldn))


def _surface_length(config: Config, params: Mapping[str, Any], taum: Array) -> Array:
    rn_mxl0 = params["namzdf_tke"]["rn_mxl0"]
    if config.ln_mxl0:
        return jnp.maximum(rn_mxl0, vkarmn * 2.0e5 * taum / (rho0 * grav))
    return jnp.full_like(taum, rn_mxl0)


def _downward_sweep(grid: Grid, surface: Array, length: Array, r3t: Array) -> Array:
    """min over what lies above of (length there + distance), [k >= 1, j, i]."""

    def level(above: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        e3t_0, here = inputs
        longest = jnp.minimum(above + e3t_0 * (1.0 + r3t), here)
        return longest, longest

    return lax.scan(level, surface, (grid.e3t_0[:-1], length))[1]


def _upward_sweep(grid: Grid, shortest: Array, length: Array, r3t: Array) -> Array:
    """min over what lies below of (length there + distance), [k >= 1, j, i]; `shortest` at the bottom."""

    def level(below: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        e3t_0, here = inputs
        longest = jnp.minimum(below + e3t_0 * (1.0 + r3t), here)
        return longest, longest

    return lax.scan(level, shortest + 0.0 * r3t, (grid.e3t_0[1:], length), reverse=True)[1]


def tke_avt(
    grid: Grid,
    config: Config,
    params: Mapping[str, Any],
    zav: Array,
    avm: Array,
    sh2: Array,
    rn2: Array,
) -> Array:
    """Diffusivity of tracers at W [k, j, i] m2 s-1: viscosity over the Prandtl number."""
    tke, zdf = params["namzdf_tke"], params["namzdf"]
    inverse_prandtl: Array | float = 1.0
    if config.nn_pdl == 1:
        critical = 2.0 / (2.0 + tke["rn_ediss"] / tke["rn_ediff"])
        richardson = jnp.maximum(rn2, 0.0) * avm / (sh2 + SHEAR_MIN)
        inverse_prandtl = jnp.maximum(PDL_MIN, critical / jnp.maximum(critical, richardson))
    floor = zdf["rn_avt0"] * zdf.get("avtb_2d", 1.0)
    return jnp.maximum(inverse_prandtl * jnp.maximum(zav, floor), floor) * grid.wmask


def tke_tke(
    grid: Grid,
    config: Config,
    params: Mapping[str, Any],
    taum: Array,
    r3t: Array,
    rn2: Array,
    avm: Array,
    avt: Array,
    sh2: Array,
    dissl: Array,
    en: Array,
) -> Array:
    """Energy of step n+1 [k, j, i] m2 s-2: implicit diffusion and dissipation, wind at the surface."""
    tke, dt = params["namzdf_tke"], config.rn_Dt
    surface = jnp.maximum(tke["rn_emin0"], tke["rn_ebb"] * taum / rho0) * grid.ssmask
    a_up, a_dn = _diffusion_matrix(grid, dt, avm[1:], r3t)
    dissipation = tke["rn_ediss"] * dissl[1:]
    diagonal = 1.0 - a_up - a_dn + 1.5 * dt * dissipation
    right_side = en[1:] + dt * (sh2[1:] - avt[1:] * rn2[1:] + 0.5 * dissipation * en[1:])
    solution = tridiagonal(
        _below_surface(a_up),
        jnp.concatenate([jnp.ones_like(surface)[None], diagonal]),
        _below_surface(a_dn),
        jnp.concatenate([surface[None], right_side]),
    )
    below = jnp.maximum(solution[1:], tke["rn_emin"]) * grid.wmask[1:]
    if config.nn_etau == 1:
        below = below + _penetration(grid, config, params, surface)
    return jnp.concatenate([surface[None], below])


def _diffusion_matrix(grid: Grid, dt: float, avm: Array, r3t: Array) -> tuple[Array, Array]:
    """Coupling with the interfaces above and below, [k >= 1, j, i]; avm(1) is taken equal to avm(2)."""
    stretch = (1.0 + r3t) ** 2
    e3w_0 = grid.e3w_0[1:, None, None]
    above = jnp.concatenate([avm[:1], avm[:-1]])
    below = jnp.concatenate([avm[1:], avm[-1:]])
    wet_below = jnp.concatenate([grid.wmask[2:], jnp.zeros_like(grid.wmask[:1])])
    a_up = -0.5 * dt * (avm + above) / (grid.e3t_0[:-1, None, None] * e3w_0 * stretch) * grid.wmask[1:]
    a_dn = -0.5 * dt * (avm + below) / (grid.e3t_0[1:, None, None] * e3w_0 * stretch) * wet_below
    return a_up, a_dn


def _penetration(grid: Grid, config: Config, params: Mapping[str, Any], surface: Array) -> Array:
    """Energy of breaking inertial waves below the mixed layer (nn_etau = 1), [k >= 1, j, i]."""
    depth = 10.0 * jnp.ones_like(surface)
    if config.nn_htau == 1:
        depth = jnp.maximum(0.5, jnp.minimum(30.0, 45.0 * jnp.abs(jnp.sin(jnp.deg2rad(grid.gphit)))))
    decay = jnp.exp(-grid.gdepw_0[1 : grid.nz, None, None] / depth)
    return params["namzdf_tke"]["rn_efr"] * surface * decay * grid.wmask[1:]


def _below_surface(a: Array) -> Array:
    """[k >= 1, j, i] with a zero first interface."""
    return jnp.concatenate([jnp.zeros_like(a[:1]), a])
