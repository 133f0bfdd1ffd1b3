"""Memory that this process shares with the ranks of a model on the same machine: arrays that no message carries.

Twin of `fortran_stubs/src/bridge_shared_memory.f90`. We own an anonymous file (nobody finds it by name, and nothing is
left of it when the last process has gone) and map it; ranks that run here map it too. Where a request is about an
array that lies in it, its header says in which place, and the rank copies its part there, or from there. Messages say
whose turn it is.
"""

from __future__ import annotations

import ctypes
import fcntl
import logging
import math
import mmap
import os
import secrets
import struct
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from weakref import finalize

import numpy as np

from bridge.decomposition import Tile
from bridge.errors import ConfigurationError, ProtocolError
from bridge.forked_copies import ForkedCopies
from bridge.protocol import Header, Verb, padded_extents, padded_text
from bridge.settings import SHARED_MEMORY
from bridge.transport.base import Transport
from bridge.transport.neighbour import own_place

NONCE_AT = 0  # bytes from the beginning of the file: a number that proves whose file it is
ANSWERS_AT = 64  # what each rank makes of it, one after the other
PLACE_WORDS = 6  # words of 32 bits that say where values lie

SMALLEST_SHARED = 16384  # bytes of an array; smaller ones travel as messages
_KEPT_BYTES = (
    2**28
)  # of memory that nobody uses any more: kept for the next arrays, which then cost no new pages
_PAGE = mmap.PAGESIZE
_ROOM = 8  # addresses, times the memory of the machine
_PRIVATE, _FIXED, _NO_RESERVE = 0x02, 0x10, 0x4000  # of Linux' mmap
_MAP_FAILED = ctypes.c_void_p(-1).value
_PLACE = struct.Struct("=qqii")

_log = logging.getLogger("nemo-bridge")


class Place(NamedTuple):
    """Where a rank's part of an array lies: bytes from the beginning of the file, and words of 32 bits."""

    offset: int
    record_stride: int  # bytes from a record of a run to the next
    row_stride: int  # words
    level_stride: int  # words

    def pack(self) -> bytes:
        """The place as a payload tells it."""
        return _PLACE.pack(self.offset, self.record_stride, self.row_stride, self.level_stride)


#: the payload's word for a field that travels as a message
NOWHERE = Place(0, 0, 0, 0).pack()


class SharedMemory:
    """The file, and the arrays in it. Their memory is used again when nobody has them any more."""

    def __init__(self, bytes_: int, ranks: int) -> None:
        """OSError where the system does not give what is needed. No memory is taken before it is used."""
        self.file = os.memfd_create("nemo-bridge", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.file, bytes_)
            # Nobody can take memory away under the feet of the other.
            fcntl.fcntl(
                self.file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            )
            self._map = mmap.mmap(self.file, bytes_)
        except BaseException:
            os.close(self.file)
            raise
        finalize(self, os.close, self.file)
        self._memory = np.frombuffer(self._map, np.uint8)
        self.address: int = self._memory.ctypes.data
        self._end = _pages(ANSWERS_AT + 8 * ranks)  # of what has been given out so far
        self._free: dict[int, list[tuple[int, bool]]] = defaultdict(list)  # size: where, and is it all zeros?
        self._kept = 0
        self._copies = ForkedCopies(self._make_private)
        self._seen: list[
            tuple[int, int, int]
        ] = []  # blocks that nobody has here, but maybe a copy of this process
        self.nonce = 1 + secrets.randbits(62)
        self.word(NONCE_AT)[0] = self.nonce

    def _make_private(self) -> None:
        """In a copy of this process: see the file as it is, but keep what is written to ourselves."""
        map_memory = ctypes.CDLL(None, use_errno=True).mmap
        map_memory.restype = ctypes.c_void_p
        kinds = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
        map_memory.argtypes = kinds
        access, kind = mmap.PROT_READ | mmap.PROT_WRITE, _PRIVATE | _FIXED | _NO_RESERVE
        used, self._end = (
            self._end,
            self._memory.size,
        )  # no more arrays here: all that are given out are seen above
        self._free.clear()
        # A system that promises no more memory than it has (vm.overcommit_memory=2) may refuse the whole.
        for size in (self._memory.size, used):
            if map_memory(self.address, size, access, kind, self.file, 0) != _MAP_FAILED:
                return
        os.write(2, b"nemo-bridge: this forked process shares its arrays with its parent: write to copies\n")

    def word(self, at: int) -> np.ndarray:
        """The 64-bit number there, as an array [1]."""
        return self._memory[at : at + 8].view(np.int64)

    def array(self, shape: Sequence[int], dtype: np.dtype, of_zeros: bool = True) -> np.ndarray | None:
        """An array in the file; None if it is small, or there is no room for it."""
        bytes_ = dtype.itemsize * math.prod(shape)
        if bytes_ < SMALLEST_SHARED:
            return None
        size = _rounded(bytes_)
        if self._seen:
            self._release_unseen()
        if self._free[size]:
            at, clean = self._free[size].pop()
            self._kept -= 0 if clean else size
        elif self._end + size <= self._memory.size:
            at, clean = self._end, True
            self._end += size
        else:
            return None
        block = np.asarray(_Block(self, at, size, bytes_))
        if of_zeros and not clean:
            block.fill(0)
        return block[:bytes_].view(dtype).reshape(shape)

    def offset_of(self, array: np.ndarray) -> int | None:
        """Where in the file a C-contiguous array begins; None if it lies elsewhere."""
        block = getattr(array.base, "base", None)
        if type(block) is not _Block or block.memory is not self:
            return None
        if array.nbytes == block.bytes:
            return block.at
        offset = int(array.__array_interface__["data"][0]) - self.address
        return None if offset % 4 else offset

    @property
    def forks(self) -> int:
        """Copies of this process that were made so far."""
        return self._copies.forks

    def take_back(self, at: int, size: int, forks: int) -> None:
        """Nobody has this block any more, made when there had been `forks` forks; a copy of this process may."""
        if self._copies.is_copy:
            return
        if forks < self.forks:
            self._seen.append((at, size, forks))
        else:
            self._release(at, size)

    def _release_unseen(self) -> None:
        """Take back what no copy of this process sees any more."""
        seen, self._seen = self._seen, []
        for block in seen:
            if self._copies.alive_since(block[2]):
                self._seen.append(block)
            else:
                self._release(*block[:2])

    def _release(self, at: int, size: int) -> None:
        """Keep a block for others, its pages too unless they are many."""
        clean = self._kept + size > _KEPT_BYTES
        if clean:
            self._map.madvise(mmap.MADV_REMOVE, at, size)
        else:
            self._kept += size
        self._free[size].append((at, clean))


class _Block:
    """Memory of one array and its views, which numpy lets refer to us; given back with the last of them."""

    def __init__(self, memory: SharedMemory, at: int, size: int, bytes_: int) -> None:
        self.memory, self.at, self.bytes = memory, at, bytes_
        self._size = size
        self._forks = memory.forks
        address = memory.address + at
        self.__array_interface__ = {
            "data": (address, False),
            "shape": (size,),
            "typestr": "|u1",
            "version": 3,
        }

    def __del__(self) -> None:
        self.memory.take_back(self.at, self._size, self._forks)


class Sharing:
    """Which ranks of a model have mapped our memory, and where in it they find their parts of arrays."""

    def __init__(self, memory: SharedMemory | None = None, ranks: Sequence[bool] = ()) -> None:
        self._memory = memory
        self._ranks = ranks

    def with_rank(self, rank: int) -> bool:
        """Does this rank share memory with us?"""
        return self._memory is not None and self._ranks[rank]

    def array(self, shape: Sequence[int], dtype: np.dtype, of_zeros: bool = True) -> np.ndarray:
        """An array, of zeros or of anything, in shared memory if there is any."""
        shared = None if self._memory is None else self._memory.array(shape, dtype, of_zeros)
        return np.zeros(shape, dtype) if shared is None else shared

    def like(self, array: np.ndarray) -> np.ndarray:
        """An array like this one in shared memory, or itself: it lies there, or should travel."""
        if (
            self._memory is None
            or array.nbytes < SMALLEST_SHARED
            or self._memory.offset_of(array) is not None
        ):
            return array
        shared = self._memory.array(array.shape, array.dtype, of_zeros=False)
        return array if shared is None else shared

    def lent(self, array: np.ndarray) -> np.ndarray:
        """A copy in shared memory, or the array itself: it lies there, or should travel."""
        shared = self.like(array)
        if shared is not array:
            shared[...] = array
        return shared

    def offset_of(self, array: np.ndarray) -> int | None:
        """Where in shared memory a C-contiguous array begins; None if it lies elsewhere."""
        return None if self._memory is None else self._memory.offset_of(array)

    def place(self, rank: int, array: np.ndarray, tile: Tile | None) -> Place | None:
        """Where the rank finds its tile of a C-contiguous array [(record,) (k,) j, i]; None: as a message."""
        offset = self.offset_of(array)
        if offset is None or tile is None or not self._ranks[rank]:
            return None
        # Not the array's strides: those of a dimension of one mean nothing.
        row = array.itemsize * array.shape[-1]
        level = row * array.shape[-2]
        record = array.itemsize * math.prod(array.shape[1:])
        return Place(offset + tile.j * row + tile.i * array.itemsize, record, row // 4, level // 4)


class Offer:
    """Memory for all ranks, until they have said whether they take it."""

    def __init__(self, ranks: int) -> None:
        """OSError where the system does not give what is needed."""
        # Room for blocks of all sizes, used or not: what is not used costs nothing.
        self._memory = SharedMemory(_ROOM * os.sysconf("SC_PHYS_PAGES") * _PAGE, ranks)

    @property
    def place(self) -> bytes:
        """Where the request means what it says, as a payload."""
        return padded_text(own_place())

    @property
    def request(self) -> Header:
        """What the ranks are asked: to open this file of this process."""
        where = padded_extents((self._memory.file, os.getpid()))
        return Header(Verb.SHARE, extents=where, count=len(own_place().encode()), step=self._memory.nonce)

    def taken(self, answers: Sequence[str]) -> Sharing:
        """What came of it."""
        for rank, answer in enumerate(answers):
            if answer == "shared" and self._memory.word(ANSWERS_AT + 8 * rank)[0] != self._memory.nonce:
                raise ProtocolError(
                    f"rank {rank} of the model took our shared memory, but what it writes does not arrive there: "
                    f"set {SHARED_MEMORY.name}=off"
                )
        refusals = sorted({answer for answer in answers if answer != "shared"})
        if refusals:
            silent = sum(answer != "shared" for answer in answers)
            _log.debug("%d of %d ranks share no memory: %s", silent, len(answers), "; ".join(refusals))
            if SHARED_MEMORY.read() == "on":
                raise ConfigurationError(
                    f"{SHARED_MEMORY.name}=on, but the model refused: {'; '.join(refusals)}"
                )
        if not any(answer == "shared" for answer in answers):
            return Sharing()
        return Sharing(self._memory, [answer == "shared" for answer in answers])


def offer_for(transport: Transport) -> Offer | None:
    """Memory to be offered to the ranks of this transport, where that is wanted and can be."""
    switch = SHARED_MEMORY.read()
    if switch == "off" or (switch == "auto" and not transport.may_share_memory):
        return None
    try:
        return Offer(transport.ranks)
    except (OSError, AttributeError, ValueError) as error:  # no memfd_create, or not so much address space
        if switch == "on":
            raise ConfigurationError(
                f"{SHARED_MEMORY.name}=on, but this system does not give any: {error}"
            ) from error
        _log.debug("no shared memory: %s", error)
        return None


def _pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE


def _rounded(size: int) -> int:
    """Whole pages, a number of at most four binary digits and zeros: blocks of few sizes are used again and again.

    Pages that are too many are never touched, and so cost nothing.
    """
    step = max(_PAGE, 1 << max(0, size.bit_length() - 4))
    return -(-size // step) * step
