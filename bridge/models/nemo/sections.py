"""Volume transports through sections of a C-grid, along the faces of its cells, and overturning.

A section runs from F point to F point, a step of i or of j at a time, as near as it can to the straight line between
its ends in the order of the grid (CDFTOOLS' `cdftransport` does the same). Every step crosses one face:

    F(j, i) -> F(j, i + 1)   V(j, i + 1)     F(j, i) -> F(j + 1, i)   U(j + 1, i)

so that the transport between two F points is the difference of a streamfunction, wherever the section goes in between.
Transports are positive to the left of someone who walks from the first end to the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bridge.errors import ConfigurationError

#: what a mesh has to hold: positions [j, i], widths [j, i] (m), thicknesses [k, j, i] (m), 0 on land
NEEDED = ("glamf", "gphif", "e2u", "e1v", "e3u", "e3v")
SVERDRUP = 1e6  # m3 s-1

#: name: longitude and latitude of both ends, degrees
SECTIONS = {
    "drake": ((-68.0, -54.0), (-66.0, -68.0)),  # eastward is positive
    "atlantic_26n": ((-81.0, 26.5), (-13.0, 26.5)),  # northward is positive
    "indonesian": ((114.5, -21.0), (114.5, -8.0)),  # into the Indian Ocean is positive
}


@dataclass(frozen=True)
class Faces:
    """Faces that a section crosses: j, i and sign of each, at U points and at V points."""

    u: tuple[np.ndarray, np.ndarray, np.ndarray]
    v: tuple[np.ndarray, np.ndarray, np.ndarray]

    def transports(self, u: np.ndarray, v: np.ndarray, mesh: Mapping[str, np.ndarray]) -> np.ndarray:
        """Transport of each level [..., k] in m3 s-1 for velocities u, v [..., k, j, i] in m s-1."""
        (ju, iu, su), (jv, iv, sv) = self.u, self.v
        through_u = u[..., ju, iu] * (su * mesh["e2u"][ju, iu] * mesh["e3u"][..., ju, iu])
        through_v = v[..., jv, iv] * (sv * mesh["e1v"][jv, iv] * mesh["e3v"][..., jv, iv])
        return through_u.sum(axis=-1) + through_v.sum(axis=-1)


def between(
    start: tuple[float, float],
    end: tuple[float, float],
    mesh: Mapping[str, np.ndarray],
    periodic: bool = True,
) -> Faces:
    """The section between the F points nearest to two places (longitude, latitude in degrees)."""
    shape = mesh["glamf"].shape
    ends = nearest(start, mesh), nearest(end, mesh)
    if ends[0] == ends[1]:
        raise ConfigurationError(
            f"a section needs two ends: {start} and {end} are at the same point of the mesh"
        )
    return _walk(*ends, shape, periodic)


def nearest(place: tuple[float, float], mesh: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """(j, i) of the F point nearest to a longitude and latitude in degrees."""
    lon, lat = (np.deg2rad(np.asarray(mesh[name], dtype=float)) for name in ("glamf", "gphif"))
    there_lon, there_lat = np.deg2rad(place)
    cosine = np.sin(lat) * np.sin(there_lat) + np.cos(lat) * np.cos(there_lat) * np.cos(lon - there_lon)
    j, i = np.unravel_index(int(np.argmax(cosine)), lon.shape)
    return int(j), int(i)


def _walk(start: tuple[int, int], end: tuple[int, int], shape: tuple[int, int], periodic: bool) -> Faces:
    """One step at a time, in i and in j by turns as the line wants it; the shorter way round where i is periodic."""
    columns = shape[1]
    rows, across = end[0] - start[0], end[1] - start[1]
    if periodic and abs(across) > columns // 2:
        across -= int(np.sign(across)) * columns
    steps_j, steps_i = abs(rows), abs(across)
    up, east = int(np.sign(rows)), int(np.sign(across))
    at_u: list[tuple[int, int, int]] = []
    at_v: list[tuple[int, int, int]] = []
    j, i, done_j, done_i = start[0], start[1], 0, 0
    while done_j < steps_j or done_i < steps_i:
        if (done_i + 0.5) * steps_j <= (done_j + 0.5) * steps_i and done_i < steps_i or done_j == steps_j:
            at_v.append((j, (i + max(east, 0)) % columns, east))
            i, done_i = (i + east) % columns, done_i + 1
        else:
            at_u.append((j + max(up, 0), i, -up))
            j, done_j = j + up, done_j + 1
    return Faces(_columns(at_u), _columns(at_v))


def _columns(faces: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    j, i, sign = np.array(faces, dtype=int).reshape(-1, 3).T
    return j, i, sign


def overturning(transports: np.ndarray) -> np.ndarray:
    """Streamfunction [..., k] in m3 s-1 below each level: what flows to the left above it."""
    return np.cumsum(transports, axis=-1)


def rest_mesh(domain: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The mesh at rest from the variables of domain_cfg.nc: thicknesses are 0 where a face has land beside it."""
    last = np.asarray(domain["bottom_level"])
    east, north = np.roll(last, -1, axis=-1), np.concatenate([last[1:], np.zeros_like(last[:1])])
    levels = np.arange(1, domain["e3u_0"].shape[0] + 1)[:, None, None]
    return {
        **{name: np.asarray(domain[name]) for name in ("glamf", "gphif", "e2u", "e1v")},
        "e3u": np.where(levels <= np.minimum(last, east), domain["e3u_0"], 0.0),
        "e3v": np.where(levels <= np.minimum(last, north), domain["e3v_0"], 0.0),
    }
