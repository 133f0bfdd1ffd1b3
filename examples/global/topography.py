"""Land, sea and full-step bottom of the global grid, from ETOPO5.

The cell mean decides (wet if more than half of the cell is ocean); what a coarse cell cannot know, because
the land or the passage is narrower than the cell, is written down below as barriers and passages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import ndimage

MINIMUM_LEVELS = 3  # a wet column keeps at least three levels, so that there is some water to mix

Path = tuple[tuple[float, float], ...]  # (lon, lat) in degrees, joined by straight lines

# Land (or a strait a few metres deep) too narrow to fill more than half of a coarse cell; drawn only where
# cells are wider than BARRIERS_COARSER_THAN degrees.
BARRIERS: dict[str, Path] = {
    "Central America": (
        (-97, 17.5),
        (-92, 15.5),
        (-86, 13),
        (-84, 10.5),
        (-82, 8.7),
        (-79.5, 9.1),
        (-77, 7.5),
    ),
    "Sumatra, Java, Bali to Sumbawa": (
        (95.5, 5.3),
        (100.5, 0.0),
        (105.0, -5.0),
        (107.0, -7.0),
        (114.0, -7.8),
        (119.0, -8.5),
    ),
    "Malay Peninsula": ((99.0, 13.0), (99.5, 9.0), (101.5, 5.0), (103.5, 1.6), (102.5, 0.5)),
    "New Guinea to Australia (Torres Strait, 12 m deep) and Cape York": (
        (142.3, -8.2),
        (142.5, -11.8),
        (143.5, -15.0),
    ),
    "New Zealand": ((174.0, -36.0), (176.0, -38.5), (175.0, -41.0), (172.0, -43.0), (169.0, -46.0)),
    "Antarctic Peninsula": ((-66.0, -71.0), (-64.0, -67.0), (-60.0, -64.2)),
}
BARRIERS_COARSER_THAN = 0.9

# Passages that must stay open down to the depth (m) of their real sill: the mean over a cell of islands,
# shelves and trenches is much shallower than the trench through which the water flows.
PASSAGES: dict[str, tuple[Path, float]] = {
    "Indonesian throughflow": (
        ((122.0, 4.0), (126.5, -2.0), (126.5, -10.0), (122.5, -10.0), (122.5, -15.0)),
        1300.0,
    ),
    "Bering Strait": (((-170.0, 61.0), (-168.8, 65.5), (-168.8, 70.0)), 50.0),
}

# Seas (lon min, lon max, lat min, lat max) left out where cells are wider than the last number, degrees:
# their straits are so much narrower than a cell that the exchange would be wrong by an order of magnitude.
LEFT_OUT: dict[str, tuple[float, float, float, float, float]] = {
    "Baltic Sea": (9.5, 31.0, 53.0, 66.0, 0.0),
    "Black Sea": (27.0, 42.0, 40.3, 48.0, 0.0),
    "Caspian Sea": (46.0, 56.0, 36.0, 48.0, 0.0),
    "Mediterranean Sea, west": (-5.5, 9.5, 34.5, 45.0, 1.5),
    "Mediterranean Sea, east": (9.5, 37.0, 30.0, 46.0, 1.5),
    "Red Sea": (32.0, 43.3, 12.6, 30.0, 1.5),
    "Persian Gulf": (47.0, 56.3, 23.5, 31.0, 1.5),
}


@dataclass(frozen=True)
class Grid:
    """Regular grid, E-W periodic; its first and last rows lie poleward of `limit` and are land."""

    resolution: float  #: degrees
    limit: float = 80.0  #: degrees, the ocean lies between -limit and +limit

    @property
    def lon(self) -> np.ndarray:
        """T longitudes [nx] degrees east, the first half a cell east of Greenwich."""
        return self.resolution * (np.arange(round(360 / self.resolution)) + 0.5)

    @property
    def lat(self) -> np.ndarray:
        """T latitudes [ny] degrees north, land rows included."""
        rows = round(2 * self.limit / self.resolution) + 2
        return self.resolution * (np.arange(rows) + 0.5) - self.limit - self.resolution

    def cells(self, path: Path) -> list[tuple[int, int]]:
        """Cells (j, i) that a path crosses, without repeats, in order."""
        found: dict[tuple[int, int], None] = {}
        for (lon0, lat0), (lon1, lat1) in zip(path, path[1:], strict=False):
            n = 2 + int(20 * np.hypot(lon1 - lon0, lat1 - lat0) / self.resolution)
            for s in np.linspace(0, 1, n):
                i = int(((lon0 + s * (lon1 - lon0)) % 360) / self.resolution)
                j = int((lat0 + s * (lat1 - lat0) + self.limit + self.resolution) / self.resolution)
                found[(j, i)] = None
        return list(found)


def level_thicknesses(levels: int = 20, top: float = 10.0, depth: float = 5000.0) -> np.ndarray:
    """Thicknesses e3t = top + (bottom - top) s^2.5, s = k / (levels - 1), rounded to 0.5 m [nz].

    `bottom` follows from the total depth. Thickness grows slowly near the surface (the first two levels
    differ by 5 %) and, with the defaults, never by more than 50 % from one level to the next.
    """
    shape = np.linspace(0, 1, levels) ** 2.5
    bottom = top + (depth - levels * top) / shape.sum()
    if bottom <= top:
        raise ValueError(
            f"{levels} levels of {top} m already exceed {depth} m: ask for fewer or thinner levels"
        )
    return np.round(2 * (top + (bottom - top) * shape)) / 2


def periodic_label(wet: np.ndarray) -> np.ndarray:
    """Label the 4-connected regions of a mask that is periodic along its last axis; 0 where not `wet`."""
    labels, count = ndimage.label(wet)
    merged = np.arange(count + 1)
    for j in np.flatnonzero(wet[:, 0] & wet[:, -1]):
        a, b = merged[labels[j, 0]], merged[labels[j, -1]]
        merged[merged == max(a, b)] = min(a, b)
    return merged[labels]


def largest_region(wet: np.ndarray) -> np.ndarray:
    """The largest 4-connected region of a periodic mask: the world ocean without its inland seas."""
    labels = periodic_label(wet)
    return labels == np.bincount(labels[labels > 0]).argmax()


def neighbours(a: np.ndarray) -> np.ndarray:
    """West, east, south and north neighbours [4, y, x]; periodic in x, zero beyond the first and last row."""
    south, north = np.zeros_like(a), np.zeros_like(a)
    south[1:], north[:-1] = a[:-1], a[1:]
    return np.stack([np.roll(a, 1, 1), np.roll(a, -1, 1), south, north])


def cell_means(relief: xr.DataArray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Ocean fraction and mean depth (m) of the ocean part of each cell, from 5-minute relief, both [y, x].

    Only water connected to the world ocean counts: relief < 0 also holds in the Caspian and on low land.
    """
    lat, lon = (relief[d].values for d in relief.dims)
    height = relief.values
    ocean = largest_region(height < 0)
    nx, ny = grid.lon.size, grid.lat.size
    i = (np.round(lon * 12) / 12 / grid.resolution).astype(int) % nx
    j = np.floor((np.round(lat * 12) / 12 + grid.limit + grid.resolution) / grid.resolution).astype(int)
    rows = (j >= 0) & (j < ny)
    cell = (j[rows, None] * nx + i[None, :]).ravel()
    weight = np.repeat(np.cos(np.deg2rad(lat[rows])), lon.size)
    total = np.bincount(cell, weight, nx * ny)
    area = np.bincount(cell, weight * ocean[rows].ravel(), nx * ny)
    volume = np.bincount(cell, weight * (ocean * -height)[rows].ravel(), nx * ny)
    depth = np.divide(volume, area, out=np.zeros_like(volume), where=area > 0)
    return (area / total).reshape(ny, nx), depth.reshape(ny, nx)


def edited_depth(fraction: np.ndarray, depth: np.ndarray, grid: Grid) -> np.ndarray:
    """Depth (m) of wet cells, 0 on land [y, x]: majority rule, hand-made edits, largest region."""
    depth = np.where(fraction > 0.5, np.maximum(depth, 1.0), 0.0)
    lon = np.where(grid.lon > 180, grid.lon - 360, grid.lon)[None, :]
    lat = grid.lat[:, None]
    for west, east, south, north, coarser_than in LEFT_OUT.values():
        if grid.resolution > coarser_than:
            depth[(lon > west) & (lon < east) & (lat > south) & (lat < north)] = 0.0
    if grid.resolution > BARRIERS_COARSER_THAN:
        for path in BARRIERS.values():
            for j, i in grid.cells(path):
                depth[j, i] = 0.0
    for path, sill in PASSAGES.values():
        for j, i in face_connected(grid.cells(path)):
            depth[j, i] = max(depth[j, i], sill)
    depth[[0, -1]] = 0.0
    return np.where(largest_region(depth > 0), depth, 0.0)


def face_connected(cells: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Insert a cell wherever a path steps diagonally: water flows through faces, never through corners."""
    path = cells[:1]
    for j, i in cells[1:]:
        if j != path[-1][0] and i != path[-1][1]:
            path.append((path[-1][0], i))
        path.append((j, i))
    return path


def without_dead_ends(wet: np.ndarray) -> np.ndarray:
    """Close cells with fewer than two wet neighbours, until none is left: no current passes through them."""
    while True:
        dead = wet & (neighbours(wet.astype(int)).sum(0) < 2)
        if not dead.any():
            return largest_region(wet)
        wet = wet & ~dead


def bottom_levels(depth: np.ndarray, thicknesses: np.ndarray) -> np.ndarray:
    """Number of wet levels mbathy [y, x], 0 on land: a level is wet if its centre lies above the bottom.

    A column deeper than its four neighbours would hold water that no horizontal current can renew: it is
    filled up to its deepest neighbour, so that every wet cell has a wet neighbour at its level.
    """
    centres = np.cumsum(thicknesses) - thicknesses / 2
    levels = np.where(depth > 0, np.maximum(np.searchsorted(centres, depth), MINIMUM_LEVELS), 0)
    while True:
        filled = np.minimum(levels, neighbours(levels).max(0))
        if (filled == levels).all():
            return levels
        levels = filled


def build(relief: xr.DataArray, grid: Grid, thicknesses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wet levels mbathy and the full-step depth they stand for (m), both [y, x]."""
    depth = edited_depth(*cell_means(relief, grid), grid)
    depth = np.where(without_dead_ends(depth > 0), depth, 0.0)
    levels = bottom_levels(depth, thicknesses)
    return levels, np.concatenate([[0.0], np.cumsum(thicknesses)])[levels]
