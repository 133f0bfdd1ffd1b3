"""What lies beyond the edges of a global array [..., j, i]: the E-W seam and the north fold of tripolar grids.

Arrays here hold inner cells only, as NEMO has written them since 4.2. Files of NEMO 4.0 repeat one column at either
side, and one row above the fold: `without_overlap` and `with_overlap` go from one layout to the other.

On a tripolar grid the last row is cut along the line between two poles, and its two halves lie against each other. The
pivot of the fold is a T point (ORCA2, ORCA025, ORCA12) or an F point (ORCA1). The partner of (j, i), from 0, with the
last row J and nx columns (NEMO's lbc_nfd in these terms):

    pivot  point  column       row J + r
    T      T, W   nx - i       J - r          the last row is its own image
    T      U      nx - 1 - i   J - r
    T      V      nx - i       J - 1 - r      the last row repeats the one below
    T      F      nx - 1 - i   J - 1 - r
    F      T, W   nx - 1 - i   J + 1 - r      the fold runs above the last row
    F      U      nx - 2 - i   J + 1 - r
    F      V      nx - 1 - i   J - r          the last row is its own image
    F      F      nx - 2 - i   J - r

Across the fold i and j point the other way: components of vectors change their sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

#: (pivot, point) -> (sum of the columns of two partners minus nx, sum of their rows minus 2 J)
_PARTNERS = {
    ("T", "T"): (0, 0), ("T", "U"): (-1, 0), ("T", "V"): (0, -1), ("T", "F"): (-1, -1),
    ("F", "T"): (-1, 1), ("F", "U"): (-2, 1), ("F", "V"): (-1, 0), ("F", "F"): (-2, 0),
}  # fmt: skip


@dataclass(frozen=True)
class Edges:
    """How a global grid continues: periodic in i, in j, and its north fold ("none", or the pivot "T" or "F")."""

    periodic_i: bool = False
    periodic_j: bool = False
    fold: str = "none"

    def __post_init__(self) -> None:
        if self.fold not in ("none", "T", "F"):
            raise ValueError(f'expected a north fold "none", "T" or "F", got {self.fold!r}')
        if self.fold != "none" and (not self.periodic_i or self.periodic_j):
            raise ValueError(
                "a grid with a north fold is periodic in i and not in j; this one says otherwise"
            )

    @property
    def folded(self) -> bool:
        """Is there a north fold?"""
        return self.fold != "none"

    @property
    def overlap(self) -> tuple[int, int, int, int]:
        """Repeated rows and columns (south, north, west, east) in global files of NEMO 4.0."""
        sides = int(self.periodic_i)
        return int(self.periodic_j), int(self.folded or self.periodic_j), sides, sides


def partner(edges: Edges, point: str, shape: tuple[int, int], j: Any, i: Any) -> tuple[Any, Any]:
    """The cell (j, i), from 0, that the fold lays on the given one (arrays too); twice is the cell itself.

    `point` is one of T U V F W, `shape` that of the grid (ny, nx). Rows may lie beyond the last one.
    """
    columns, rows = _partner_sums(edges, point, shape[1])
    return 2 * (shape[0] - 1) + rows - j, (shape[1] + columns - i) % shape[1]


def rows_beyond(
    array: np.ndarray, edges: Edges, point: str, count: int, sign: float = 1.0, first: int = 1
) -> np.ndarray:
    """The rows J + `first`, … of `array` [..., j, i] as the fold gives them: [..., count, i]. J is the last row.

    `sign` is -1 for components of vectors. With `first` = 0 it is what the last row itself should be.
    """
    ny, nx = array.shape[-2:]
    above = np.arange(first, first + count)[:, None] + (ny - 1)
    j, i = partner(edges, point, (ny, nx), above, np.arange(nx)[None, :])
    if count > 0 and (j.min() < 0 or j.max() >= ny):
        raise ValueError(_no_images(edges, point, ny, ny - 1 + first, ny - 2 + first + count))
    return _signed(array[..., j, i], sign)


def fold_misfit(array: np.ndarray, edges: Edges, point: str, sign: float = 1.0) -> np.ndarray:
    """Last row minus what the fold makes of it, [..., i]: zero for a field that is right.

    Zeros where the last row has no partner in the grid (T and U points of a fold about F points).
    """
    _, rows = _partner_sums(edges, point, array.shape[-1])
    if rows > 0:
        return np.zeros_like(array[..., -1, :])
    return array[..., -1, :] - rows_beyond(array, edges, point, 1, sign, first=0)[..., 0, :]


def extend(
    array: np.ndarray, edges: Edges, point: str, halo: int, sign: float = 1.0, fill: float = 0.0
) -> np.ndarray:
    """`array` [..., ny, nx] with `halo` more rows and columns at each side: [..., ny + 2 halo, nx + 2 halo].

    The halo holds what lies across the seam or the fold (times `sign` there), `fill` at closed edges. `point` is
    one of T U V F W.
    """
    ny, nx = array.shape[-2:]
    _check_halo(halo, ny, nx)
    wide = np.empty((*array.shape[:-2], ny + 2 * halo, nx + 2 * halo), array.dtype)
    wide[..., halo : halo + ny, halo : halo + nx] = array
    fill_halo(wide, edges, point, halo, sign, fill)
    return wide


def fill_halo(
    array: np.ndarray, edges: Edges, point: str, halo: int, sign: float = 1.0, fill: float = 0.0
) -> None:
    """Fill the halo of `array` [..., ny + 2 halo, nx + 2 halo] in place, from its inner cells; as `extend` does."""
    ny, nx = array.shape[-2] - 2 * halo, array.shape[-1] - 2 * halo
    _check_halo(halo, ny, nx)
    if halo == 0:
        return
    inner = array[..., halo : halo + nx]
    south, north = inner[..., :halo, :], inner[..., halo + ny :, :]
    south[...] = inner[..., ny : ny + halo, :] if edges.periodic_j else fill
    if edges.folded:
        _fold_onto(north, inner[..., halo : halo + ny, :], edges, point, sign)
    else:
        north[...] = inner[..., halo : 2 * halo, :] if edges.periodic_j else fill
    array[..., :halo] = array[..., nx : nx + halo] if edges.periodic_i else fill
    array[..., halo + nx :] = array[..., halo : 2 * halo] if edges.periodic_i else fill


def _check_halo(halo: int, ny: int, nx: int) -> None:
    if halo < 0 or halo > min(nx, ny):
        raise ValueError(f"expected a halo of 0 to {min(nx, ny)} cells on a grid of {nx} by {ny}, got {halo}")


def _fold_onto(north: np.ndarray, inner: np.ndarray, edges: Edges, point: str, sign: float) -> None:
    """Write the rows J + 1, … that the fold makes of `inner` [..., ny, nx] into `north` [..., halo, nx]."""
    ny, nx = inner.shape[-2:]
    halo = north.shape[-2]
    first, start = (int(n) for n in partner(edges, point, (ny, nx), ny, 0))
    if first >= ny or first < halo - 1:
        raise ValueError(_no_images(edges, point, ny, ny, ny + halo - 1))
    backwards = inner[..., first - halo + 1 : first + 1, :][..., ::-1, ::-1]
    before_seam = start + 1  # from column `start` down to 0, then on from nx - 1
    factor = north.dtype.type(sign)
    np.multiply(backwards[..., nx - before_seam :], factor, out=north[..., :before_seam])
    np.multiply(backwards[..., : nx - before_seam], factor, out=north[..., before_seam:])


def without_overlap(array: Any, edges: Edges) -> Any:
    """The inner cells [..., j, i] of an array in the layout of NEMO 4.0 (numpy or xarray)."""
    south, north, west, east = edges.overlap
    ny, nx = array.shape[-2:]
    return array[..., south : ny - north, west : nx - east]


def with_overlap(array: np.ndarray, edges: Edges, point: str, sign: float = 1.0) -> np.ndarray:
    """Inner cells [..., j, i] in the layout of NEMO 4.0: the columns and rows that it repeats are added."""
    wide = extend(array, edges, point, 1, sign)
    south, north, west, east = edges.overlap
    ny, nx = wide.shape[-2:]
    return wide[..., 1 - south : ny - 1 + north, 1 - west : nx - 1 + east]


def _partner_sums(edges: Edges, point: str, nx: int) -> tuple[int, int]:
    pivot, kind = edges.fold, "T" if point == "W" else point
    if (pivot, kind) not in _PARTNERS:
        raise ValueError(
            f"expected a fold about T or F points and a point T, U, V, F or W; got {pivot!r} and {point!r}"
        )
    if nx % 2:
        raise ValueError(
            f"a north fold joins the two halves of the last row: expected an even number of columns, got {nx}; "
            "the repeated columns of NEMO 4.0 come off with without_overlap"
        )
    return _PARTNERS[pivot, kind]


def _no_images(edges: Edges, point: str, ny: int, first: int, last: int) -> str:
    return (
        f"rows {first} to {last} at {point} points are not images of rows 0 to {ny - 1} in a fold about "
        f"{edges.fold} points"
    )


def _signed(values: np.ndarray, sign: float) -> np.ndarray:
    return values if sign == 1 else (-values if sign == -1 else values * sign)
