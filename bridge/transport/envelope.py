"""What goes in front of every message over ZMQ. Twin of `fortran_stubs/src/bridge_envelope.f90`.

A message has two frames: an envelope of 32 bytes in the machine's own byte order, and a body. Requests, answers and
pieces of payloads are counted in each direction; whoever has taken some says so, and what has not been acknowledged
is sent again after a loss of the connection. A test compares the constants of the two files.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from bridge.errors import ProtocolError
from bridge.protocol import VERSION

ENVELOPE_MAGIC = 1364869710  # "NBZQ"
ENVELOPE_BYTES = 32
WINDOW_MESSAGES = 32  # sent and not yet acknowledged
ACKNOWLEDGE_EVERY = 8  # messages taken
PIECE_BYTES = 1048576  # of a payload, in one message
LARGEST_BODY = 8388608  # bytes; larger ones are refused
MOST_RANKS = 1_000_000


class Kind(IntEnum):
    """What a message is for. Those from REQUEST on are counted."""

    HELLO = 1  # label rank ranks process, place
    WELCOME = 2  # process patience, place
    REFUSED = 3  # why
    RESUME = 4  # the model is connected again
    RESUMED = 5  # the server's answer
    ACKNOWLEDGE = 6
    BEAT = 7
    GOODBYE = 8  # why this side gives up
    REQUEST = 10  # a header
    ANSWER = 11  # a header
    PAYLOAD = 12  # a piece of a payload


_LAYOUT = struct.Struct("=4i2q")
_HELLO = struct.Struct("=4i")
_WELCOME = struct.Struct("=2i")


class OtherVersion(ProtocolError):
    """The other side is a bridge, but of another release."""


@dataclass(slots=True)
class Envelope:
    """The 32 bytes in front of a body. `number` counts from 1 and is 0 where messages are not counted."""

    kind: int
    number: int = 0
    acknowledged: int = 0  # of the other side's messages: all up to this one

    def pack(self) -> bytes:
        """The envelope as it travels."""
        return _LAYOUT.pack(ENVELOPE_MAGIC, VERSION, self.kind, 0, self.number, self.acknowledged)

    @classmethod
    def unpack(cls, data: bytes | memoryview) -> Envelope:
        """Envelope from a frame; ProtocolError if it is none, OtherVersion if it is one of another release."""
        if len(data) != ENVELOPE_BYTES:
            raise ProtocolError(f"expected an envelope of {ENVELOPE_BYTES} bytes, got {len(data)}")
        magic, version, kind, _, number, acknowledged = _LAYOUT.unpack(data)
        if magic != ENVELOPE_MAGIC:
            raise ProtocolError(f"expected an envelope with magic {ENVELOPE_MAGIC}, got {magic}")
        if version != VERSION:
            raise OtherVersion(
                f"the model speaks protocol version {version}, this server speaks {VERSION}: "
                "rebuild the model and reinstall the Python package from one release"
            )
        return cls(kind, number, acknowledged)


@dataclass(frozen=True)
class Introduction:
    """What a rank of a model says of itself: instance label, rank of ranks, process id, where it runs."""

    label: int
    rank: int
    ranks: int
    process: int
    place: str  # host, boot, namespace of process ids
    directory: str

    @classmethod
    def unpack(cls, data: bytes | memoryview) -> Introduction:
        """Introduction from the body of a hello; ProtocolError if it makes no sense."""
        if not _HELLO.size <= len(data) <= 16384:
            raise ProtocolError(f"a hello of {len(data)} bytes is not of this protocol")
        label, rank, ranks, process = _HELLO.unpack_from(data)
        place, _, directory = bytes(data[_HELLO.size :]).decode(errors="replace").partition("\n")
        if not 0 < ranks <= MOST_RANKS or not 0 <= rank < ranks or label < 0 or process < 1:
            raise ProtocolError(
                f"there is no rank {rank} of {ranks} of an instance {label}, process {process}"
            )
        return cls(label, rank, ranks, process, place, directory)

    @property
    def host(self) -> str:
        """The machine's name."""
        return self.place.split(" ")[0] or "unknown host"


def pack_welcome(process: int, patience: float, place: str) -> bytes:
    """Body of a welcome: the server's process id, its patience in s, where it runs."""
    return _WELCOME.pack(process, round(1000 * patience)) + place.encode()
