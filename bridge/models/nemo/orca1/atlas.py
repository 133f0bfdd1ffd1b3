"""Fields of public climatologies on regular longitudes and latitudes, and what they are at the points of a mesh."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.interpolate import RegularGridInterpolator
from scipy.spatial import cKDTree

from bridge.errors import ConfigurationError
from bridge.models.nemo.orca1.sphere import latitude, longitude, points


@dataclass(frozen=True)
class Atlas:
    """Values [..., lat, lon] with NaN where there are none; longitudes cover the circle once, latitudes ascend."""

    values: np.ndarray
    lat: np.ndarray
    lon: np.ndarray

    @classmethod
    def of(cls, array: xr.DataArray) -> Atlas:
        """The last two dimensions of an array as latitude and longitude."""
        lat, lon = (np.asarray(array[dim], dtype=float) for dim in array.dims[-2:])
        return cls(np.asarray(array, dtype=float), lat, lon)

    def filled(self) -> tuple[Atlas, np.ndarray]:
        """NaN replaced by the nearest value on the sphere, and how far away that is, in degrees [..., lat, lon]."""
        shape = self.values.shape
        maps = self.values.reshape(-1, *shape[-2:]).copy()
        distances = np.zeros(maps.shape)
        places = points(*np.meshgrid(self.lon, self.lat))
        for values, distance in zip(maps, distances, strict=True):
            missing = np.isnan(values)
            if missing.all():
                raise ValueError("expected a field with values in it, got one that is missing everywhere")
            if missing.any():
                chord, nearest = cKDTree(places[~missing]).query(places[missing])
                values[missing] = values[~missing][nearest]
                distance[missing] = np.rad2deg(2 * np.arcsin(np.clip(chord / 2, 0.0, 1.0)))
        return Atlas(maps.reshape(shape), self.lat, self.lon), distances.reshape(shape)

    def at(self, where: np.ndarray) -> np.ndarray:
        """Bilinear values [..., j, i] at points [j, i, 3]; beyond the first or last latitude those of that one."""
        lon = np.concatenate([self.lon - 360.0, self.lon, self.lon + 360.0])
        wide = np.concatenate([self.values] * 3, axis=-1).reshape(-1, self.lat.size, lon.size)
        at = RegularGridInterpolator((self.lat, lon), np.moveaxis(wide, 0, -1))
        places = np.clip(latitude(where), self.lat[0], self.lat[-1]), longitude(where) % 360.0
        return np.moveaxis(at(places), -1, 0).reshape(*self.values.shape[:-2], *where.shape[:-1])


def to_depths(field: np.ndarray, source: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """[k, …] at `depth` [k], linear between the depths `source` [s] of `field` [s, …], constant beyond them."""
    inside = np.clip(depth, source[0], source[-1])
    above = np.clip(np.searchsorted(source, inside, side="right") - 1, 0, source.size - 2)
    below = (inside - source[above]) / np.diff(source)[above]
    below = below.reshape(-1, *[1] * (field.ndim - 1))
    return (1.0 - below) * field[above] + below * field[above + 1]


def open_source(directory: Path, name: str, package: str) -> xr.Dataset:
    """A file of a Debian package; climatological times cannot be decoded and are left as they are."""
    path = directory / name
    if not path.is_file():
        raise ConfigurationError(
            f"{path} is missing: install the Debian package {package}, or say where it is"
        )
    return xr.open_dataset(path, decode_times=False)
