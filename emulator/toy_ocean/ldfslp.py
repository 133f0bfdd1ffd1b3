"""Isoneutral slopes, tapered where steep (Danabasoglu and McWilliams 1995): twin of ldfslp.f90."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.isolated import isolated
from emulator.toy_ocean.par_oce import grav
from emulator.toy_ocean.stencil import im1, ip1, jm1, jp1, km1, kp1

RN2_MIN = 1.0e-10  # smallest N^2 in a slope, s-2
PER_LEVEL = 7.0e3  # length over which a slope may cross one level, m


class Slopes(NamedTuple):
    """Slopes dz/dx and dz/dy of neutral surfaces, [k, j, i]: at U, V, and both at W."""

    uslp: Array
    vslp: Array
    wslpi: Array
    wslpj: Array


@isolated
def ldf_slp(
    grid: Grid, params: Mapping[str, Any], t: Array, s: Array, alpha: Array, beta: Array, rn2: Array
) -> Slopes:
    """Slopes from the gradients of buoyancy along levels and N^2."""
    slpmax = jnp.minimum(params["namtra_ldf"]["rn_slpmax"], grid.e3w_0 / PER_LEVEL)[:, None, None]
    gx = 0.5 * ((beta + ip1(beta)) * (ip1(s) - s) - (alpha + ip1(alpha)) * (ip1(t) - t))
    gy = 0.5 * ((beta + jp1(beta)) * (jp1(s) - s) - (alpha + jp1(alpha)) * (jp1(t) - t))
    gx = gx / grid.e1u * grid.umask
    gy = gy / grid.e2v * grid.vmask
    n2 = rn2 * grid.wmask
    column, wet = n2 + kp1(n2), grid.wmask + kp1(grid.wmask)
    n2_u = (column + ip1(column)) / jnp.maximum(1.0, wet + ip1(wet))
    n2_v = (column + jp1(column)) / jnp.maximum(1.0, wet + jp1(wet))
    return Slopes(
        uslp=tapered(gx, n2_u, slpmax) * grid.umask,
        vslp=tapered(gy, n2_v, slpmax) * grid.vmask,
        wslpi=tapered(mean_at_w(gx, grid.umask, im1), rn2, slpmax) * grid.wmask,
        wslpj=tapered(mean_at_w(gy, grid.vmask, jm1), rn2, slpmax) * grid.wmask,
    )


def mean_at_w(a: Array, mask: Array, before: Callable[[Array], Array]) -> Array:
    """Mean at W of a masked U (before = im1) or V (jm1) field over the wet ones of its four neighbours."""
    total, wet = before(a) + a, before(mask) + mask
    return (km1(total) + total) / jnp.maximum(1.0, km1(wet) + wet)


def tapered(gradient: Array, n2: Array, slpmax: Array) -> Array:
    """Slope, faded out by a tanh of width slpmax/10 (written with exp) where steeper than slpmax."""
    slope = grav * gradient / jnp.maximum(n2, RN2_MIN)
    return slope / (1.0 + jnp.exp(jnp.minimum(50.0, 20.0 * (jnp.abs(slope) / slpmax - 1.0))))
