"""Where the sea floor is: the world ocean without lakes, wet levels, and partial steps in the last of them.

A column's last cell ends at the sea floor, unless less than `LEAST_STEP` or a tenth of the full cell would be left
(Adcroft et al. 1997; NEMO ocean engine, "z-coordinate with partial steps").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bridge.models.nemo.orca1.edits import with_sills
from bridge.models.nemo.orca1.levels import Levels
from bridge.models.nemo.orca1.mesh import EDGES, Mesh
from bridge.north_fold import extend

LEAST_STEP, LEAST_SHARE = 20.0, 0.1  # m, of the full cell
SHALLOWEST = 30.0  # m
#: a place in the world ocean, degrees
_PACIFIC = (-150.0, 0.0)


@dataclass(frozen=True)
class Bottom:
    """`last` [j, i]: the lowest wet level, from 1, 0 on land; `depth` [j, i] of the floor in m, 0 on land.

    `thickness` [k, j, i]: e3t at rest, that of the reference but for the last wet cell.
    """

    last: np.ndarray
    depth: np.ndarray
    thickness: np.ndarray

    @property
    def wet(self) -> np.ndarray:
        """[j, i]"""
        return self.last > 0


def filled(field: np.ndarray) -> np.ndarray:
    """NaN replaced by the nearest cell's value, by rows and columns; periodic in i."""
    columns = field.shape[1]
    three = np.concatenate([field] * 3, axis=1)
    nearest = ndimage.distance_transform_edt(np.isnan(three), return_distances=False, return_indices=True)
    return three[tuple(nearest)][:, columns : 2 * columns]


def neighbours(field: np.ndarray) -> np.ndarray:
    """South, north, west and east neighbours [4, j, i] of T points, across the seam and the fold; 0 in the south."""
    wide = extend(field, EDGES, "T", 1)
    return np.stack([wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]])


def world_ocean(wet: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """The wet cells that a swimmer reaches from the Pacific through faces of cells."""
    away = np.where(wet, np.abs(lon - _PACIFIC[0]) + np.abs(lat - _PACIFIC[1]), np.inf)
    reached = np.zeros_like(wet)
    reached.flat[np.argmin(away)] = True
    while True:
        spread = ndimage.binary_propagation(reached, mask=wet)
        spread |= neighbours(spread).any(axis=0) & wet
        if np.array_equal(spread, reached):
            return reached
        reached = spread


def bottom(mesh: Mesh, wet: np.ndarray, depth: np.ndarray, levels: Levels, least_levels: int) -> Bottom:
    """The floor of `wet` cells [j, i] with mean depths `depth` [m], NaN where the relief has no sea.

    Every column has `least_levels` wet ones, and none is deeper than its deepest neighbour.
    """
    lon, lat = mesh.places["t"]
    ocean = world_ocean(wet, lon, lat)
    deep = with_sills(filled(depth), lon, lat)
    deepest = levels.gdepw[-1]
    deep = np.clip(deep, max(SHALLOWEST, levels.gdepw[least_levels]), deepest)
    last = _last_levels(deep, ocean, levels, least_levels)
    last, ocean = _without_holes(last, ocean, lon, lat)
    deep = np.minimum(deep, np.append(levels.gdepw[1:], deepest)[last - 1])
    return _stepped(last, np.where(ocean, deep, 0.0), levels)


def _least_step(levels: Levels) -> np.ndarray:
    return np.minimum(LEAST_STEP, LEAST_SHARE * levels.e3t)


def _last_levels(depth: np.ndarray, wet: np.ndarray, levels: Levels, least: int) -> np.ndarray:
    """The level that holds the floor, or the one above where too little of it would be wet."""
    last = np.clip(np.searchsorted(levels.gdepw, depth, side="left"), least, levels.count - 1)
    within = depth - levels.gdepw[last - 1]
    last = last - ((within < _least_step(levels)[last - 1]) & (last > least))
    return np.where(wet, last, 0)


def _without_holes(
    last: np.ndarray, wet: np.ndarray, lon: np.ndarray, lat: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """No column deeper than all its neighbours, none without a neighbour, all in the world ocean."""
    while True:
        highest = neighbours(last).max(axis=0)
        lower = np.minimum(last, highest)
        wet = world_ocean(lower > 0, lon, lat)
        lower = np.where(wet, lower, 0)
        if np.array_equal(lower, last):
            return last, wet
        last = lower


def _stepped(last: np.ndarray, depth: np.ndarray, levels: Levels) -> Bottom:
    """Thicknesses, and the depths that they add up to."""
    full = levels.e3t
    thickness = np.broadcast_to(full[:, None, None], (levels.count, *last.shape)).copy()
    j, i = np.nonzero(last)
    k = last[j, i] - 1
    step = np.clip(depth[j, i] - levels.gdepw[k], _least_step(levels)[k], full[k])
    thickness[k, j, i] = step
    floor = np.zeros(last.shape)
    floor[j, i] = levels.gdepw[k] + step
    return Bottom(last, floor, thickness)
