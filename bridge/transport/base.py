"""What a Session needs from a way to travel: headers and windows of arrays, to and from each rank of the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bridge.decomposition import Tile
from bridge.protocol import Header, levels_per_chunk


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a C-contiguous array [n, j, i]: all of n, and `tile` of the last two; None is the whole array."""

    array: np.ndarray
    tile: Tile | None = None

    @property
    def view(self) -> np.ndarray:
        """The part, as a view."""
        return self.array if self.tile is None else self.array[(..., *self.tile.window)]


def pieces(array: np.ndarray, tile: Tile | None) -> Iterator[Window]:
    """The messages in which a rank's tile of a C-contiguous field travels; both sides cut alike.

    A field on the grid, [..., j, i] with a tile, is cut into groups of whole levels; others (tile None) are one
    piece.
    """
    if tile is None:
        yield Window(array)
        return
    ny, nx = array.shape[-2:]
    levels = array.reshape(-1, ny, nx)
    whole = (tile.ni, tile.nj) == (nx, ny)
    step = levels_per_chunk(tile.ni * tile.nj * array.itemsize)
    for first in range(0, levels.shape[0], step):
        yield Window(levels[first : first + step], None if whole else tile)


class Transport(Protocol):
    """Messages between this process and the ranks of one model instance.

    Sends and receives only begin here; `finish` waits for all of them. Waiting longer than `timeout` seconds in
    silence raises PeerTimeout.
    """

    ranks: int
    instance: int
    timeout: float

    def send_header(self, rank: int, header: Header) -> None:
        """Begin to send a request to `rank`."""
        ...

    def send(self, rank: int, payload: Window | bytes) -> None:
        """Begin to send a payload to `rank`; it must stay as it is until `finish`."""
        ...

    def receive(self, rank: int, window: Window) -> None:
        """Begin to receive a payload from `rank` straight into `window`; valid after `finish`."""
        ...

    def next_answer(self) -> tuple[int, Header]:
        """Wait for the next answer of any rank."""
        ...

    def finish(self) -> None:
        """Wait until all that was begun is done."""
        ...

    def abort(self, reason: str) -> None:
        """End the model's processes at once (and this one, where they share a job)."""
        ...

    def close(self) -> None:
        """Give everything back after the model has answered to stop."""
        ...
