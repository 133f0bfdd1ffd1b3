"""Advection of a tracer, MUSCL or upwind: twin of traadv.f90."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.isolated import isolated
from emulator.toy_ocean.stencil import im1, ip1, jm1, jp1, km1, kp1
from emulator.toy_ocean.tratransport import TracerTransport


@isolated
def tra_adv(grid: Grid, config: Config, q: Array, r3t: Array, transport: TracerTransport) -> Array:
    """Convergence of the advective fluxes of tracer q: content trend [k, j, i], [q] m s-1. None through W(1)."""
    if not (config.ln_traadv_mus or config.ln_traadv_ups):
        return jnp.zeros_like(q)
    half = 0.0 if config.ln_traadv_ups else 0.5
    uu, vv, ww = transport
    per_volume = config.rn_Dt / (grid.e1e2t * grid.e3t_0[:, None, None] * (1.0 + r3t))

    east = (ip1(q) - q) * grid.umask
    x = _flux(uu, q, ip1(q), limited(im1(east), east), per_volume, ip1, half)
    north = (jp1(q) - q) * grid.vmask
    y = _flux(vv, q, jp1(q), limited(jm1(north), north), per_volume, jp1, half)
    up = (km1(q) - q) * grid.wmask
    z = _flux(ww, q, km1(q), limited(kp1(up), up), per_volume, km1, half) * grid.wmask
    return (im1(x) - x + jm1(y) - y + kp1(z) - z) / grid.e1e2t


def _flux(
    transport: Array,
    q: Array,
    q_beyond: Array,
    slope: Array,
    per_volume: Array,
    beyond: Callable[[Array], Array],
    half: float,
) -> Array:
    """Flux from each cell to the one `beyond` its face; the donor's slope acts over what the flow leaves of it."""
    courant = transport * per_volume
    courant_beyond = transport * beyond(per_volume)
    forward = q + half * (1.0 - courant) * slope
    backward = q_beyond - half * (1.0 + courant_beyond) * beyond(slope)
    return transport * jnp.where(transport >= 0.0, forward, backward)


def limited(a: Array, b: Array) -> Array:
    """Van Leer's harmonic mean of two differences of one sign; 0 at an extremum."""
    product = a * b
    same_sign = product > 0.0
    return jnp.where(same_sign, 2.0 * product / jnp.where(same_sign, a + b, 1.0), 0.0)
