"""Tiles of ranks and global arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.decomposition import Decomposition, Tile
from bridge.errors import ProtocolError


def bands(nx: int, ny: int, columns: int, rows: int) -> Decomposition:
    """nx by ny cells cut into columns by rows tiles, as even as can be."""
    tiles = tuple(
        Tile(
            i * nx // columns,
            j * ny // rows,
            (i + 1) * nx // columns - i * nx // columns,
            (j + 1) * ny // rows - j * ny // rows,
        )
        for j in range(rows)
        for i in range(columns)
    )
    return Decomposition(nx, ny, tiles)


@given(st.integers(3, 20), st.integers(3, 20), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2))
def test_gather_undoes_scatter(nx: int, ny: int, columns: int, rows: int, extra: int) -> None:
    decomposition = bands(nx, ny, columns, rows)
    array = np.arange(2**extra * ny * nx, dtype=float).reshape((2,) * extra + (ny, nx))
    assert np.array_equal(decomposition.gather(decomposition.scatter(array)), array)
    assert decomposition.covered.all()


def test_suppressed_rank_leaves_zeros() -> None:
    whole = bands(6, 4, 3, 1)
    decomposition = Decomposition(6, 4, (whole.tiles[0], whole.tiles[2]))
    array = decomposition.gather(decomposition.scatter(np.ones((2, 4, 6))))
    assert np.array_equal(array[1], np.where(decomposition.covered, 1.0, 0.0))
    assert not decomposition.covered[:, 2:4].any()


@pytest.mark.parametrize(
    ("tiles", "text"),
    [
        ((Tile(0, 0, 4, 3), Tile(3, 0, 3, 3)), r"cell \(j, i\) = \(0, 3\) belongs to 2 ranks"),
        ((Tile(0, 0, 7, 3),), "outside the grid of 6 by 3"),
        ((Tile(-1, 0, 2, 2),), "outside the grid"),
        ((Tile(0, 0, 0, 2),), "outside the grid"),
    ],
)
def test_tiles_that_do_not_fit_are_refused(tiles: tuple[Tile, ...], text: str) -> None:
    with pytest.raises(ProtocolError, match=text):
        Decomposition(6, 3, tiles)


def test_array_of_another_grid_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected an array of shape \(..., 4, 6\), got \(6, 4\)"):
        bands(6, 4, 2, 2).scatter(np.zeros((6, 4)))
