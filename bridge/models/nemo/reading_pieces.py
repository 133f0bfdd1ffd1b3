"""Files that NEMO writes one per rank, put together: NAME_0000.nc, NAME_0001.nc, … -> one Dataset over (x, y).

Without XIOS every rank writes its own piece, and says in the DOMAIN_* attributes where it lies. Ranks that would hold
land alone do not exist, so no piece covers their cells: they are NaN, 0 in integers and masks. Pieces of NEMO 4.0
carry halos, which are cut off where a neighbour owns the cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from bridge.decomposition import Decomposition, Tile
from bridge.errors import ConfigurationError, ProtocolError

_SUFFIX = re.compile(r"_\d{4,}(?=\.nc$)")
#: must be the same in all pieces of a file
_MOMENT = ("kt", "kt_ice", "time_counter")
_CALENDARS = {"360d": "360_day", "noleap": "noleap", "gregorian": "standard"}


@dataclass(frozen=True)
class Piece:
    """What one rank wrote: its number, the number of ranks, the global grid, its cells and the halo to cut off."""

    path: Path
    number: int
    total: int
    shape: tuple[int, int]  # nx, ny of the global grid
    tile: Tile
    halo: tuple[int, int]  # columns in the west, rows in the south


@dataclass(frozen=True)
class Header:
    """Global attributes, sizes of dimensions and names of variables of a netCDF file."""

    attributes: dict[str, Any]
    sizes: dict[str, int]
    variables: set[str]


def header(path: Path) -> Header:
    """What a file says of itself; ConfigurationError if it is not there or no netCDF."""
    if not path.is_file():
        raise ConfigurationError(f"{path}: there is no such file")
    try:
        with netCDF4.Dataset(path) as file:
            attributes = {name: file.getncattr(name) for name in file.ncattrs()}
            sizes = {name: len(dimension) for name, dimension in file.dimensions.items()}
            return Header(attributes, sizes, set(file.variables))
    except OSError as error:
        raise ConfigurationError(f"{path}: expected a netCDF file of NEMO: {error}") from error


def open_dataset(path: Path) -> xr.Dataset:
    """One netCDF file, lazily, with IOIPSL's names of calendars understood."""
    data = xr.open_dataset(path, chunks={}, decode_times=False, engine="netcdf4")
    if "time_counter" in data.variables:
        attributes = data.time_counter.attrs
        if "calendar" in attributes:
            attributes["calendar"] = _CALENDARS.get(attributes["calendar"], attributes["calendar"])
    return data.drop_vars(["x", "y"], errors="ignore")


def piece_of(path: Path) -> Piece | None:
    """Where the file lies in the global grid, or None for a file that is whole."""
    attributes = header(path).attributes
    if int(attributes.get("DOMAIN_number_total", 1)) == 1:
        return None
    try:
        first, last, shape, before, after = (
            [int(n) for n in attributes[f"DOMAIN_{name}"]]
            for name in ("position_first", "position_last", "size_global", "halo_size_start", "halo_size_end")
        )
        number, total = int(attributes["DOMAIN_number"]), int(attributes["DOMAIN_number_total"])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{path}: expected NEMO's attributes DOMAIN_position_first, … on a file of one rank: {error}"
        ) from error
    # A halo at the border of the global grid has no other owner: it stays.
    before = [0 if start == 1 else width for start, width in zip(first, before, strict=True)]
    after = [0 if end == size else width for end, size, width in zip(last, shape, after, strict=True)]
    i, j = (start - 1 + width for start, width in zip(first, before, strict=True))
    ni, nj = last[0] - after[0] - i, last[1] - after[1] - j
    return Piece(path, number, total, (shape[0], shape[1]), Tile(i, j, ni, nj), (before[0], before[1]))


def group(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Files by the name that they have without their rank, both in order."""
    groups: dict[str, list[Path]] = {}
    for path in sorted(paths):
        groups.setdefault(_SUFFIX.sub("", path.name), []).append(path)
    return groups


def arranged(pieces: Sequence[Piece]) -> list[Piece]:
    """All pieces of one file, each with the cells that it alone owns.

    ConfigurationError if a piece is missing, or if they are not of one run.
    """
    first = pieces[0]
    for piece in pieces:
        if (piece.total, piece.shape) != (first.total, first.shape):
            raise ConfigurationError(
                f"{first.path} is one of {first.total} pieces of a grid of {first.shape}, {piece.path.name} one of "
                f"{piece.total} of {piece.shape}: they are of different runs; remove those of the older one"
            )
    missing = sorted(set(range(first.total)) - {piece.number for piece in pieces})
    if missing:
        raise ConfigurationError(
            f"{first.path}: {len(missing)} of {first.total} pieces are missing, those of the ranks "
            f"{', '.join(map(str, missing[:8]))}{', …' if len(missing) > 8 else ''}"
        )
    in_line = _in_line(pieces)
    decomposition(in_line)
    return in_line


def decomposition(pieces: Sequence[Piece]) -> Decomposition:
    """The tiles of the pieces; ConfigurationError if two of them own a cell."""
    try:
        return Decomposition(*pieces[0].shape, tuple(piece.tile for piece in pieces))
    except ProtocolError as error:
        raise ConfigurationError(f"{pieces[0].path} and its other pieces: {error}") from error


def _in_line(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces as rows and columns of tiles.

    NEMO 4.0 counts a halo towards the inner cells where the neighbour on that side is left out: such a tile begins or
    ends a halo's width beyond the others of its row or column. It is cut to them.
    """
    tiles = [piece.tile for piece in pieces]
    width = max(1, *(max(piece.halo) for piece in pieces))
    west, south = _late({tile.i for tile in tiles}, width), _late({tile.j for tile in tiles}, width)
    east = _early({tile.i + tile.ni for tile in tiles}, width)
    north = _early({tile.j + tile.nj for tile in tiles}, width)
    result = []
    for piece, t in zip(pieces, tiles, strict=True):
        i, j = west[t.i], south[t.j]
        cut = Tile(i, j, east[t.i + t.ni] - i, north[t.j + t.nj] - j)
        result.append(replace(piece, tile=cut, halo=(piece.halo[0] + i - t.i, piece.halo[1] + j - t.j)))
    return result


def _late(starts: set[int], width: int) -> dict[int, int]:
    """Each start, or the one that follows within `width` cells."""
    return {start: max(other for other in starts if start <= other <= start + width) for start in starts}


def _early(ends: set[int], width: int) -> dict[int, int]:
    """Each end, or the one that precedes it within `width` cells."""
    return {end: min(other for other in ends if end - width <= other <= end) for end in ends}


def combine(paths: Sequence[Path]) -> xr.Dataset:
    """All pieces of one file, or one whole file, as a lazy Dataset over the global (…, y, x)."""
    pieces = [piece_of(path) for path in paths]
    known = [piece for piece in pieces if piece is not None]
    if not known and len(paths) == 1:
        return open_dataset(paths[0])
    if len(known) < len(paths):
        whole = [path.name for path, piece in zip(paths, pieces, strict=True) if piece is None]
        raise ConfigurationError(
            f"{paths[0]}: expected the pieces of one file, but {', '.join(whole)} has no DOMAIN_* attributes of one"
        )
    pieces_in_place = arranged(known)
    datasets = [_inner(piece) for piece in pieces_in_place]
    _check_same(pieces_in_place, datasets)
    return _joined(pieces_in_place, datasets)


def _inner(piece: Piece) -> xr.Dataset:
    """The cells that the piece owns, numbered as in the global grid, from 0."""
    data, tile, (west, south) = open_dataset(piece.path), piece.tile, piece.halo
    if data.sizes.get("x", 0) < west + tile.ni or data.sizes.get("y", 0) < south + tile.nj:
        raise ConfigurationError(
            f"{piece.path}: expected at least {tile.ni} by {tile.nj} cells, got the dimensions {dict(data.sizes)}"
        )
    data = data.isel(x=slice(west, west + tile.ni), y=slice(south, south + tile.nj))
    return data.assign_coords(x=np.arange(tile.i, tile.i + tile.ni), y=np.arange(tile.j, tile.j + tile.nj))


def _check_same(pieces: Sequence[Piece], datasets: Sequence[xr.Dataset]) -> None:
    """All pieces hold the same variables, at the same time step."""
    first = datasets[0]
    for piece, data in zip(pieces, datasets, strict=True):
        if set(data.variables) != set(first.variables):
            odd = ", ".join(sorted(map(str, set(data.variables) ^ set(first.variables))))
            raise ConfigurationError(
                f"{piece.path} and {pieces[0].path.name} differ in their variables: {odd}"
            )
        for name in _MOMENT:
            if name in data.variables and not np.array_equal(data[name].values, first[name].values):
                raise ConfigurationError(
                    f"{piece.path} has {name} = {data[name].values}, {pieces[0].path.name} has {first[name].values}: "
                    "the pieces are of different time steps"
                )


def _joined(pieces: Sequence[Piece], datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Rows of pieces, one above the other; cells without a piece are filled."""
    fills = {str(name): _fill(str(name), variable) for name, variable in datasets[0].variables.items()}
    nx, ny = pieces[0].shape
    rows: dict[int, list[tuple[int, xr.Dataset]]] = {}
    for piece, data in zip(pieces, datasets, strict=True):
        rows.setdefault(piece.tile.j, []).append((piece.tile.i, data))
    bands = []
    for _, row in sorted(rows.items()):
        in_order = [data for _, data in sorted(row, key=lambda item: item[0])]
        bands.append(_concatenated(in_order, "x").reindex(x=np.arange(nx), fill_value=fills))
    whole = _concatenated(bands, "y").reindex(y=np.arange(ny), fill_value=fills)
    whole.attrs = {name: value for name, value in whole.attrs.items() if not name.startswith("DOMAIN_")}
    return whole.drop_vars(["x", "y"])


def _concatenated(datasets: Sequence[xr.Dataset], dimension: str) -> xr.Dataset:
    return xr.concat(
        datasets,
        dim=dimension,
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="exact",
        combine_attrs="override",
    )


def _fill(name: str, variable: xr.Variable) -> float:
    """What a field is where NEMO computes nothing."""
    return 0 if variable.dtype.kind in "iub" or "mask" in name else np.nan
