"""Volume transports that advect tracers: twin of tratransport.f90."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
from jax import Array

from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.ldfeiv import ldf_eiv
from emulator.toy_ocean.ldfslp import Slopes
from emulator.toy_ocean.stencil import im1, jm1


class Transport(Protocol):
    """What dyn_stp leaves for the tracers."""

    @property
    def un_adv(self) -> Array: ...  # [j, i] m3 s-1, time-mean barotropic transport at U
    @property
    def vn_adv(self) -> Array: ...
    @property
    def u_bc(self) -> Array: ...  # [k, j, i] m s-1, velocity of step n+1 less its depth mean
    @property
    def v_bc(self) -> Array: ...
    @property
    def r3t_new(self) -> Array: ...  # [j, i] ssh/ht_0 of step n+1


class TracerTransport(NamedTuple):
    """Transports through U, V (eastward, northward) and W (upward), [k, j, i] m3 s-1."""

    uu: Array
    vv: Array
    ww: Array


def tra_transport(
    grid: Grid,
    config: Config,
    params: Mapping[str, Any],
    transport: Transport,
    slopes: Slopes | None,
    r3t: Array,
    r3u: Array,
    r3v: Array,
) -> TracerTransport:
    """Velocity of step n+1 and the eddy-induced part (ln_ldfeiv); W from continuity."""
    e3t_0 = grid.e3t_0[:, None, None]
    depth_u = grid.hu_0 + 1.0 - grid.ssumask  # not 0 on land
    depth_v = grid.hv_0 + 1.0 - grid.ssvmask
    uu = e3t_0 * (grid.e2u * (1.0 + r3u) * transport.u_bc + transport.un_adv / depth_u) * grid.umask
    vv = e3t_0 * (grid.e1v * (1.0 + r3v) * transport.v_bc + transport.vn_adv / depth_v) * grid.vmask
    if config.ln_ldfeiv:
        assert slopes is not None, "ln_ldfeiv needs the slopes of ldf_slp"
        eddy_u, eddy_v = ldf_eiv(grid, config, params, slopes)
        uu, vv = uu + eddy_u, vv + eddy_v
    swelling = grid.e1e2t * e3t_0 * ((transport.r3t_new - r3t) / config.rn_Dt)
    divergence = (uu - im1(uu) + vv - jm1(vv) + swelling) * grid.tmask
    return TracerTransport(uu, vv, -jnp.cumsum(divergence[::-1], axis=0)[::-1])
