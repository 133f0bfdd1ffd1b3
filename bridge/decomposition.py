"""Tiles of ranks <-> global arrays [..., j, i]. Cells of suppressed (land-only) ranks stay zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bridge.errors import ProtocolError


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
    """A global grid of nx by ny cells and the tile of each rank; raises ProtocolError unless they fit."""

    nx: int
    ny: int
    tiles: tuple[Tile, ...]

    def __post_init__(self) -> None:
        owners = np.zeros((self.ny, self.nx), dtype=np.int32)
        for rank, tile in enumerate(self.tiles):
            inside = (
                tile.i >= 0 and tile.j >= 0 and tile.i + tile.ni <= self.nx and tile.j + tile.nj <= self.ny
            )
            if not inside or tile.ni < 1 or tile.nj < 1:
                raise ProtocolError(f"rank {rank} has the {tile}, outside the grid of {self.nx} by {self.ny}")
            owners[tile.window] += 1
        if owners.max(initial=0) > 1:
            j, i = np.argwhere(owners > 1)[0]
            raise ProtocolError(
                f"cell (j, i) = ({j}, {i}) belongs to {owners[j, i]} ranks: the tiles given to bridge_grid must "
                "hold inner cells only, each cell once"
            )

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

    def gather(self, pieces: Sequence[np.ndarray]) -> np.ndarray:
        """Global array [..., j, i] from the tiles [..., nj, ni]; zero where no rank is."""
        array = np.zeros((*pieces[0].shape[:-2], self.ny, self.nx), dtype=pieces[0].dtype)
        for tile, piece in zip(self.tiles, pieces, strict=True):
            array[(..., *tile.window)] = piece
        return array

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """ValueError unless the last two dimensions are those of the grid."""
        if shape[-2:] != (self.ny, self.nx):
            raise ValueError(f"expected an array of shape (..., {self.ny}, {self.nx}), got {shape}")
