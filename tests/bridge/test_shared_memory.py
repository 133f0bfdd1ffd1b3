"""Arrays in shared memory: no two overlap, what is free is used again, and places are where the values are."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import shared_memory
from bridge.decomposition import Tile
from bridge.errors import ConfigurationError, ProtocolError
from bridge.settings import SHARED_MEMORY
from bridge.shared_memory import ANSWERS_AT, SMALLEST_SHARED, Offer, SharedMemory, Sharing, offer_for
from bridge.transport.loopback import LoopbackTransport

SOURCE = Path(__file__).resolve().parents[2] / "fortran_stubs" / "src" / "bridge_shared_memory.f90"
FLOAT = np.dtype(np.float64)
LEAST = SMALLEST_SHARED // 8  # float64


@pytest.fixture
def memory() -> SharedMemory:
    """Sixteen pages for each of a hundred arrays, for two ranks."""
    return SharedMemory(100 * 2**16, 2)


def test_constants_are_the_same_on_both_sides() -> None:
    found = re.findall(r"parameter, public :: (\w+) = (\d+) ", SOURCE.read_text().replace("\n", " "))
    assert len(found) == 3
    assert {name: int(value) for name, value in found} == {
        name: getattr(shared_memory, name.upper()) for name, _ in found
    }


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(LEAST, 3 * LEAST), st.booleans()), max_size=60))
def test_arrays_begin_as_zeros_and_never_overlap(wanted: list[tuple[int, bool]]) -> None:
    memory = SharedMemory(2**24, 1)
    held: list[tuple[np.ndarray, float]] = []
    for number, (size, drop) in enumerate(wanted, 1):
        array = memory.array((size,), FLOAT)
        if array is None:
            continue
        assert not array.any()
        array[...] = number
        held.append((array, number))
        if drop and len(held) > 1:
            held.pop(len(held) // 2)
    for array, value in held:
        assert (array == value).all()
    assert memory.word(0)[0] == memory.nonce


def test_memory_of_a_dropped_array_is_used_again_but_not_while_there_is_a_view(memory: SharedMemory) -> None:
    first = memory.array((LEAST,), FLOAT)
    assert first is not None
    where = memory.offset_of(first)
    view = first[5:]
    del first
    gc.collect()
    second = memory.array((LEAST,), FLOAT)
    assert second is not None and memory.offset_of(second) != where
    del view
    third = memory.array((LEAST,), FLOAT)
    assert third is not None and memory.offset_of(third) == where


def test_pages_of_dropped_arrays_go_back_to_the_system_beyond_a_limit(
    memory: SharedMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def used() -> int:
        return 512 * os.fstat(memory.file).st_blocks

    monkeypatch.setattr(shared_memory, "_KEPT_BYTES", 3 * SMALLEST_SHARED)
    before = used()
    arrays = [memory.array((LEAST,), FLOAT) for _ in range(20)]
    for array in arrays:
        assert array is not None
        array[...] = 1
    assert used() - before == 20 * SMALLEST_SHARED
    del array
    arrays.clear()
    assert used() - before == 3 * SMALLEST_SHARED
    again = [memory.array((LEAST,), FLOAT) for _ in range(20)]
    assert all(array is not None and not array.any() for array in again)


def _forked(child: Callable[[], bool]) -> int:
    """Process id of a copy of this one that ends with 0 if `child` returns True."""
    if (process := os.fork()) == 0:
        code = 1
        try:
            code = 0 if child() else 1
        finally:
            os._exit(code)
    return process


def _went_well(process: int) -> bool:
    return os.waitpid(process, 0)[1] == 0


def test_what_a_forked_process_writes_or_drops_stays_with_it(
    memory: SharedMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_memory, "_KEPT_BYTES", 0)
    held = [memory.array((LEAST,), FLOAT), memory.array((LEAST,), FLOAT)]
    for number, array in enumerate(held):
        assert array is not None
        array[...] = number

    def child() -> bool:
        held[0][...] = 7  # type: ignore[index]
        held.pop()
        gc.collect()
        return bool((held[0] == 7).all())

    assert _went_well(_forked(child))
    assert held[0] is not None and not held[0].any() and held[1] is not None and (held[1] == 1).all()


def test_what_a_forked_process_writes_stays_with_it_in_as_much_room_as_is_offered() -> None:
    array = Offer(1)._memory.array((LEAST,), FLOAT)
    assert array is not None
    array[...] = 1

    def child() -> bool:
        array[...] = 7
        return bool((array == 7).all())

    assert _went_well(_forked(child))
    assert (array == 1).all()


def test_forked_process_makes_no_arrays_in_shared_memory(memory: SharedMemory) -> None:
    assert _went_well(_forked(lambda: memory.array((LEAST,), FLOAT) is None))
    assert memory.array((LEAST,), FLOAT) is not None


def test_what_a_forked_process_sees_is_not_written_again_while_it_lives(memory: SharedMemory) -> None:
    held = [memory.array((LEAST,), FLOAT)]
    assert held[0] is not None
    held[0][...] = 5
    where = memory.offset_of(held[0])
    heard, say = os.pipe()

    def child() -> bool:
        os.close(say)
        os.read(heard, 1)
        return bool((held[0] == 5).all())

    process = _forked(child)
    held.clear()
    gc.collect()
    others = [memory.array((LEAST,), FLOAT) for _ in range(3)]
    for other in others:
        assert other is not None and memory.offset_of(other) != where
        other[...] = 6
    os.close(say)
    os.close(heard)
    assert _went_well(process)
    again = memory.array((LEAST,), FLOAT)
    assert again is not None and memory.offset_of(again) == where


@given(st.lists(st.integers(SMALLEST_SHARED, 2**26), min_size=200, max_size=400, unique=True))
@settings(max_examples=10, deadline=None)
def test_arrays_of_all_sizes_do_not_wear_the_file_out(sizes: list[int]) -> None:
    memory = SharedMemory(2**31, 1)
    for size in sizes:
        assert memory.array((size,), np.dtype(np.uint8)) is not None
    assert memory.array((2**26,), np.dtype(np.uint8)) is not None


def test_small_arrays_and_those_without_room_are_ordinary_ones(memory: SharedMemory) -> None:
    assert memory.array((LEAST - 1,), FLOAT) is None
    assert memory.array((2**40,), FLOAT) is None
    sharing = Sharing(memory, [True])
    for shape in ((3,), (2**21,)):
        ordinary = sharing.array(shape, FLOAT)
        assert sharing.offset_of(ordinary) is None and not ordinary.any()
        assert sharing.lent(ordinary) is ordinary


def test_an_array_is_lent_as_a_copy_unless_it_lies_there(memory: SharedMemory) -> None:
    sharing = Sharing(memory, [True])
    own = np.arange(float(LEAST))
    lent = sharing.lent(own)
    assert sharing.offset_of(lent) is not None and np.array_equal(lent, own)
    assert sharing.lent(lent) is lent
    other = Sharing(SharedMemory(2**20, 1), [True])
    assert other.offset_of(lent) is None  # another model's memory


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(20, 50),
    st.integers(40, 60),
    st.booleans(),
    st.booleans(),
)
def test_places_are_where_the_values_of_a_tile_are(
    records: int, levels: int, rows: int, columns: int, flat: bool, narrow: bool
) -> None:
    memory = SharedMemory(2**24, 2)
    sharing = Sharing(memory, [False, True])
    shape = (records, rows, columns) if flat else (records, levels, rows, columns)
    array = sharing.array(
        (2 * SMALLEST_SHARED // (4 * rows * columns) + records, *shape[1:]),
        np.dtype("f4" if narrow else "f8"),
    )
    array[...] = np.random.default_rng(records).random(array.shape)
    tile = Tile(3, 2, columns - 7, rows - 5)
    place = sharing.place(1, array, tile)
    assert (
        place is not None and sharing.place(0, array, tile) is None and sharing.place(1, array, None) is None
    )
    item = array.itemsize
    for record in range(records):
        for level in range(1 if flat else levels):
            for row in range(tile.nj):
                at = (
                    place.offset
                    + record * place.record_stride
                    + 4 * (level * place.level_stride + row * place.row_stride)
                )
                found = memory._memory[at : at + item * tile.ni].view(array.dtype)
                true = array[record] if flat else array[record, level]
                assert np.array_equal(found, true[tile.j + row, tile.i : tile.i + tile.ni])


def test_a_view_with_a_dimension_more_has_the_same_place(memory: SharedMemory) -> None:
    sharing = Sharing(memory, [True])
    plane = sharing.array((40, 60), FLOAT)
    tile = Tile(0, 0, 60, 40)
    flat = sharing.place(0, plane[None], tile)
    assert flat is not None and plane[None].strides[0] == 0
    assert flat == sharing.place(0, plane.reshape(1, 40, 60), tile) and flat.level_stride == 2 * 40 * 60


def test_a_view_between_words_travels(memory: SharedMemory) -> None:
    array = memory.array((4 * SMALLEST_SHARED,), np.dtype(np.uint8))
    assert array is not None
    assert memory.offset_of(array[4:]) is not None and memory.offset_of(array[6:]) is None


def test_the_switch_says_who_is_offered_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = LoopbackTransport(1, lambda peer: None)
    for switch, may, offered in (
        ("on", False, True), ("auto", False, False), ("auto", True, True), ("off", True, False)
    ):  # fmt: skip
        monkeypatch.setenv(SHARED_MEMORY.name, switch)
        transport.may_share_memory = may
        assert (offer_for(transport) is not None) is offered
    monkeypatch.setenv(SHARED_MEMORY.name, "maybe")
    with pytest.raises(ConfigurationError, match="one of auto, on, off, got 'maybe'"):
        offer_for(transport)


def test_a_system_that_gives_no_memory_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError("no space left on device")

    transport = LoopbackTransport(1, lambda peer: None)
    transport.may_share_memory = True
    monkeypatch.setattr(os, "ftruncate", refuse)
    monkeypatch.setenv(SHARED_MEMORY.name, "auto")
    before = os.listdir("/proc/self/fd")
    assert offer_for(transport) is None
    assert len(os.listdir("/proc/self/fd")) == len(before)
    monkeypatch.setenv(SHARED_MEMORY.name, "on")
    with pytest.raises(ConfigurationError, match="no space left"):
        offer_for(transport)


def test_ranks_that_refuse_are_sent_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SHARED_MEMORY.name, "auto")
    assert not Offer(2).taken(["elsewhere", "elsewhere"]).with_rank(0)
    offer = Offer(2)
    offer._memory.word(ANSWERS_AT + 8)[0] = offer._memory.nonce
    sharing = offer.taken(["elsewhere", "shared"])
    assert [sharing.with_rank(rank) for rank in (0, 1)] == [False, True]
    monkeypatch.setenv(SHARED_MEMORY.name, "on")
    with pytest.raises(ConfigurationError, match="elsewhere"):
        Offer(2).taken(["elsewhere", "elsewhere"])
    with pytest.raises(
        ProtocolError, match="rank 0 .* does not arrive"
    ):  # it says yes, and has not been there
        Offer(2).taken(["shared", "shared"])
