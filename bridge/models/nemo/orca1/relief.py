"""Depths of a mesh's cells from ETOPO5: the mean over the points of the relief that lie in a cell and in the sea."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from bridge.models.nemo.orca1.mesh import Mesh
from bridge.models.nemo.orca1.sphere import points

_ROWS_AT_ONCE = 90


def cell_depths(mesh: Mesh, file: Path, variable: str = "ROSE") -> tuple[np.ndarray, np.ndarray]:
    """Mean depth [m] of the points below sea level in each cell [j, i] (NaN without one), and their share of its area.

    A point belongs to the cell whose T point is nearest; the cells of a nearly orthogonal mesh are nearly these
    neighbourhoods. `variable` of `file` is the height [lat, lon] in m on a grid of longitudes and latitudes.
    """
    tree = cKDTree(mesh.t.reshape(-1, 3))
    cells = mesh.t.shape[0] * mesh.t.shape[1]
    volume, sea, area = np.zeros((3, cells))
    with xr.open_dataset(file, decode_times=False) as data:
        relief = data[variable]
        lat, lon = (np.asarray(relief[dim], dtype=float) for dim in relief.dims)
        for start in range(0, lat.size, _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            height = np.asarray(relief[rows], dtype=float)
            here = points(*np.meshgrid(lon, lat[rows]))
            _, cell = tree.query(here.reshape(-1, 3))
            weight = np.broadcast_to(np.cos(np.deg2rad(lat[rows]))[:, None], height.shape).ravel()
            wet = (height.ravel() < 0) * weight
            area += np.bincount(cell, weight, cells)
            sea += np.bincount(cell, wet, cells)
            volume -= np.bincount(cell, wet * height.ravel(), cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(sea > 0, volume / sea, np.nan)
        share = np.where(area > 0, sea / area, 0.0)
    return depth.reshape(mesh.shape), share.reshape(mesh.shape)
