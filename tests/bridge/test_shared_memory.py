"""Mailboxes in shared memory, both ends in this process: what goes in comes out, and nothing leads outside."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.decomposition import Tile
from bridge.errors import ConfigurationError, ProtocolError
from bridge.settings import SHARED_MEMORY
from bridge.transport import shared_memory
from bridge.transport.base import Window
from bridge.transport.loopback import LoopbackTransport
from bridge.transport.pieces import Assembly, parts
from bridge.transport.shared_memory import (
    CONTROL_BYTES,
    LENGTHS_AT,
    MAILBOX_PIECE_BYTES,
    MAILBOX_PIECES,
    Mailbox,
    Offer,
    Ring,
    offer_for,
)

SOURCE = Path(__file__).resolve().parents[2] / "fortran_stubs" / "src" / "bridge_shared_memory.f90"


class Ends:
    """A mailbox, and the model's end of it."""

    def __init__(self) -> None:
        offer = Offer(2)
        os.close(offer._file)
        self.memory = offer._memory
        self.box = Mailbox(offer._semaphores, self.memory[0])
        self.model_reads = Ring(offer._semaphores, self.memory[0], 0, writing=False)
        self.model_writes = Ring(offer._semaphores, self.memory[0], 1, writing=True)


def test_constants_are_the_same_on_both_sides() -> None:
    found = re.findall(r"parameter, public :: (\w+) = (\d+) ", SOURCE.read_text().replace("\n", " "))
    assert len(found) >= 9
    assert {name: int(value) for name, value in found} == {
        name: getattr(shared_memory, name.upper()) for name, _ in found
    }


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from([np.float64, np.float32]),
    st.booleans(),
)
def test_tiles_come_out_as_they_went_in(
    levels: int, rows: int, columns: int, kind: type, whole: bool
) -> None:
    ends = Ends()
    values = np.random.default_rng(rows).random((levels, rows + 3, columns + 4)).astype(kind)
    there, back = np.zeros_like(values), np.zeros_like(values)
    tile = None if whole else Tile(1, 2, columns, rows)
    ends.box.send(Window(values, tile))
    arriving = Assembly(Window(there, tile))
    while not arriving.complete:
        ends.box.move()
        if ends.model_reads.ours():
            ends.model_reads.read(arriving)
    ends.box.receive(Window(back, tile))
    for part in parts(Window(there, tile), MAILBOX_PIECE_BYTES):
        while not ends.model_writes.ours():
            ends.box.move()
        ends.model_writes.write(part)
    while ends.box.move():
        pass
    assert not ends.box.busy
    expected = np.zeros_like(values)
    Window(expected, tile).view[...] = Window(values, tile).view
    assert np.array_equal(there, expected) and np.array_equal(back, expected)


def test_a_row_longer_than_a_piece_is_cut() -> None:
    values = np.arange(2 * (MAILBOX_PIECE_BYTES // 8 + 5), dtype=np.float64).reshape(2, -1)
    cut = list(parts(Window(values, Tile(1, 0, values.shape[1] - 1, 2)), MAILBOX_PIECE_BYTES))
    assert [part.nbytes for part in cut] == 2 * [MAILBOX_PIECE_BYTES, 4 * 8]


def test_a_full_ring_waits_until_the_other_side_has_read() -> None:
    ends = Ends()
    ends.box.send(bytes(MAILBOX_PIECE_BYTES * (MAILBOX_PIECES + 1)))
    assert [ends.box.move() for _ in range(MAILBOX_PIECES + 1)] == MAILBOX_PIECES * [True] + [False]
    assert ends.model_reads.ours()
    ends.model_reads.read(Assembly(Window(np.zeros(MAILBOX_PIECE_BYTES, np.uint8))))
    assert ends.box.move() and not ends.box.busy


@pytest.mark.parametrize("length", [0, -8, 2**62, -(2**63), MAILBOX_PIECE_BYTES + 4, 12, 804])
def test_lengths_that_the_other_side_made_up_are_refused(length: int) -> None:
    ends = Ends()
    around = np.zeros(300)
    window = around[100:200]
    ends.box.receive(
        Window(window.reshape(10, 10), Tile(0, 0, 10, 10) if length != 12 else Tile(0, 0, 9, 10))
    )
    assert ends.model_writes.ours()
    ends.model_writes.write(np.ones(10))
    ends.memory[0][LENGTHS_AT + 8 * MAILBOX_PIECES :].view(np.int64)[0] = length
    with pytest.raises(ProtocolError):
        ends.box.move()
    assert not around[:100].any() and not around[200:].any()


def test_no_rank_sees_another_ones_mailbox() -> None:
    ends = Ends()
    ends.memory[1] = 0
    ends.box.send(os.urandom(MAILBOX_PIECE_BYTES * MAILBOX_PIECES))
    while ends.box.move():
        pass
    assert not ends.memory[1].any() and ends.memory[0][CONTROL_BYTES:].any()


def test_the_switch_says_who_is_offered_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = LoopbackTransport(1, lambda peer: None)
    for switch, gains, offered in (
        ("on", False, True), ("auto", False, False), ("auto", True, True), ("off", True, False)
    ):  # fmt: skip
        monkeypatch.setenv(SHARED_MEMORY.name, switch)
        transport.gains_from_shared_memory = gains
        assert (offer_for(transport) is not None) is offered
    monkeypatch.setenv(SHARED_MEMORY.name, "maybe")
    with pytest.raises(ConfigurationError, match="one of auto, on, off, got 'maybe'"):
        offer_for(transport)


def test_a_system_that_gives_no_memory_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError("no space left on device")

    transport = LoopbackTransport(1, lambda peer: None)
    transport.gains_from_shared_memory = True
    monkeypatch.setattr(os, "ftruncate", refuse)
    monkeypatch.setenv(SHARED_MEMORY.name, "auto")
    before = os.listdir("/proc/self/fd")
    assert offer_for(transport) is None
    assert len(os.listdir("/proc/self/fd")) == len(before)
    monkeypatch.setenv(SHARED_MEMORY.name, "on")
    with pytest.raises(ConfigurationError, match="no space left"):
        offer_for(transport)


def test_ranks_that_refuse_keep_the_ordinary_way(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = LoopbackTransport(2, lambda peer: None)
    monkeypatch.setenv(SHARED_MEMORY.name, "auto")
    assert Offer(2).taken(transport, ["elsewhere", "elsewhere"]) is transport
    monkeypatch.setenv(SHARED_MEMORY.name, "on")
    with pytest.raises(ConfigurationError, match="elsewhere"):
        Offer(2).taken(transport, ["elsewhere", "elsewhere"])
    with pytest.raises(ProtocolError, match="does not arrive"):  # it says yes, and has not been there
        Offer(2).taken(transport, ["shared", "shared"])
