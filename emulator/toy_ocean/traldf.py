"""Lateral diffusion of a tracer, along levels or neutral surfaces (Redi 1982; Cox 1987): twin of traldf.f90."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.isolated import isolated
from emulator.toy_ocean.ldfslp import Slopes, mean_at_w
from emulator.toy_ocean.ldftra import Diffusivity
from emulator.toy_ocean.stencil import im1, ip1, jm1, jp1, km1, kp1


def is_isoneutral(config: Config) -> bool:
    """Along neutral surfaces? `ln_traldf_hor` has precedence."""
    return config.ln_traldf_iso and not config.ln_traldf_hor


def tra_ldf_akz(diffusivity: Diffusivity, slopes: Slopes) -> Array:
    """Vertical diffusivity of the isoneutral operator at W [k, j, i] m2 s-1, for the implicit solve."""
    return diffusivity.ahtw * (slopes.wslpi**2 + slopes.wslpj**2)


@isolated
def tra_ldf(
    grid: Grid,
    config: Config,
    q: Array,
    r3t: Array,
    r3u: Array,
    r3v: Array,
    diffusivity: Diffusivity,
    slopes: Slopes | None,
) -> Array:
    """Convergence of the explicit lateral fluxes of tracer q: content trend [k, j, i], [q] m s-1."""
    if not (config.ln_traldf_hor or config.ln_traldf_iso):
        return jnp.zeros_like(q)
    dx = (ip1(q) - q) / grid.e1u * grid.umask
    dy = (jp1(q) - q) / grid.e2v * grid.vmask
    fx, fy, fz = dx, dy, jnp.zeros_like(q)
    if is_isoneutral(config):
        assert slopes is not None, "ln_traldf_iso needs the slopes of ldf_slp"
        dz = (km1(q) - q) / (grid.e3w_0[:, None, None] * (1.0 + r3t)) * grid.wmask
        column, wet = dz + kp1(dz), grid.wmask + kp1(grid.wmask)
        fx = dx + slopes.uslp * (column + ip1(column)) / jnp.maximum(1.0, wet + ip1(wet))
        fy = dy + slopes.vslp * (column + jp1(column)) / jnp.maximum(1.0, wet + jp1(wet))
        across = slopes.wslpi * mean_at_w(dx, grid.umask, im1) + slopes.wslpj * mean_at_w(dy, grid.vmask, jm1)
        fz = diffusivity.ahtw * grid.wmask * across
    e3t_0 = grid.e3t_0[:, None, None]
    fx = diffusivity.ahtu * grid.e2u * e3t_0 * (1.0 + r3u) * fx * grid.umask
    fy = diffusivity.ahtv * grid.e1v * e3t_0 * (1.0 + r3v) * fy * grid.vmask
    return (fx - im1(fx) + fy - jm1(fy)) / grid.e1e2t + fz - kp1(fz)
