"""How the values of a field get from and to each rank: copied by the rank itself in shared memory, or as a message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bridge.decomposition import Decomposition, Tile
from bridge.protocol import Header, Verb, padded_extents
from bridge.shared_memory import NOWHERE, Place, Sharing
from bridge.transport.base import Transport, Window
from bridge.wire_field import WireField


class FieldRoutes:
    """The ways that fields take between the C-contiguous global arrays of this side and the ranks of a model."""

    def __init__(self, transport: Transport, decomposition: Decomposition, shared: Sharing) -> None:
        self.shared = shared
        self._transport = transport
        self._decomposition = decomposition
        #: by verb, number and rank: where the array is, the request, does the rank copy it itself
        self._requests: dict[tuple[int, int, int], tuple[Any, bytes, bool]] = {}
        self._numbers: dict[int, tuple[Callable[[], None], np.ndarray]] = {}

    def array(self, shape: Sequence[int], dtype: np.dtype, halo: bool) -> np.ndarray:
        """An array for a field; zero where no rank will write."""
        written = self._decomposition.covers_all and not halo
        return self.shared.array(shape, dtype, of_zeros=not written)

    def request(self, verb: Verb, wire: WireField, rank: int, array: np.ndarray) -> tuple[bytes, bool]:
        """The packed header that asks a rank for a field or announces it; does the rank copy it from and to its place?

        The last one of each field is kept: making it takes longer than sending it.
        """
        entry = wire.entry
        key = (verb, wire.number, rank)
        where = (self.shared.offset_of(array), array.shape) if entry.tiled else None
        known = self._requests.get(key)
        if known is not None and known[0] == where:
            return known[1], known[2]
        tile = self._tile(rank, wire)
        shape = (*entry.shape[:-2], tile.nj, tile.ni) if tile else entry.shape
        header = Header(verb, 0, entry.number, wire.dtype_code, len(shape), padded_extents(shape))
        if (place := self.place(rank, wire, array)) is not None:
            header.step, header.count, header.argument = place.offset, place.row_stride, place.level_stride
        self._requests[key] = where, header.pack(), place is not None
        return self._requests[key][1:]

    def number(self, wire: WireField) -> tuple[Callable[[], None], np.ndarray]:
        """What begins to ask for an entry without dimensions, and where it is received; made once."""
        if wire.number not in self._numbers:
            header = Header(Verb.GET, 0, wire.entry.number, wire.dtype_code)
            value = np.zeros((), wire.dtype)
            self._numbers[wire.number] = self._transport.question(header.pack(), Window(value)), value
        return self._numbers[wire.number]

    def place(self, rank: int, wire: WireField, array: np.ndarray) -> Place | None:
        """Where the rank's part lies in the memory that we share; None: it travels."""
        return self.shared.place(rank, array, self._tile(rank, wire)) if wire.entry.tiled else None

    def send(self, rank: int, wire: WireField, array: np.ndarray) -> None:
        """Begin to send a rank its part."""
        self._transport.send(rank, Window(array, self._tile(rank, wire)))

    def receive(self, rank: int, wire: WireField, array: np.ndarray) -> None:
        """Begin to receive a rank's part; what all ranks share comes from the first."""
        if wire.entry.tiled or rank == 0:
            self._transport.receive(rank, Window(array, self._tile(rank, wire)))

    def to_read(self, wire: WireField, array: np.ndarray) -> np.ndarray:
        """The array, or a copy of it that ranks can read themselves."""
        return self.shared.lent(array) if self._is_worth_a_copy(wire) else array

    def to_write(self, wire: WireField, array: np.ndarray) -> np.ndarray:
        """The array, or one like it that ranks can write themselves, for `copy_parts` afterwards."""
        return self.shared.like(array) if self._is_worth_a_copy(wire) else array

    def copy_parts(self, wire: WireField, there: np.ndarray, array: np.ndarray, ranks: Sequence[int]) -> None:
        """Copy the parts of these ranks."""
        for rank in ranks:
            tile = self._tile(rank, wire)
            Window(array, tile).view[...] = Window(there, tile).view

    def _is_worth_a_copy(self, wire: WireField) -> bool:
        """Is an ordinary array copied to or from shared memory faster than sent?"""
        return wire.entry.tiled and not self._transport.in_place

    def _tile(self, rank: int, wire: WireField) -> Tile | None:
        """Where the rank's part lies in the array on this side."""
        if not wire.entry.tiled:
            return None
        tile = self._decomposition.tiles[rank]
        return replace(tile, i=tile.i + wire.halo, j=tile.j + wire.halo) if wire.halo else tile


def payload_of(places: Sequence[Place | None]) -> bytes:
    """What tells a rank these places."""
    return b"".join(NOWHERE if place is None else place.pack() for place in places)
