"""Split-explicit free surface: forward-backward barotropic sub-steps averaged over a window centred
on the new time level (Shchepetkin & McWilliams 2005; boxcar weights)."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.par_oce import grav, rho0
from emulator.toy_ocean.stencil import im1, ip1, jm1, jp1


class Barotropic(NamedTuple):
    """Depth-mean flow [m s-1] and the constant forcing of its sub-steps [m s-2], [j, i]."""

    ub: Array
    vb: Array
    force_u: Array
    force_v: Array


def corbt_u(grid: Grid, vb: Array) -> Array:
    """Coriolis trend of the depth-mean u: the depth mean of `cor_u` on depth-uniform v [m s-2]."""
    w = corbt_weights_u(grid)
    return w[0] * vb + w[1] * ip1(vb) + w[2] * jm1(vb) + w[3] * ip1(jm1(vb))


def corbt_v(grid: Grid, ub: Array) -> Array:
    """Coriolis trend of the depth-mean v; conserves energy together with `corbt_u` [m s-2]."""
    w = corbt_weights_v(grid)
    return w[0] * ub + w[1] * jp1(ub) + w[2] * im1(ub) + w[3] * im1(jp1(ub))


def corbt_weights_u(grid: Grid) -> tuple[Array, Array, Array, Array]:
    """Weights [s-1] of V at (i,j) (i+1,j) (i,j-1) (i+1,j-1)."""
    factor = 0.25 * grid.ssumask / (grid.e1u * (grid.hu_0 + 1.0 - grid.ssumask))

    def weight(f: Array, e1v: Array, hv_0: Array) -> Array:
        return factor * f * (e1v * jnp.minimum(grid.hu_0, hv_0))

    e1v, hv_0, f = grid.e1v, grid.hv_0, grid.ff_f
    south_e1v, south_hv_0, south_f = jm1(e1v), jm1(hv_0), jm1(f)
    return (
        weight(f, e1v, hv_0),
        weight(f, ip1(e1v), ip1(hv_0)),
        weight(south_f, south_e1v, south_hv_0),
        weight(south_f, ip1(south_e1v), ip1(south_hv_0)),
    )


def corbt_weights_v(grid: Grid) -> tuple[Array, Array, Array, Array]:
    """Weights [s-1] of U at (i,j) (i,j+1) (i-1,j) (i-1,j+1)."""
    factor = -0.25 * grid.ssvmask / (grid.e2v * (grid.hv_0 + 1.0 - grid.ssvmask))

    def weight(f: Array, e2u: Array, hu_0: Array) -> Array:
        return factor * f * (e2u * jnp.minimum(grid.hv_0, hu_0))

    e2u, hu_0, f = grid.e2u, grid.hu_0, grid.ff_f
    west_e2u, west_hu_0, west_f = im1(e2u), im1(hu_0), im1(f)
    return (
        weight(f, e2u, hu_0),
        weight(f, jp1(e2u), jp1(hu_0)),
        weight(west_f, west_e2u, west_hu_0),
        weight(west_f, jp1(west_e2u), jp1(west_hu_0)),
    )


def window(substeps: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxcar over sub-steps N/2 .. 3N/2, [3N/2]: weight of the velocities that sub-step m = 0, 1, ... reaches,
    and of the transport used in it, (1/N) times the sum of all later averaging weights."""
    n, m = substeps, np.arange(3 * substeps // 2)
    average = np.where(m + 1 >= n // 2, 1.0 / (n + 1), 0.0)
    return average, np.minimum(n + 1, 3 * n // 2 - m) / (float(n) * (n + 1))


def dyn_spg_ts(
    grid: Grid, substeps: int, dt: Any, emp: Array, bt: Barotropic, ssh: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """(ssh, ub, vb) at n+1 and the mean transports <U>, <V> [m3 s-1] after 3N/2 sub-steps of dt/N."""
    dtau = dt / substeps
    half_u, half_v = 0.5 / grid.e1e2u, 0.5 / grid.e1e2v
    grav_u, grav_v = grav / grid.e1u, grav / grid.e2v
    rain = emp / rho0
    wu, wv = corbt_weights_u(grid), corbt_weights_v(grid)

    def substep(carry: tuple[Array, ...], weights: tuple[Array, Array]) -> tuple[tuple[Array, ...], None]:
        eta, ub, vb, ub_mean, vb_mean, un_adv, vn_adv = carry
        average, transport = weights
        volume = grid.e1e2t * eta
        uflux = grid.e2u * (grid.hu_0 + half_u * (volume + ip1(volume))) * ub
        vflux = grid.e1v * (grid.hv_0 + half_v * (volume + jp1(volume))) * vb
        divergence = (uflux - im1(uflux) + vflux - jm1(vflux)) / grid.e1e2t
        eta = eta - dtau * grid.ssmask * (divergence + rain)
        v_south = jm1(vb)
        coriolis = wu[0] * vb + wu[1] * ip1(vb) + wu[2] * v_south + wu[3] * ip1(v_south)
        ub = (ub + dtau * (bt.force_u + coriolis - grav_u * (ip1(eta) - eta))) * grid.ssumask
        u_north = jp1(ub)
        coriolis = wv[0] * ub + wv[1] * u_north + wv[2] * im1(ub) + wv[3] * im1(u_north)
        vb = (vb + dtau * (bt.force_v + coriolis - grav_v * (jp1(eta) - eta))) * grid.ssvmask
        means = ub_mean + average * ub, vb_mean + average * vb
        transports = un_adv + transport * uflux, vn_adv + transport * vflux
        return (eta, ub, vb, *means, *transports), None

    zero = jnp.zeros_like(ssh)
    start = (ssh, bt.ub, bt.vb, zero, zero, zero, zero)
    weights = tuple(jnp.asarray(w) for w in window(substeps))
    (_, _, _, ub, vb, un_adv, vn_adv), _ = jax.lax.scan(substep, start, weights)
    divergence = (un_adv - im1(un_adv) + vn_adv - jm1(vn_adv)) / grid.e1e2t
    return ssh - dt * grid.ssmask * (divergence + rain), ub, vb, un_adv, vn_adv
