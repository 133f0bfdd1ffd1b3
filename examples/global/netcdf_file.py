"""The file of the global configuration: names, dimensions, units, rounding, attributes, writing."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import netCDF4
import numpy as np


class Variable(NamedTuple):
    """Values are rounded to multiples of `quantum`, a power of two: the trailing zero bits compress, and no
    reader needs to unpack anything. 0 means as they are."""

    dims: str
    units: str
    quantum: float
    standard_name: str
    long_name: str


TEMPERATURE = "sea_water_potential_temperature"
SALINITY = "sea_water_practical_salinity"
BULK = "wind stress (Large and Pond 1981; FNOC mean wind 1982-92, COADS mean wind speed)"
HEAT = "(Esbensen and Kushnir 1981)"

VARIABLES = {
    "nav_lon": Variable("y x", "degrees_east", 0, "longitude", "longitude of T points"),
    "nav_lat": Variable("y x", "degrees_north", 0, "latitude", "latitude of T points"),
    "month": Variable("month", "1", 0, "", "calendar month; values are means over the month"),
    "gdept_1d": Variable("z", "m", 0, "depth", "depth of T points"),
    "e3t_1d": Variable("z", "m", 0, "cell_thickness", "thickness of the levels"),
    "gdept_upper": Variable("z_upper", "m", 0, "depth", "depth of T points, the first levels of gdept_1d"),
    "mbathy": Variable("y x", "1", 0, "model_level_number_at_sea_floor", "number of wet levels, 0 on land"),
    "bathymetry": Variable("y x", "m", 0, "sea_floor_depth_below_geoid", "depth of the full-step sea floor"),
    "thetao_clim": Variable("z y x", "degC", 2**-8, TEMPERATURE, "annual mean temperature (Levitus 1982)"),
    "so_clim": Variable("z y x", "1", 2**-9, SALINITY, "annual mean salinity (Levitus 1982)"),
    "utau": Variable("month y x", "N m-2", 2**-13, "surface_downward_eastward_stress", "eastward " + BULK),
    "vtau": Variable("month y x", "N m-2", 2**-13, "surface_downward_northward_stress", "northward " + BULK),
    "qnet": Variable(
        "month y x",
        "W m-2",
        2**-3,
        "surface_downward_heat_flux_in_sea_water",
        f"net downward heat flux {HEAT}, its mean over the wet area and the year removed",
    ),
    "qsr": Variable(
        "month y x",
        "W m-2",
        2**-3,
        "net_downward_shortwave_flux_at_sea_water_surface",
        f"net shortwave, part of qnet {HEAT}",
    ),
    "sst_clim": Variable(
        "month y x", "degC", 2**-8, "sea_surface_temperature", "monthly sea surface temperature"
    ),
    "sss_clim": Variable("y x", "1", 2**-9, "sea_surface_salinity", "annual mean surface salinity"),
    "thetao_month": Variable(
        "month z_upper y x",
        "degC",
        2**-7,
        TEMPERATURE,
        "monthly temperature: thetao_clim plus the departure of the month in the monthly atlas",
    ),
    "thetao_sigma": Variable(
        "z_upper",
        "K",
        2**-7,
        TEMPERATURE + " standard_error",
        "error of thetao_month as an observation of the mean over a cell",
    ),
}

GLOBAL_ATTRIBUTES = {
    "Conventions": "CF-1.10",
    "title": "Bathymetry, climatology and surface forcing of the global configuration",
    "institution": "derived data; the originals are listed under source and references",
    "source": "ETOPO5; Levitus annual climatology; monthly temperature atlas; COADS; FNOC winds; "
    "Esbensen-Kushnir heat budget, all as distributed in the Debian package ferret-datasets 7.6.0",
    "references": "ETOPO5: National Geophysical Data Center (1988), Data Announcement 88-MGG-02. "
    "Levitus, S. (1982), Climatological Atlas of the World Ocean, NOAA Prof. Paper 13. "
    "COADS: Slutz, R. J. et al. (1985), Comprehensive Ocean-Atmosphere Data Set, Release 1; "
    "Woodruff, S. D. et al. (1987), Bull. Amer. Meteor. Soc. 68, 1239-1250. "
    "FNOC: Fleet Numerical Oceanography Center, monthly surface winds 1982-1992. "
    "Esbensen, S. K. and Y. Kushnir (1981), Climatic Research Institute Report 29, Oregon State Univ. "
    "Bulk formula: Large, W. G. and S. Pond (1981), J. Phys. Oceanogr. 11, 324-336.",
    "license": "Derived from US-government and university climatologies redistributed by NOAA PMEL in "
    "ferret-datasets under the Ferret License Agreement, which puts them in the public domain, as is, and "
    "asks that modifications be documented: README.md does. The terms of each original were not traced.",
    "comment": "0 on land in every field. Values are rounded (attribute quantum), not packed.",
}


def attributes_of(name: str, variable: Variable) -> dict[str, object]:
    """CF attributes of one variable."""
    attributes: dict[str, object] = {"long_name": variable.long_name, "units": variable.units}
    if variable.standard_name:
        attributes["standard_name"] = variable.standard_name
    if variable.standard_name == "depth":
        attributes["positive"] = "down"
    if "y" in variable.dims.split() and not name.startswith("nav_"):
        attributes["coordinates"] = "nav_lon nav_lat"
    if variable.quantum:
        attributes["quantum"] = np.float32(variable.quantum)
    return attributes


def write(path: Path, arrays: dict[str, np.ndarray], history: str) -> None:
    """One compressed netCDF-4 file; float32 and int32, no time stamp: the same arrays give the same bytes."""
    with netCDF4.Dataset(path, "w") as file:
        file.setncatts(GLOBAL_ATTRIBUTES | {"history": history})
        for name, variable in VARIABLES.items():
            values, dims = arrays[name], variable.dims.split()
            for dimension, size in zip(dims, values.shape, strict=True):
                if dimension not in file.dimensions:
                    file.createDimension(dimension, size)
            kind = "i4" if values.dtype.kind == "i" else "f4"
            out = file.createVariable(name, kind, dims, zlib=values.ndim > 1, complevel=9, fill_value=False)
            out.setncatts(attributes_of(name, variable))
            if variable.quantum:
                values = np.round(values / variable.quantum) * variable.quantum
            out[...] = values
