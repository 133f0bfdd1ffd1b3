"""What a Session needs from a way to travel: headers and windows of arrays, to and from each rank of the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bridge.decomposition import Tile
from bridge.protocol import Header


@dataclass(slots=True)
class Window:
    """A part of a C-contiguous array: `tile` of its last two dimensions, all of the others; None is the whole.

    Items are of 4 or 8 bytes.
    """

    array: np.ndarray
    tile: Tile | None = None

    @property
    def view(self) -> np.ndarray:
        """The part, as a view."""
        return self.array if self.tile is None else self.array[(..., *self.tile.window)]


class Transport(Protocol):
    """Messages between this process and the ranks of one model instance.

    Sends and receives only begin here; `finish` waits for all of them. Waiting longer than `timeout` seconds in
    silence raises PeerTimeout.
    """

    ranks: int
    instance: int
    #: does the model's end leave this process and all other instances alone?
    independent: bool
    #: are the ranks other processes, to which memory may be offered?
    may_share_memory: bool
    #: do payloads go straight from and into the caller's arrays? Else a copy in shared memory is faster
    in_place: bool

    @property
    def timeout(self) -> float:
        """Longest silence, in seconds."""
        ...

    def send_request(self, rank: int, header: bytes) -> None:
        """Begin to send a packed header to `rank`."""
        ...

    def send(self, rank: int, payload: Window | bytes) -> None:
        """Begin to send a payload to `rank`; it must stay as it is until `finish`."""
        ...

    def receive(self, rank: int, window: Window) -> None:
        """Begin to receive a payload from `rank` straight into `window`; valid after `finish`."""
        ...

    def question(self, header: bytes, window: Window) -> Callable[[], None]:
        """What begins to send a packed header to all ranks and to receive the first one's payload, at each call."""
        ...

    def next_answer(self) -> tuple[int, Header]:
        """Wait for the next answer of any rank."""
        ...

    def poll(self) -> tuple[int, Header] | None:
        """The next answer of any rank if one is here; raises what `next_answer` would of a model that is lost."""
        ...

    def rest(self, seconds: float) -> None:
        """Let others have the core for so long, or until something arrives."""
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


def plain_question(transport: Transport, header: bytes, window: Window) -> Callable[[], None]:
    """A `question` of a transport that gains nothing by preparing it."""

    def begin() -> None:
        transport.receive(0, window)
        for rank in range(transport.ranks):
            transport.send_request(rank, header)

    return begin
