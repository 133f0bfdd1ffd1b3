"""The initial state on a mesh: conservative temperature and absolute salinity (TEOS-10) of a month."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import gsw
import numpy as np

from bridge.models.nemo.orca1.atlas import to_depths
from bridge.models.nemo.orca1.mesh import Mesh
from bridge.models.nemo.orca1.sources import Sources

_DEEPEST = 6000.0  # m, for the pressure of levels below the sea floor
_SALTIEST, _FRESHEST = 41.0, 4.0
#: absolute salinity of the reference ocean over its practical salinity (IOC et al. 2010, TEOS-10 manual, eq. 2.4.1)
_REFERENCE_RATIO = 35.16504 / 35.0


@dataclass(frozen=True)
class Climate:
    """Conservative temperature [°C] and absolute salinity [g kg-1], both [k, j, i], with values on land too."""

    temperature: np.ndarray
    salinity: np.ndarray


def initial_state(mesh: Mesh, depths: np.ndarray, sources: Sources) -> Climate:
    """January at `depths` [k] m."""
    return next(months(mesh, depths, sources))


def months(mesh: Mesh, depths: np.ndarray, sources: Sources) -> Iterator[Climate]:
    """January to December: the annual mean at `depths` [k] m and, above 1000 m, the departure of the month from it."""
    levels, temperature, salinity = sources.annual
    in_situ = to_depths(temperature.filled()[0].at(mesh.t), levels, depths)
    practical = np.clip(to_depths(salinity.filled()[0].at(mesh.t), levels, depths), _FRESHEST, _SALTIEST)
    for month in range(12):
        monthly = in_situ + departure(mesh, depths, sources, month)
        yield teos10(mesh, depths, np.maximum(monthly, freezing(practical)), practical)


def departure(mesh: Mesh, depths: np.ndarray, sources: Sources, month: int) -> np.ndarray:
    """Temperature of a month minus its annual mean [k, j, i] in K, 0 below the atlas."""
    levels, atlas = sources.monthly
    anomaly = replace(atlas, values=atlas.values[month] - atlas.values.mean(axis=0))
    return to_depths(anomaly.at(mesh.t), levels, depths) * (depths <= levels[-1])[:, None, None]


def freezing(practical: np.ndarray) -> np.ndarray:
    """Freezing point [°C] of sea water at the surface (Millero 1978, UNESCO Tech. Pap. Mar. Sci. 28)."""
    return -0.0575 * practical + 1.710523e-3 * practical**1.5 - 2.154996e-4 * practical**2


def teos10(mesh: Mesh, depths: np.ndarray, in_situ: np.ndarray, practical: np.ndarray) -> Climate:
    """Conservative temperature and absolute salinity of in-situ temperature and practical salinity [k, j, i]."""
    lon, lat = mesh.places["t"]
    pressure = gsw.p_from_z(-np.minimum(depths, _DEEPEST)[:, None, None], lat)
    absolute = gsw.SA_from_SP(practical, pressure, lon % 360.0, lat)
    absolute = np.where(np.isfinite(absolute), absolute, _REFERENCE_RATIO * practical)  # far from any ocean
    return Climate(gsw.CT_from_t(absolute, in_situ, pressure), absolute)
