"""Monthly surface forcing on a mesh: wind stress, heat, surface temperature and salinity to restore to, ice cover.

Fresh water has no source in the packages: evaporation minus precipitation is 0, and restoring the surface salinity
supplies what it needs. A flux from a budget that does not close (latent heat without rain) would be worse than none.
"""

from __future__ import annotations

import numpy as np

from bridge.models.nemo.orca1.atlas import Atlas
from bridge.models.nemo.orca1.mesh import Mesh
from bridge.models.nemo.orca1.sources import Sources

_AIR_DENSITY = 1.22  # kg m-3
_SLOWEST, _FASTEST = 3.0, 14.0  # m s-1
_POLAR_FADING = (
    8.0  # degrees over which a heat flux fades away from the last observation: little gets through ice
)
_LEAST_HEAT, _MOST_HEAT = -350.0, 220.0  # W m-2
_SOLAR_CONSTANT = 1365.0  # W m-2
_FREEZING, _WARMEST = -1.8, 33.0  # °C
_ICE_FREE, _ICE_COVERED = -1.0, -1.6  # °C, of the sea surface


def drag_coefficient(wind: np.ndarray) -> np.ndarray:
    """Neutral drag coefficient for a wind speed in m s-1 (Large and Pond 1981, J. Phys. Oceanogr. 11, 324-336)."""
    return np.where(wind < 11.0, 1.2e-3, (0.49 + 0.065 * wind) * 1e-3)


def wind_stress(mesh: Mesh, sources: Sources) -> tuple[np.ndarray, np.ndarray]:
    """Stress ρ C_d(W) W u along i and along j at T points [month, j, i], N m-2.

    u is the mean wind; W the mean speed, which keeps the gusts that a mean wind has lost.
    """
    speed, eastward, northward = (atlas.filled()[0].at(mesh.t) for atlas in sources.wind)
    gusty = np.clip(np.maximum(speed, np.hypot(eastward, northward)), _SLOWEST, _FASTEST)
    factor = _AIR_DENSITY * drag_coefficient(gusty) * gusty
    east, north = mesh.direction_of_i
    along_i, along_j = eastward * east + northward * north, northward * east - eastward * north
    return factor * along_i, factor * along_j


def heat(mesh: Mesh, sources: Sources, wet: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Net downward flux less its mean over wet area and year, and the short wave in it [month, j, i], W m-2."""
    net, solar = sources.heat
    total, distance = net.filled()
    sun = np.stack([daily_insolation(net.lat, month)[:, None] for month in range(12)])
    sunny = np.broadcast_to(sun > 20.0, solar.values.shape)
    transmission = np.where(sunny, solar.values / np.maximum(sun, 20.0), np.nan)
    through, dark = Atlas(np.clip(transmission, 0.0, 1.0), solar.lat, solar.lon).filled()
    fading = np.exp(-np.maximum(distance, dark * sunny) / _POLAR_FADING)
    total_at = Atlas(np.clip(total.values, _LEAST_HEAT, _MOST_HEAT) * fading, net.lat, net.lon).at(mesh.t)
    solar_at = Atlas(through.values * sun * fading, solar.lat, solar.lon).at(mesh.t)
    return without_mean(total_at, mesh.area * wet), np.maximum(solar_at, 0.0)


def daily_insolation(lat: np.ndarray, month: int) -> np.ndarray:
    """Daily mean insolation at the top of the atmosphere in the middle of month 0 … 11, W m-2."""
    phase = 2 * np.pi * (month + 0.5) / 12
    declination = np.deg2rad(-23.45) * np.cos(phase + 2 * np.pi * 10 / 365)
    phi = np.deg2rad(np.clip(lat, -89.9, 89.9))
    hour = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1.0, 1.0))
    sun = hour * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(hour)
    return np.maximum(_SOLAR_CONSTANT / np.pi * (1 + 0.033 * np.cos(phase)) * sun, 0.0)


def without_mean(flux: np.ndarray, area: np.ndarray) -> np.ndarray:
    """`flux` [month, j, i] minus its mean over the area and the year."""
    return flux - (flux.mean(axis=0) * area).sum() / area.sum()


def surface_temperature(mesh: Mesh, sources: Sources) -> np.ndarray:
    """Sea surface temperature to restore to [month, j, i], °C: the atlas, and towards the poles the colder of two."""
    _, monthly = sources.monthly
    atlas = Atlas(monthly.values[:, 0], monthly.lat, monthly.lon).filled()[0].at(mesh.t)
    other = sources.surface.filled()[0].at(mesh.t)
    polar = np.clip((np.abs(mesh.places["t"][1]) - 50.0) / 10.0, 0.0, 1.0)
    blended = (1.0 - polar) * atlas + polar * np.minimum(atlas, np.maximum(other, _FREEZING))
    return np.clip(blended, _FREEZING, _WARMEST)


def ice_cover(mesh: Mesh, sources: Sources) -> np.ndarray:
    """Share of a cell under ice [month, j, i], from how near the surface is to freezing."""
    surface = sources.surface.filled()[0].at(mesh.t)
    cover = np.clip((_ICE_FREE - surface) / (_ICE_FREE - _ICE_COVERED), 0.0, 1.0)
    return cover * (np.abs(mesh.places["t"][1]) > 45.0)
