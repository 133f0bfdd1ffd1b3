"""One step of momentum and ssh: explicit trends, implicit vertical mixing, barotropic sub-steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from jax import Array

from emulator.toy_ocean.config import Config, barotropic_substeps
from emulator.toy_ocean.domqco import dom_qco_r3
from emulator.toy_ocean.dynhpg import dyn_hpg
from emulator.toy_ocean.dynkeg import dyn_keg
from emulator.toy_ocean.dynldf import dyn_ldf
from emulator.toy_ocean.dynspg_ts import Barotropic, corbt_u, corbt_v, dyn_spg_ts
from emulator.toy_ocean.dynvor import cor_u, cor_v, dyn_vor
from emulator.toy_ocean.dynzad import dyn_zad
from emulator.toy_ocean.dynzdf import dyn_zdf_u, dyn_zdf_v
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.ldfdyn import ldf_dyn
from emulator.toy_ocean.state import State, Surface, Tendencies
from emulator.toy_ocean.wzv import wzv_transport


class Dynamics(NamedTuple):
    """uo, vo, zos at n+1, and what the tracers need: mean barotropic transports [m3 s-1], the deviations of
    u3*, v3* from their depth means [m s-1], the stretching ratio at n+1."""

    uo: Array
    vo: Array
    zos: Array
    un_adv: Array
    vn_adv: Array
    u_bc: Array
    v_bc: Array
    r3t_new: Array


def dyn_stp(
    grid: Grid,
    config: Config,
    params: Mapping[str, Mapping[str, Any]],
    state: State,
    sbc: Surface,
    tendencies: Tendencies | None,
    mixing: Any,
    rhd: Array,
    r3t: Array,
    r3u: Array,
    r3v: Array,
) -> Dynamics:
    """Momentum and ssh from n to n+1; `mixing` has avm [k, j, i] and rcdu [j, i] of `zdf_phy`."""
    dt = params["namdom"]["rn_Dt"]
    u, v = state.uo, state.vo
    utrd, vtrd = explicit_trends(grid, config, params, state, sbc, rhd, r3t, r3u, r3v)
    if tendencies is not None:
        utrd, vtrd = utrd + tendencies.uo_tendency, vtrd + tendencies.vo_tendency
    ub = depth_mean(grid, grid.umask, grid.hu_0, grid.ssumask, u)
    vb = depth_mean(grid, grid.vmask, grid.hv_0, grid.ssvmask, v)

    u_star = (u + dt * (utrd + cor_u(grid, v))) * grid.umask
    u_star = dyn_zdf_u(grid, dt, mixing.avm, mixing.rcdu, r3u, sbc.utau, u_star)
    mean_u = depth_mean(grid, grid.umask, grid.hu_0, grid.ssumask, u_star)
    force_u = (mean_u - ub) / dt - corbt_u(grid, vb)
    u_bc = (u_star - mean_u) * grid.umask

    # Forward-backward: v feels the new shear of u, and of its depth mean the old one.
    v_star = (v + dt * (vtrd + cor_v(grid, (u_bc + ub) * grid.umask))) * grid.vmask
    v_star = dyn_zdf_v(grid, dt, mixing.avm, mixing.rcdu, r3v, sbc.vtau, v_star)
    mean_v = depth_mean(grid, grid.vmask, grid.hv_0, grid.ssvmask, v_star)
    force_v = (mean_v - vb) / dt - corbt_v(grid, ub)
    v_bc = (v_star - mean_v) * grid.vmask

    bt = Barotropic(ub, vb, force_u, force_v)
    substeps = spg_ts_substeps(config, grid)
    zos, ub, vb, un_adv, vn_adv = dyn_spg_ts(grid, substeps, dt, sbc.emp, bt, state.zos)
    r3t_new, _, _ = dom_qco_r3(grid, zos)
    uo, vo = (u_bc + ub) * grid.umask, (v_bc + vb) * grid.vmask
    return Dynamics(uo, vo, zos, un_adv, vn_adv, u_bc, v_bc, r3t_new)


def spg_ts_substeps(config: Config, grid: Grid) -> int:
    """Number N (even) of sub-steps per time step."""
    substeps = barotropic_substeps(config, grid)
    return substeps + substeps % 2


def explicit_trends(
    grid: Grid,
    config: Config,
    params: Mapping[str, Mapping[str, Any]],
    state: State,
    sbc: Surface,
    rhd: Array,
    r3t: Array,
    r3u: Array,
    r3v: Array,
) -> tuple[Array, Array]:
    """All explicit trends of u and v but Coriolis [m s-2]."""
    u, v = state.uo, state.vo
    terms = [dyn_hpg(grid, rhd, r3t, state.zos)]
    if not config.ln_dynadv_OFF:
        ww = wzv_transport(grid, r3u, r3v, u, v, sbc.emp)
        terms += [dyn_keg(grid, u, v), dyn_vor(grid, u, v), dyn_zad(grid, r3u, r3v, ww, u, v)]
    ahmt, ahmf = ldf_dyn(grid, config, params["namdyn_ldf"])
    terms.append(dyn_ldf(grid, ahmt, ahmf, u, v))
    utrd, vtrd = terms[0]
    for trend_u, trend_v in terms[1:]:
        utrd, vtrd = utrd + trend_u, vtrd + trend_v
    return utrd, vtrd


def depth_mean(grid: Grid, mask: Array, depth: Array, surface_mask: Array, a: Array) -> Array:
    """Mean over the wet part of the column, [j, i] (the z* stretching cancels); 0 on land."""
    total = (grid.e3t_0[:, None, None] * a * mask).sum(axis=0)
    return total * surface_mask / (depth + 1.0 - surface_mask)
