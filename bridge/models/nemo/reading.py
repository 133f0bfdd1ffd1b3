"""NEMO's files as xarray Datasets with the dimensions of xnemogcm and xgcm: x_c, x_f, y_c, y_f, z_c, z_f, t.

    mesh = open_mesh("EXP00")                          # mesh_mask or domain_cfg
    output = open_output("EXP00", mesh)                # *grid_T*.nc, *grid_U*.nc, …
    restart = open_restart("EXP00/GYRE_00000200_restart.nc", mesh)

A folder or a list of files is given; whether there is one file, or one per rank, makes no difference. NEMO 4.0, 4.2
and 5.0 are known. `xnemogcm` (the extra `nemo` of this package) says which variable lies where; pieces of ranks,
restart files and calendars are ours.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bridge.errors import ConfigurationError
from bridge.models.nemo.reading_pieces import Piece, arranged, combine, decomposition, group, header, piece_of
from bridge.north_fold import Edges

Source = str | Path | Sequence[str | Path]

#: points of the variables of a restart file that do not lie at T points
RESTART_POINTS: dict[str, str] = {
    name: point
    for point, names in {
        "U": ("un", "ub", "uu_n", "uu_b", "ubb_e", "ub_e", "ub2_b", "ub2_i_b", "un_bf", "utau_b", "u_ice"),
        "V": ("vn", "vb", "vv_n", "vv_b", "vbb_e", "vb_e", "vb2_b", "vb2_i_b", "vn_bf", "vtau_b", "v_ice"),
        "W": ("en", "avt_k", "avm_k", "avt", "avm", "dissl", "hmxl_n", "mxln", "wn", "ww", "wi"),
    }.items()
    for name in names
}
#: jperio of NEMO up to 4.0
_JPERIO = {
    0: Edges(),
    1: Edges(periodic_i=True),
    2: Edges(periodic_j=True),
    4: Edges(periodic_i=True, fold="T"),
    6: Edges(periodic_i=True, fold="F"),
    7: Edges(periodic_i=True, periodic_j=True),
}
_POINT = re.compile(r"grid[_-](UW|VW|FW|[TUVFW])")


def open_mesh(source: Source) -> xr.Dataset:
    """Positions, scale factors and masks from `mesh_mask` or (in a folder, where there is none) `domain_cfg` files.

    ConfigurationError names the file that is missing, incomplete or something else.
    """
    from xnemogcm import open_domain_cfg

    paths = _files(source, ("*mesh_mask*.nc", "*domain_cfg*.nc"))
    for name in ("glamt", "nav_lev"):  # xnemogcm cannot do without
        _check_holds(paths[0], (name,), "mesh_mask or domain_cfg")
    if _side_by_side(paths):
        with _quiet():
            return open_domain_cfg(files=paths)
    if len(group(paths)) > 1:
        raise ConfigurationError(
            f"{paths[0].parent}: expected the pieces of one file, got {', '.join(group(paths))}"
        )
    # Pieces with holes or halos: xnemogcm reads files, so it gets one that is whole.
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "mesh_mask.nc"
        combine(paths).to_netcdf(whole)
        with _quiet(), open_domain_cfg(files=[whole]) as mesh:
            return mesh.load()


def open_output(source: Source, mesh: xr.Dataset) -> xr.Dataset:
    """Output of XIOS or IOIPSL: all files with `grid_T`, `grid_U`, … in their names, on the points of `mesh`."""
    from xnemogcm import process_nemo

    parts = []
    for name, paths in group(_files(source, ("*grid[_-]*.nc",))).items():
        data = combine(paths)
        point = _POINT.search(name)
        _check_holds(paths[0], ("time_counter",), "output of NEMO")
        _check_size(data, mesh, paths[0])
        parts.append((xr.decode_cf(_timed(data)), point[1] if point else None))
    with _quiet():
        return process_nemo(parts, mesh)


def open_restart(
    source: Source, mesh: xr.Dataset | None = None, points: Mapping[str, str] | None = None
) -> xr.Dataset:
    """A restart file under NEMO's names, e.g. tn [z_c, y_c, x_c]; scalars (kt, ndastp, …) without dimensions.

    With `mesh` its coordinates are attached. `points` says which point (T, U, V, W) other variables lie at than
    `RESTART_POINTS` does; what neither names lies at T.
    """
    groups = group(_files(source, ("*restart*.nc",)))
    if len(groups) > 1:
        raise ConfigurationError(
            f"{source}: expected one restart, got {', '.join(groups)}: give the files of one"
        )
    paths = next(iter(groups.values()))
    _check_holds(paths[0], ("kt", "kt_ice"), "restart file")
    data = combine(paths)
    if mesh is not None:
        _check_size(data, mesh, paths[0])
    data = data.squeeze("time_counter", drop=True) if "time_counter" in data.dims else data
    known = RESTART_POINTS | dict(points or {})
    placed = {str(name): _placed(data[name], known.get(str(name), "T")) for name in data.data_vars}
    result = xr.Dataset(placed, attrs=data.attrs)
    result = result.assign_coords(_axes(result.sizes))
    if mesh is not None:
        return _with_coordinates(result.drop_vars(["nav_lon", "nav_lat"], errors="ignore"), mesh)
    if "z_c" in result.dims:
        result = result.assign_coords(
            gdept_1d=("z_c", data.nav_lev.values, {"units": "m", "positive": "down"})
        )
    return result.set_coords([name for name in ("nav_lon", "nav_lat") if name in result])


def edges_of(mesh: xr.Dataset) -> Edges:
    """How the grid of a mesh_mask or domain_cfg continues: attributes NFold … (4.2, 5.0) or variable jperio (4.0)."""
    if "NFold" in mesh.attrs:
        fold = str(mesh.attrs["NFtype"]).strip() if int(mesh.attrs["NFold"]) else "none"
        return Edges(bool(mesh.attrs["Iperio"]), bool(mesh.attrs["Jperio"]), fold)
    if "jperio" not in mesh and "jperio" not in mesh.attrs:
        raise ConfigurationError(
            "the mesh says nothing of periodicity: expected the attributes Iperio, Jperio, NFold, NFtype or jperio"
        )
    jperio = int(mesh["jperio"] if "jperio" in mesh else mesh.attrs["jperio"])
    if jperio not in _JPERIO:
        raise ConfigurationError(f"the mesh has jperio = {jperio}; known: {', '.join(map(str, _JPERIO))}")
    return _JPERIO[jperio]


def drop_overlap(data: xr.Dataset, edges: Edges) -> xr.Dataset:
    """The inner cells of a Dataset in the layout of NEMO 4.0, whose files repeat columns and a row at the edges."""
    south, north, west, east = edges.overlap
    cut = {}
    for name, size in data.sizes.items():
        if str(name).startswith("x_"):
            cut[name] = slice(west, size - east)
        elif str(name).startswith("y_"):
            cut[name] = slice(south, size - north)
    return data.isel(cut)


def _files(source: Source, patterns: Sequence[str]) -> list[Path]:
    """The files, all pieces of a file named without a rank, or what a folder holds of the first pattern."""
    if isinstance(source, str | Path):
        path = Path(source).expanduser()
        if not path.is_dir():
            return [path] if path.is_file() else _pieces_beside(path)
        for pattern in patterns:
            found = sorted(path.glob(pattern))
            if found:
                return found
        raise ConfigurationError(f"{path}: there is no {' or '.join(patterns)} in this folder")
    paths = [Path(path).expanduser() for path in source]
    if not paths:
        raise ConfigurationError("expected files of NEMO, got an empty list")
    return paths


def _pieces_beside(path: Path) -> list[Path]:
    found = sorted(path.parent.glob(f"{path.stem}_[0-9][0-9][0-9][0-9]*{path.suffix}"))
    if not found:
        raise ConfigurationError(f"{path}: there is neither this file nor {path.stem}_0000{path.suffix}")
    return found


def _timed(data: xr.Dataset) -> xr.Dataset:
    """With times in `time_counter`: XIOS may number the records there; and with bounds, as xnemogcm expects."""
    if "units" not in data.time_counter.attrs and "time_centered" in data.variables:
        times = data.time_centered
        data = data.drop_vars("time_centered").assign_coords(
            time_counter=("time_counter", times.values, times.attrs)
        )
    data.time_counter.attrs.setdefault("bounds", "time_counter_bounds")
    return data


@contextmanager
def _quiet() -> Iterator[None]:
    """Without xarray's notes to xnemogcm on defaults that will change."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, message=".*default value for")
        yield


def _side_by_side(paths: Iterable[Path]) -> bool:
    """Can xnemogcm join these files: whole ones, or pieces without halos that cover the grid?"""
    for members in group(paths).values():
        known = [piece for path in members if (piece := piece_of(path)) is not None]
        if not known:
            continue
        pieces = arranged(known)
        plain = all(_plain(piece) for piece in pieces)
        if not plain or not decomposition(pieces).covered.all():
            return False
    return True


def _plain(piece: Piece) -> bool:
    """Does the file hold the cells that the rank owns, and no others?"""
    sizes = header(piece.path).sizes
    return (sizes.get("x"), sizes.get("y")) == (piece.tile.ni, piece.tile.nj)


def _check_holds(path: Path, names: Sequence[str], what: str) -> None:
    if not header(path).variables & set(names):
        raise ConfigurationError(f"{path}: expected a {what} of NEMO, found no variable {' or '.join(names)}")


def _check_size(data: xr.Dataset, mesh: xr.Dataset, path: Path) -> None:
    for axis in ("x", "y"):
        sizes = {size for name, size in data.sizes.items() if re.fullmatch(rf"{axis}(_grid.*)?", str(name))}
        wanted = mesh.sizes.get(f"{axis}_c")
        if sizes and wanted is not None and sizes != {wanted}:
            raise ConfigurationError(
                f"{path}: {axis} has {sizes.pop()} cells, the mesh has {wanted}; files of NEMO 4.0 repeat columns and "
                "a row at the edges: drop_overlap cuts them off"
            )


def _placed(values: xr.DataArray, point: str) -> xr.DataArray:
    """Dimensions x, y, nav_lev renamed for the point."""
    from xnemogcm.arakawa_points import Point

    place = Point(point)
    names = {"x": place.x, "y": place.y, "nav_lev": place.z}
    renamed = values.reset_coords(drop=True).rename(
        {old: new for old, new in names.items() if old in values.dims}
    )
    return renamed


def _axes(sizes: Mapping[Any, int]) -> dict[str, Any]:
    """Index coordinates as xnemogcm makes them, which xgcm understands."""
    shifts = {"x_c": 0.0, "x_f": 0.5, "y_c": 0.0, "y_f": 0.5, "z_c": 0.0, "z_f": -0.5}
    axes = {}
    for name, shift in shifts.items():
        if name in sizes:
            attributes: dict[str, Any] = {"axis": name[0].upper()}
            if shift:
                attributes["c_grid_axis_shift"] = shift
            axes[name] = (name, np.arange(sizes[name]) + (shift or 0), attributes)
    return axes


def _with_coordinates(data: xr.Dataset, mesh: xr.Dataset) -> xr.Dataset:
    """With the coordinates of `mesh` that lie along dimensions of `data`."""
    wanted = {name: values for name, values in mesh.coords.items() if set(values.dims) <= set(data.dims)}
    return data.assign_coords(wanted)
