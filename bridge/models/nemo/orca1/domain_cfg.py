"""The file `domain_cfg.nc` that NEMO reads its grid from: 5.0 and 4.2, or 4.0 with its repeated columns and rows.

Thicknesses at U, V and F points are the least of their neighbours at T points (NEMO's DOMAINcfg, zgr_zps), so that a
partial step closes the face beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from bridge.models.nemo.orca1.bottom import Bottom
from bridge.models.nemo.orca1.levels import Levels
from bridge.models.nemo.orca1.mesh import EDGES, Mesh
from bridge.models.nemo.orca1.sphere import coriolis
from bridge.north_fold import extend, with_overlap

_POINT_OF = {"u": "U", "v": "V", "f": "F"}


@dataclass(frozen=True)
class Domain:
    """A mesh, reference levels and a sea floor; `index` is ORCA's (1 for eORCA1)."""

    mesh: Mesh
    levels: Levels
    bottom: Bottom
    index: int = 1


def thicknesses(domain: Domain) -> dict[str, np.ndarray]:
    """e3t_0, e3u_0, e3v_0, e3f_0, e3w_0, e3uw_0, e3vw_0, gdept_0, gdepw_0 [k, j, i] in m."""
    levels, e3t = domain.levels, domain.bottom.thickness
    below = (levels.gdept - levels.gdepw) / levels.e3t
    gdepw = np.broadcast_to(levels.gdepw[:, None, None], e3t.shape)
    gdept = gdepw + below[:, None, None] * e3t
    e3w = np.concatenate([2.0 * gdept[:1], np.diff(gdept, axis=0)])
    return {
        "e3t_0": e3t, "e3u_0": least(e3t, "U"), "e3v_0": least(e3t, "V"), "e3f_0": least(least(e3t, "V"), "F"),
        "e3w_0": e3w, "e3uw_0": least(e3w, "U"), "e3vw_0": least(e3w, "V"),
        "gdept_0": gdept, "gdepw_0": gdepw,
    }  # fmt: skip


def least(field: np.ndarray, point: str) -> np.ndarray:
    """The lesser of two neighbours: of T points at U or V points, of V points at F points [..., j, i]."""
    if point == "V":
        return np.minimum(field, extend(field, EDGES, "T", 1)[..., 2:, 1:-1])
    return np.minimum(field, np.roll(field, -1, axis=-1))


def variables(domain: Domain) -> dict[str, tuple[str, np.ndarray, str]]:
    """{name: (point, values, units)}: what lies on the mesh, [j, i] or [k, j, i], and on levels alone ("", [k])."""
    mesh, bottom = domain.mesh, domain.bottom
    found: dict[str, tuple[str, np.ndarray, str]] = {}
    for point, (lon, lat) in mesh.places.items():
        found[f"glam{point}"] = point.upper(), lon, "degrees_east"
        found[f"gphi{point}"] = point.upper(), lat, "degrees_north"
    found |= {name: (name[-1].upper(), values, "m") for name, values in mesh.scale_factors.items()}
    found["ff_t"] = "T", coriolis(mesh.t), "s-1"
    found["ff_f"] = "F", coriolis(mesh.f), "s-1"
    found["top_level"] = "T", bottom.wet.astype("i4"), "1"
    found["bottom_level"] = "T", bottom.last.astype("i4"), "1"
    found["bathy_metry"] = "T", bottom.depth, "m"
    for name, values in thicknesses(domain).items():
        found[name] = _POINT_OF.get(name[2], "T") if name.startswith("e3") else "T", values, "m"
    for name in ("e3t", "e3w", "gdept", "gdepw"):
        found[f"{name}_1d"] = "", getattr(domain.levels, name), "m"
    return found


def attributes(domain: Domain) -> dict[str, Any]:
    """What NEMO 4.2 and 5.0 read besides."""
    return {
        "CfgName": "ORCA", "CfgIndex": np.int32(domain.index),
        "Iperio": np.int32(1), "Jperio": np.int32(0), "NFold": np.int32(1), "NFtype": EDGES.fold,
        "VertCoord": "zps", "IsfCav": np.int32(0),
    }  # fmt: skip


def _switches_of_40(domain: Domain, shape: tuple[int, ...]) -> dict[str, int]:
    """What NEMO 4.0 reads as variables; its `jperio` of a grid that folds about F points is 6."""
    return {
        "jpiglo": shape[-1], "jpjglo": shape[-2], "jpkglo": domain.levels.count, "jperio": 6,
        "ln_zco": 0, "ln_zps": 1, "ln_sco": 0, "ln_isfcav": 0, "ORCA": 1, "ORCA_index": domain.index,
    }  # fmt: skip


def write(path: Path, domain: Domain, provenance: Mapping[str, str], version: str = "5.0") -> None:
    """One file, classic netCDF with 64-bit offsets, for NEMO `version`."""
    repeated = version.startswith("4.0")
    ny, nx = domain.mesh.shape
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        file.setncatts({**provenance, **attributes(domain)})
        south, north, west, east = EDGES.overlap if repeated else (0, 0, 0, 0)
        sizes = {"x": nx + west + east, "y": ny + south + north, "nav_lev": domain.levels.count}
        for dimension, size in {**sizes, "time_counter": None}.items():
            file.createDimension(dimension, size)
        for name, (point, values, units) in variables(domain).items():
            if repeated and point:
                values = with_overlap(values, EDGES, point)
            dims = ("nav_lev",) if not point else ("nav_lev", "y", "x")[-values.ndim :]
            kind = "i4" if values.dtype.kind == "i" else "f8"
            variable = file.createVariable(name, kind, ("time_counter", *dims))
            variable.units = units
            variable[0] = values
        if repeated:
            for name, value in _switches_of_40(domain, (sizes["y"], sizes["x"])).items():
                file.createVariable(name, "i4", ())[...] = value
