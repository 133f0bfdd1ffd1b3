"""Edits of the bathymetry by hand: what the mean over a cell cannot know of a strait, in the order of application.

Boxes are in degrees east (-180 … 180) and north; depths in m. A sill is the depth at which water passes in nature:
"at most" cuts basins and trenches that the mean has brought into a strait, "at least" opens what it has closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sill:
    """Depth of the wet cells whose T points lie in the box."""

    name: str
    west: float
    east: float
    south: float
    north: float
    at_least: float = 0.0
    at_most: float = np.inf

    def inside(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Where T points lie in the box; `west` > `east` crosses the date line."""
        if self.west <= self.east:
            between = (lon >= self.west) & (lon <= self.east)
        else:
            between = (lon >= self.west) | (lon <= self.east)
        return between & (lat >= self.south) & (lat <= self.north)


SILLS = (
    Sill("Gibraltar", -7.0, -4.5, 35.0, 37.0, at_least=280.0, at_most=300.0),
    Sill("Bab el Mandeb", 42.5, 44.0, 12.0, 14.0, at_least=100.0, at_most=160.0),
    Sill("Bering Strait", -171.0, -166.0, 64.5, 67.0, at_least=40.0),
    Sill("Denmark Strait", -29.0, -25.0, 65.0, 67.5, at_least=500.0),
    Sill("Faroe Bank Channel", -9.0, -6.0, 59.5, 62.0, at_least=500.0),
)


def with_sills(depth: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """`depth` [j, i] with the edits."""
    edited = depth.copy()
    for sill in SILLS:
        here = sill.inside(lon, lat)
        edited[here] = np.clip(edited[here], sill.at_least, sill.at_most)
    return edited
