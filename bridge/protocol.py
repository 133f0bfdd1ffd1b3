"""The wire: verbs, header, dtype codes and version. Twin of `fortran_stubs/src/bridge_protocol.f90`.

A message is a header of 64 bytes (16 words of 32 bits, in the machine's own byte order) and, for some verbs, a
payload sent separately: text, a list of field numbers, or the values of a field, i running fastest. Payloads are
whole words of 32 bits; texts are padded with blanks. A test compares the constants of the two files. Fields of
float64 travel as float32 where a header has that dtype, or a list the negative number.

RUN: `extents` are how many fields are recorded, go to the closure and come from it, the steps of a coupling interval
(0: none) and the lag in intervals; the payload is the numbers of all three; with `field` 1 another payload follows, the
places of those that are recorded and go to the closure. COUPLE: with `argument` 1 the `count` fields for the closure
follow, with 0 nothing is asked of it. FORCING: `count` fields follow (those of the run, or 0 while there are none),
with `argument` 1 their places before them; with an error status nothing does, and the run ends where it stands.

SAVE: `field` is the beginning of the id of the snapshot of all ranks, which the file of each rank keeps; the answers to
SAVE and LOAD have it as `field`, and tell so which files belong together.

Fields that have a place in shared memory do not follow: they are there when a header says that they come, and stay
until the next one. In SET and GET `step` is the offset of the place in bytes (0: the values travel), `count` and
`argument` the strides of rows and levels in words; GET is then answered by a REPLY.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from bridge.errors import ProtocolError

MAGIC = 1312969287  # "NBRG"
VERSION = 3
MAX_RANK = 5
HEADER_BYTES = 64
LONGEST_TEXT = 2**24  # bytes that a model may say at once
LONGEST_PATH = 4096  # bytes of a path that a model is asked to write or read
TAG_WORDS = (
    8  # int32 record that each process shows at start: magic, version, role, instance, process, 0, 0, 0
)

PROCESS_MODEL = 1
PROCESS_SERVER = 2

MPI_TAG_REQUEST = 101
MPI_TAG_ANSWER = 102
MPI_TAG_PAYLOAD = 103


class Verb(IntEnum):
    """Requests of the server (up to 19) and answers of the model."""

    HELLO = 1
    SET = 2
    GET = 3
    RUN = 4
    SNAPSHOT = 5
    RESTORE = 6
    SAVE = 7
    LOAD = 8
    DROP = 9
    STOP = 10
    FORCING = 11  # in answer to COUPLE
    SHARE = 12
    REPLY = 20
    RECORD = 21
    OUTCOME = 22
    HEARTBEAT = 23
    COUPLE = 24  # an interval of a coupled run begins


class Status(IntEnum):
    """How a request or a run ended."""

    OK = 0
    ERROR = 1
    BLEW_UP = 2


class Role(IntEnum):
    """What a registered name is to the model."""

    PARAMETER = 1
    STATE = 2
    FORCING = 3
    DIAGNOSTIC = 4
    STATIC = 5


#: dtype code -> numpy dtype in memory on this side; logicals (4) travel as int32, 0 or 1.
DTYPES: dict[int, np.dtype] = {
    1: np.dtype(np.float64),
    2: np.dtype(np.float32),
    3: np.dtype(np.int32),
    4: np.dtype(np.int32),
}
LOGICAL = 4

_LAYOUT = struct.Struct("=14iq")
_NO_EXTENTS = (0,) * MAX_RANK


@dataclass(slots=True)
class Header:
    """The 64 bytes in front of every message. `extents` are i, j, k, … of the payload (one rank's tile)."""

    verb: int
    status: int = Status.OK
    field: int = 0  # number of the field, from 1
    dtype: int = 0
    ndims: int = 0
    extents: tuple[int, ...] = _NO_EXTENTS
    count: int = 0  # steps to run, fields that follow, or bytes of a text payload
    argument: int = 0  # slot, recording interval, or verb answered
    step: int = 0

    def pack(self) -> bytes:
        """The header as it travels."""
        return _LAYOUT.pack(
            MAGIC, VERSION, self.verb, self.status, self.field, self.dtype, self.ndims,
            *self.extents, self.count, self.argument, self.step,
        )  # fmt: skip

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview) -> Header:
        """Header from 64 bytes; ProtocolError if it has others, or if magic or version are not ours."""
        if len(data) != HEADER_BYTES:
            raise ProtocolError(f"expected a header of {HEADER_BYTES} bytes, got {len(data)}")
        w = _LAYOUT.unpack(data)
        if w[0] != MAGIC or w[1] != VERSION:
            raise ProtocolError(
                f"expected a header with magic {MAGIC} and version {VERSION}, got {w[0]} and {w[1]}: "
                "rebuild the model and reinstall the Python package from one release"
            )
        return cls(w[2], w[3], w[4], w[5], w[6], w[7:12], w[12], w[13], w[14])

    @property
    def snapshot_hash(self) -> str:
        """Hash of the snapshot of this rank, in a reply to snapshot, save or load."""
        return struct.pack("=2i", *self.extents[:2]).hex()

    @property
    def whole_snapshot(self) -> str:
        """Beginning of the id of the snapshot of all ranks of which the file was a part, in a reply to save or load."""
        return struct.pack("=i", self.field).hex()

    @property
    def snapshot_bytes(self) -> int:
        """Bytes that it takes in the memory of this rank, in the same replies."""
        size: int = struct.unpack("=q", struct.pack("=2i", *self.extents[2:4]))[0]
        return size


def whole_snapshot(snapshot_id: str) -> int:
    """What a request to save carries as `field`, so that `Header.whole_snapshot` begins as the id does."""
    number: int = struct.unpack("=i", bytes.fromhex(snapshot_id)[:4])[0]
    return number


def padded_extents(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Extents in the header's order (i, j, k, …) of an array of `shape` (…, k, j, i)."""
    return (*reversed(shape), *_NO_EXTENTS)[:MAX_RANK]


def padded_text(text: str) -> bytes:
    """A text payload: whole words of 4 bytes. Its true length goes into the header."""
    data = text.encode()
    return data + b" " * (-len(data) % 4)
