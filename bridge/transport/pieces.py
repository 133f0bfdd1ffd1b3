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
    for part in parts(payload, PIECE_BYTES):
        borrowed = part.flags.c_contiguous and not isinstance(payload, bytes)
        yield _as_bytes(np.ascontiguousarray(part)).data, borrowed


def parts(payload: Window | bytes, most: int) -> Iterator[np.ndarray]:
    """Views of the payload of at most `most` bytes, in order, at least one; bytes, or values of whole rows."""
    if isinstance(payload, bytes):
        yield from _slices(np.frombuffer(payload, np.uint8), most)
        return
    view = payload.view
    if view.flags.c_contiguous:
        yield from _slices(_as_bytes(view), most)
        return
    levels = _levels(payload)
    _, rows, columns = levels.shape
    row = columns * levels.itemsize
    if rows * row <= most:
        step = most // (rows * row)
        for level in range(0, len(levels), step):
            yield levels[level : level + step]
    elif row <= most:
        step = most // row
        for level in levels:
            for first in range(0, rows, step):
                yield level[first : first + step]
    else:
        for line in (line for level in levels for line in level):
            yield from _slices(_as_bytes(line), most)


def size_of(payload: Window | bytes) -> int:
    """Bytes of a payload."""
    return len(payload) if isinstance(payload, bytes) else payload.view.nbytes


def _slices(data: np.ndarray, most: int) -> Iterator[np.ndarray]:
    for start in range(0, max(1, data.size), most):
        yield data[start : start + most]


def _as_bytes(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1).view(np.uint8)


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
        self._contiguous = _as_bytes(view).data if view.flags.c_contiguous else None
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
