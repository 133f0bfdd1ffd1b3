"""The input files of a configuration besides domain_cfg.nc: initial state, monthly forcing, viscosity, namelist_cfg."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import f90nml
import netCDF4
import numpy as np

from bridge.models.nemo.orca1 import fluxes
from bridge.models.nemo.orca1.climate import initial_state
from bridge.models.nemo.orca1.domain_cfg import Domain
from bridge.models.nemo.orca1.mesh import EDGES
from bridge.models.nemo.orca1.sources import PROVENANCE, Sources
from bridge.models.nemo.orca1.viscosity import viscosity
from bridge.north_fold import with_overlap

SETTINGS = Path(__file__).with_name("settings.toml")

#: {name: (units, standard name)} of what the files hold
_MEANINGS = {
    "contemp": ("degC", "sea_water_conservative_temperature"),
    "abssal": ("g kg-1", "sea_water_absolute_salinity"),
    "utau": ("N m-2", "surface_downward_x_stress"),
    "vtau": ("N m-2", "surface_downward_y_stress"),
    "qtot": ("W m-2", "surface_downward_heat_flux_in_sea_water"),
    "qsr": ("W m-2", "net_downward_shortwave_flux_at_sea_water_surface"),
    "emp": ("kg m-2 s-1", "water_flux_out_of_sea_water"),
    "sst": (
        "degC",
        "sea_surface_temperature",
    ),  # NEMO restores potential temperature, whatever its equation of state
    "sss": ("g kg-1", "sea_surface_absolute_salinity"),
    "ice_cover": ("1", "sea_ice_area_fraction"),
    "ahmt_3d": ("m2 s-1", "ocean_momentum_xy_laplacian_diffusivity"),
    "ahmf_3d": ("m2 s-1", "ocean_momentum_xy_laplacian_diffusivity"),
}


def write_inputs(folder: Path, domain: Domain, sources: Sources, version: str) -> None:
    """initial_state.nc, forcing.nc and eddy_viscosity_3D.nc."""
    state = initial_state(domain.mesh, domain.levels.gdept, sources)
    fields = {"contemp": state.temperature[None], "abssal": state.salinity[None]}
    _write(folder / "initial_state.nc", fields, domain, version, "initial state of January")
    monthly = forcing(domain, sources, state.salinity[0])
    _write(folder / "forcing.nc", monthly, domain, version, "monthly surface forcing")
    levels = domain.levels.count
    maps = {
        name: np.broadcast_to(values, (1, levels, *values.shape))
        for name, values in zip(("ahmt_3d", "ahmf_3d"), viscosity(domain.mesh), strict=True)
    }
    _write(folder / "eddy_viscosity_3D.nc", maps, domain, version, "lateral viscosity", {"ahmf_3d": "F"})


def forcing(domain: Domain, sources: Sources, surface_salinity: np.ndarray) -> dict[str, np.ndarray]:
    """{name: [month, j, i]} of everything that NEMO reads at the surface; `surface_salinity` is the annual [j, i]."""
    mesh = domain.mesh
    along_i, along_j = fluxes.wind_stress(mesh, sources)
    net, solar = fluxes.heat(mesh, sources, domain.bottom.wet)
    return {
        "utau": along_i,
        "vtau": along_j,
        "qtot": net,
        "qsr": solar,
        "emp": np.zeros_like(net),
        "sst": fluxes.surface_temperature(mesh, sources),
        "sss": np.repeat(surface_salinity[None], 12, axis=0),
        "ice_cover": fluxes.ice_cover(mesh, sources),
    }


def _write(
    path: Path,
    fields: Mapping[str, np.ndarray],
    domain: Domain,
    version: str,
    title: str,
    points: Mapping[str, str] | None = None,
) -> None:
    """Fields [time, …, j, i] in float32, at T points but for `points`."""
    repeated = version.startswith("4.0")
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        file.setncatts({**PROVENANCE, "title": f"ORCA1-like configuration: {title}"})
        for name, values in fields.items():
            if repeated:
                values = with_overlap(values, EDGES, (points or {}).get(name, "T"))
            dims = ("time_counter", *("z", "y", "x")[-values.ndim + 1 :])
            for dimension, size in zip(dims, (None, *values.shape[1:]), strict=True):
                if dimension not in file.dimensions:
                    file.createDimension(dimension, size)
            variable = file.createVariable(name, "f4", dims)
            units, standard_name = _MEANINGS[name]
            variable.setncatts({"units": units, "standard_name": standard_name})
            variable[:] = values


def namelist(
    version: str, steps: int, changes: Mapping[str, Mapping[str, Any]] | None = None
) -> f90nml.Namelist:
    """namelist_cfg for `steps` steps of NEMO `version`; `changes` {group: {entry: value}} come last."""
    with SETTINGS.open("rb") as file:
        tables = tomllib.load(file)
    settings = f90nml.Namelist(tables["common"])
    settings["namrun"]["nn_it000"], settings["namrun"]["nn_itend"] = 1, steps
    for table in (tables.get(version, {}), changes or {}):
        settings.patch(f90nml.Namelist(table))
    return settings
