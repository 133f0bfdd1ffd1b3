"""Tiles of ranks <-> global arrays [..., j, i]. Cells of suppressed (land-only) ranks stay zero.

Tiles hold inner cells alone, so the seam and the fold do not concern them: what lies beyond the edges of the global
grid is derived from it (`north_fold.extend` with `Decomposition.edges`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bridge.errors import ProtocolError
from bridge.north_fold import Edges


@dataclass(frozen=True)
class Tile:
    """The inner cells of one rank: offsets from 0 in the global grid, and sizes."""

    i: int
    j: int
    ni: int
    nj: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Index of the tile in the last two dimensions of a global array."""
        return slice(self.j, self.j + self.nj), slice(self.i, self.i + self.ni)


@dataclass(frozen=True)
class Decomposition:
    """A global grid of nx by ny cells and the tile of each rank; raises ProtocolError unless they fit.

    Cells without a rank are land: NEMO leaves out ranks that would have no wet cell.
    """

    nx: int
    ny: int
    tiles: tuple[Tile, ...]
    edges: Edges = Edges()

    def __post_init__(self) -> None:
        for rank, tile in enumerate(self.tiles):
            inside = (
                tile.i >= 0 and tile.j >= 0 and tile.i + tile.ni <= self.nx and tile.j + tile.nj <= self.ny
            )
            if not inside or tile.ni < 1 or tile.nj < 1:
                raise ProtocolError(f"rank {rank} has the {tile}, outside the grid of {self.nx} by {self.ny}")
        self._check_overlap()

    def _check_overlap(self) -> None:
        """Count owners between the edges of tiles, not cell by cell: a peer that lies about its grid costs nothing."""
        rows = np.unique([(tile.j, tile.j + tile.nj) for tile in self.tiles])
        columns = np.unique([(tile.i, tile.i + tile.ni) for tile in self.tiles])
        owners = np.zeros((rows.size, columns.size), dtype=np.int32)
        for tile in self.tiles:
            j, i = tile.window
            row, column = (
                np.searchsorted(edges, (part.start, part.stop)) for edges, part in ((rows, j), (columns, i))
            )
            owners[slice(*row), slice(*column)] += 1
        if owners.max(initial=0) > 1:
            row, column = np.argwhere(owners > 1)[0]
            raise ProtocolError(
                f"cell (j, i) = ({rows[row]}, {columns[column]}) belongs to {owners[row, column]} ranks: the tiles "
                "given to bridge_grid must hold inner cells only, each cell once"
            )

    @cached_property
    def covers_all(self) -> bool:
        """Is each cell some rank's?"""
        return sum(tile.ni * tile.nj for tile in self.tiles) == self.nx * self.ny

    @property
    def covered(self) -> np.ndarray:
        """Boolean [j, i]: which cells some rank owns."""
        covered = np.zeros((self.ny, self.nx), dtype=bool)
        for tile in self.tiles:
            covered[tile.window] = True
        return covered

    def scatter(self, array: np.ndarray) -> list[np.ndarray]:
        """Views of each rank's tile of a global array [..., j, i]."""
        self.check_shape(array.shape)
        return [array[(..., *tile.window)] for tile in self.tiles]

    def gather(self, pieces: Sequence[np.ndarray], fill: float = 0.0) -> np.ndarray:
        """Global array [..., j, i] from the tiles [..., nj, ni]; `fill` where no rank is."""
        array = np.full((*pieces[0].shape[:-2], self.ny, self.nx), fill, dtype=pieces[0].dtype)
        for tile, piece in zip(self.tiles, pieces, strict=True):
            array[(..., *tile.window)] = piece
        return array

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """ValueError unless the last two dimensions are those of the grid."""
        if shape[-2:] != (self.ny, self.nx):
            raise ValueError(f"expected an array of shape (..., {self.ny}, {self.nx}), got {shape}")
