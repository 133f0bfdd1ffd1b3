"""Shear production of turbulent kinetic energy: twin of zdfsh2.f90."""

from __future__ import annotations

from jax import Array

from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.stencil import im1, ip1, jm1, jp1, km1


def zdf_sh2(grid: Grid, u: Array, v: Array, avm: Array, r3u: Array, r3v: Array) -> Array:
    """avm (du/dz)^2 + avm (dv/dz)^2 at W [k, j, i], m2 s-3: made at UW and VW, averaged over the wet ones."""
    e3uw = grid.e3w_0[:, None, None] * (1.0 + r3u)
    e3vw = grid.e3w_0[:, None, None] * (1.0 + r3v)
    zu = (avm + ip1(avm)) * (km1(u) - u) ** 2 / (e3uw * e3uw) * grid.wumask
    zv = (avm + jp1(avm)) * (km1(v) - v) ** 2 / (e3vw * e3vw) * grid.wvmask
    return 0.25 * (
        (im1(zu) + zu) * (2.0 - im1(grid.umask) * grid.umask)
        + (jm1(zv) + zv) * (2.0 - jm1(grid.vmask) * grid.vmask)
    )
