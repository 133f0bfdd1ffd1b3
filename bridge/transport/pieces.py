"""Arrays cut into pieces of a message each, and put together again; tiles of global arrays included."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bridge.errors import ProtocolError
from bridge.transport.base import Window
from bridge.transport.envelope import PIECE_BYTES


def cut(payload: Window | bytes) -> Iterator[tuple[memoryview, bool]]:
    """Pieces to be sent, at least one; and whether they are the caller's own memory.

    Tiles with gaps are gathered piece by piece: a fresh copy of the whole would cost more than its transport.
    """
    if isinstance(payload, bytes):
        for piece in _slices(memoryview(payload)):
            yield piece, False
        return
    view = payload.view
    if view.flags.c_contiguous:
        for piece in _slices(_as_bytes(view)):
            yield piece, True
        return
    *_, rows, columns = view.shape
    levels = _levels(payload)
    row = columns * view.itemsize
    if rows * row <= PIECE_BYTES:
        step = PIECE_BYTES // (rows * row)
        for level in range(0, len(levels), step):
            yield _gathered(levels[level : level + step])
        return
    step = max(1, PIECE_BYTES // row)
    for level in levels:
        for first in range(0, rows, step):
            yield _gathered(level[first : first + step])


def _gathered(part: np.ndarray) -> tuple[memoryview, bool]:
    """Bytes of a part: a copy where it has gaps, else the caller's own memory."""
    return _as_bytes(np.ascontiguousarray(part)), part.flags.c_contiguous


def _slices(data: memoryview) -> Iterator[memoryview]:
    for start in range(0, max(1, len(data)), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]


def _as_bytes(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _levels(window: Window) -> np.ndarray:
    """The window as a view [level, j, i]."""
    array, tile = window.array, window.tile
    flat = array.reshape(-1, *array.shape[-2:])
    return flat if tile is None else flat[(slice(None), *tile.window)]


class Assembly:
    """A window that is being filled with pieces as they come."""

    def __init__(self, window: Window) -> None:
        view = window.view
        self._bytes = view.nbytes
        self._done = 0
        self.complete = False
        self._contiguous = _as_bytes(view) if view.flags.c_contiguous else None
        self._levels = None if self._contiguous is not None else _levels(window)

    def add(self, piece: memoryview | bytes) -> None:
        """Put the next piece in its place; ProtocolError if there is no room for it."""
        length = len(piece)
        if length > self._bytes - self._done or (length == 0 and self._bytes):
            raise ProtocolError(
                f"the model sent {length} bytes of a payload of which {self._bytes - self._done} are missing"
            )
        if self._contiguous is not None:
            self._contiguous[self._done : self._done + length] = piece
        else:
            self._scatter(np.frombuffer(piece, np.uint8))
        self._done += length
        self.complete = self._done == self._bytes

    def _scatter(self, data: np.ndarray) -> None:
        """Bytes into the tile: whole levels, whole rows, and what is left of a row."""
        assert self._levels is not None
        levels = self._levels
        _, rows, columns = levels.shape
        size = levels.itemsize
        if data.size % size or self._done % size:
            raise ProtocolError(f"the model sent a piece of {data.size} bytes, not whole numbers of {size}")
        values = data.view(levels.dtype)
        place = self._done // size
        while values.size:
            level, rest = divmod(place, rows * columns)
            row, column = divmod(rest, columns)
            if rest == 0 and values.size >= rows * columns:
                count = values.size // (rows * columns)
                taken = count * rows * columns
                levels[level : level + count] = values[:taken].reshape(count, rows, columns)
            elif column == 0 and values.size >= columns:
                count = min(rows - row, values.size // columns)
                taken = count * columns
                levels[level, row : row + count] = values[:taken].reshape(count, columns)
            else:
                taken = min(columns - column, values.size)
                levels[level, row, column : column + taken] = values[:taken]
            values = values[taken:]
            place += taken
