"""What a run on the mesh is compared with: climatologies of temperature, salinity, mixed-layer depth, steric height.

All are monthly [month, (k,) j, i] on the model's grid and 0 on land, as `kind = "climatology"` of an experiment wants
them; salinity and steric height have no season in the sources, and are the same in every month.
"""

from __future__ import annotations

from pathlib import Path

import gsw
import netCDF4
import numpy as np

from bridge.models.nemo.orca1 import climate
from bridge.models.nemo.orca1.atlas import Atlas
from bridge.models.nemo.orca1.domain_cfg import Domain
from bridge.models.nemo.orca1.fluxes import surface_temperature
from bridge.models.nemo.orca1.sources import PROVENANCE, Sources

DROP, REFERENCE = 0.2, 10.0  # K, m (de Boyer Montégut et al. 2004, J. Geophys. Res. 109, C12003)
_GRAVITY = 9.7963  # m s-2, by which a dynamic height is divided (TEOS-10 manual, section 3.27)
_MONTHS = 12
#: name: (units, long name)
_MEANINGS = {
    "contemp": ("degC", "sea water conservative temperature"),
    "abssal": ("g kg-1", "sea water absolute salinity"),
    "sst": ("degC", "sea surface temperature"),
    "sss": ("g kg-1", "sea surface absolute salinity"),
    "mld": ("m", "depth at which it is 0.2 K colder than at 10 m"),
    "steric_height": (
        "m",
        "dynamic height of the surface relative to 2000 dbar over g; 0 where it is not that deep",
    ),
}


def write_observations(path: Path, domain: Domain, sources: Sources) -> None:
    """observations.nc, with the names of `_MEANINGS`."""
    with netCDF4.Dataset(path, "w") as file:
        file.setncatts({**PROVENANCE, "title": "ORCA1-like configuration: climatologies on its grid"})
        for name, values in observations(domain, sources).items():
            dims = ("month", "z", "y", "x") if values.ndim == 4 else ("month", "y", "x")
            for dimension, size in zip(dims, values.shape, strict=True):
                if dimension not in file.dimensions:
                    file.createDimension(dimension, size)
            variable = file.createVariable(name, "f4", dims, zlib=True, complevel=1)
            units, long_name = _MEANINGS[name]
            variable.setncatts({"units": units, "long_name": long_name})
            variable[:] = values


def observations(domain: Domain, sources: Sources) -> dict[str, np.ndarray]:
    """{name: [month, (k,) j, i]}, 0 on land."""
    levels, last = domain.levels.gdept, domain.bottom.last
    wet, below = last > 0, np.arange(1, levels.size + 1)[:, None, None] <= last
    temperature, salinity = monthly_state(domain, sources)
    return {
        "contemp": temperature * below,
        "abssal": _every_month(salinity * below),
        "sst": surface_temperature(domain.mesh, sources) * wet,
        "sss": _every_month(salinity[0] * wet),
        "mld": np.minimum(mixed_layer_depth(temperature, levels, last), domain.bottom.depth),
        "steric_height": _every_month(steric_height(domain, sources)),
    }


def _every_month(values: np.ndarray) -> np.ndarray:
    return np.broadcast_to(values, (_MONTHS, *values.shape))


def monthly_state(domain: Domain, sources: Sources) -> tuple[np.ndarray, np.ndarray]:
    """Conservative temperature [month, k, j, i] and absolute salinity [k, j, i]."""
    months = list(climate.months(domain.mesh, domain.levels.gdept, sources))
    return np.stack([month.temperature for month in months]), months[0].salinity


def mixed_layer_depth(temperature: np.ndarray, depths: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Depth [..., j, i] in m at which it is 0.2 K colder than at 10 m, for `temperature` [..., k, j, i], depths [k].

    Linear between levels; the depth of the lowest wet level `last` (from 1; 0 on land) where nothing is that cold.
    """
    first = max(int(np.searchsorted(depths, REFERENCE)), 1)
    share = (REFERENCE - depths[first - 1]) / (depths[first] - depths[first - 1])
    goal = (1.0 - share) * temperature[..., first - 1, :, :] + share * temperature[..., first, :, :] - DROP
    found = np.broadcast_to(depths[np.maximum(last, 1) - 1] * (last > 0), goal.shape).copy()
    open_ = np.broadcast_to(last > first, goal.shape).copy()
    for k in range(first, depths.size):
        upper, lower = temperature[..., k - 1, :, :], temperature[..., k, :, :]
        crosses = open_ & (k < last) & (lower < goal)
        fraction = np.clip((upper - goal) / np.where(crosses, upper - lower, 1.0), 0.0, 1.0)
        found[crosses] = (depths[k - 1] + fraction * (depths[k] - depths[k - 1]))[crosses]
        open_ &= ~crosses
    return found


def steric_height(domain: Domain, sources: Sources) -> np.ndarray:
    """Dynamic height of the surface relative to 2000 dbar over g [j, i], m; 0 where the sea is not that deep."""
    depths, temperature, salinity = sources.annual
    lon, lat = np.meshgrid(temperature.lon, temperature.lat)
    pressure = gsw.p_from_z(-depths[:, None, None], lat)
    absolute = gsw.SA_from_SP(salinity.values, pressure, lon % 360.0, lat)
    conservative = gsw.CT_from_t(absolute, temperature.values, pressure)
    used = depths <= 2000.0
    height = gsw.geo_strf_dyn_height(
        absolute[used], conservative[used], pressure[used], p_ref=float(pressure[used][-1].min()), axis=0
    )
    surface = Atlas(height[0] / _GRAVITY, temperature.lat, temperature.lon).filled()[0].at(domain.mesh.t)
    deep = domain.bottom.depth >= 2000.0
    return np.where(deep, surface, 0.0)
