"""Surface forcing of one step: twin of sbc.f90, sbc_gyre.f90, sbc_global.f90 and of the boxes' winds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import netCDF4
import numpy as np
from jax import Array

from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.guarded import sqrt
from emulator.toy_ocean.state import State, Surface
from emulator.toy_ocean.stencil import ip1, jp1

RDAY = 86400.0  # s
YEAR = 360.0  # days
WIND_DAY = 171.0  # 21 June
HEAT_DAY = 201.0  # 21 July
METRE_PER_YEAR = 3.16e-5  # kg m-2 s-1


class Climatology(NamedTuple):
    """Forcing of the global configuration at T, [12, j, i] but for sss [j, i]."""

    utau: Array  # N m-2
    vtau: Array  # N m-2
    qnet: Array  # W m-2
    qsr: Array  # W m-2
    sst: Array  # degC
    sss: Array  # 1e-3


def read_climatology(path: str | Path) -> Climatology:
    """Forcing from the input file of the global configuration (cn_input)."""
    names = ("utau", "vtau", "qnet", "qsr", "sst_clim", "sss_clim")
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        return Climatology(*(jnp.asarray(np.asarray(file[name][:], dtype=np.float64)) for name in names))


def day_of_year(kt: Array | int, rn_dt: Array | float) -> Array:
    """Days since 1 January in the middle of step kt (1, 2, ...) of a 360-day year."""
    return jnp.mod((jnp.asarray(kt, dtype=jnp.float64) - 0.5) * rn_dt / RDAY, YEAR)


def sbc_step(
    grid: Grid,
    config: Config,
    params: Mapping[str, Any],
    state: State,
    kt: Array | int,
    forcing: Climatology | None = None,
) -> Surface:
    """Forcing in the middle of step kt, from the state before it; `forcing` is needed by `global` only."""
    day = day_of_year(kt, params["namdom"]["rn_Dt"])
    if config.cn_cfg == "gyre":
        return gyre_sbc(grid, day, params["namsbc_ssr"]["rn_dqdt"], state.thetao[0])
    if config.cn_cfg == "idealised":
        return box_sbc(grid, config, params["namusr_def"])
    if config.ln_rest:
        return Surface(*(jnp.zeros_like(grid.ssmask) for _ in Surface._fields))
    if forcing is None:
        raise ValueError(
            "the global configuration is forced by a climatology: pass read_climatology(cn_input)"
        )
    return global_sbc(grid, config, params["namsbc_ssr"], forcing, day, state.thetao[0], state.so[0])


def gyre_sbc(grid: Grid, day: Array, rn_dqdt: Array | float, t: Array) -> Surface:
    """Analytic seasonal forcing of GYRE (Levy et al. 2010); `t` is the top temperature [j, i]."""
    season_wind = jnp.cos(2.0 * jnp.pi * (day - WIND_DAY) / YEAR)
    season_heat = jnp.cos(2.0 * jnp.pi * (day - HEAT_DAY) / YEAR)
    width = 107.0 * (1.0 + 11.0 / 53.5 * season_heat)
    t_star = 28.3 * (1.0 + season_heat / 50.0) * jnp.cos(jnp.pi * (grid.gphit - 5.0) / width)
    qsr = 230.0 * jnp.cos(jnp.pi * (grid.gphit - 23.5 * season_wind) / 162.0) * grid.ssmask
    qns = (rn_dqdt * (t - t_star) - qsr) * grid.ssmask
    emp = _gyre_emp(grid.gphit, season_wind)
    # Cells have equal areas: the mean over the wet ones.
    mean = (emp * grid.ssmask).sum() / grid.ssmask.sum()
    tau = 0.105 * np.sqrt(0.5) - 0.015 * season_wind
    south = grid.gphit - (grid.gphiu - grid.gphit)
    here = 0.5 * tau * (_stress_profile(south) + _stress_profile(grid.gphiu))
    return Surface(
        utau=-tau * _stress_profile(grid.gphiu) * grid.ssumask,
        vtau=tau * _stress_profile(grid.gphiv) * grid.ssvmask,
        taum=sqrt(here * here + here * here) * grid.ssmask,
        qns=qns,
        qsr=qsr,
        emp=(emp - mean) * grid.ssmask,
        sfx=jnp.zeros_like(emp),
    )


def _stress_profile(latitude: Array) -> Array:
    return jnp.sin(jnp.pi * (latitude - 15.0) / 14.0)


def _gyre_emp(latitude: Array, season: Array) -> Array:
    """Evaporation minus precipitation [kg m-2 s-1] before its mean is removed."""
    south, north, seasonal = 0.7, 0.8, 0.1
    dry = jnp.sin(0.5 * jnp.pi * (latitude - 37.2) / (24.6 - 37.2)) * (1.0 - seasonal / south * season)
    wet = jnp.sin(0.5 * jnp.pi * (latitude - 37.2) / (46.8 - 37.2)) * (1.0 - seasonal / north * season)
    is_south = (latitude >= 14.845) & (latitude <= 37.2)
    return jnp.where(is_south, south * METRE_PER_YEAR * dry, -north * METRE_PER_YEAR * wet)


def global_sbc(
    grid: Grid, config: Config, ssr: Mapping[str, Any], clim: Climatology, day: Array, t: Array, s: Array
) -> Surface:
    """Climatology linear in time between the middles of the months; heat and salt restored."""
    position = day / 30.0 + 0.5
    month = jnp.floor(position)
    after = position - month
    before = 1.0 - after
    m = month.astype(int)
    last, following = jnp.mod(m - 1, 12), jnp.mod(m, 12)

    def now(field: Array) -> Array:
        return before * field[last] + after * field[following]

    tau_x, tau_y = now(clim.utau), now(clim.vtau)
    qsr = now(clim.qsr) * grid.ssmask
    restoring = ssr["rn_deds"] / RDAY if config.ln_ssr else 0.0
    return Surface(
        utau=0.5 * (tau_x + ip1(tau_x)) * grid.ssumask,
        vtau=0.5 * (tau_y + jp1(tau_y)) * grid.ssvmask,
        taum=sqrt(tau_x * tau_x + tau_y * tau_y) * grid.ssmask,
        qns=(now(clim.qnet) - qsr + ssr["rn_dqdt"] * (t - now(clim.sst))) * grid.ssmask,
        qsr=qsr,
        emp=jnp.zeros_like(t),
        sfx=restoring * (s - clim.sss) * grid.ssmask,
    )


def box_sbc(grid: Grid, config: Config, box: Mapping[str, Any]) -> Surface:
    """Constant wind and heat flux of the idealised boxes."""
    zero = jnp.zeros_like(grid.ssmask)
    stress = zero
    if config.cn_wind == "uniform":
        stress = zero + box["rn_tau_x"]
    elif config.cn_wind == "gyre":
        row = jnp.arange(grid.ny, dtype=zero.dtype)[:, None]
        stress = zero - box["rn_tau_x"] * jnp.cos(jnp.pi * (row - 0.5) / (grid.ny - 2))
    return Surface(
        utau=stress * grid.ssumask,
        vtau=zero,
        taum=jnp.abs(stress) * grid.ssmask,
        qns=box["rn_qns"] * grid.ssmask,
        qsr=zero,
        emp=zero,
        sfx=zero,
    )
