"""Whatever a peer sends, Python understands it as it was meant or refuses it: no other error, no wrong array.

NEMO_BRIDGE_FUZZ=thorough tries a hundred times as much.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hostile_model
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.decomposition import Tile
from bridge.errors import ProtocolError
from bridge.transport import pieces
from bridge.transport.base import Window

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())
MANY = 100 if os.environ.get("NEMO_BRIDGE_FUZZ") == "thorough" else 1
#: most choices are the honest one, or a mutilation comes so early that nothing is reached any more
CHOICES = st.lists(st.one_of(st.just(0), st.integers(0, 255)), max_size=400).map(bytes)


@pytest.fixture(autouse=True, scope="module")
def harmless() -> Iterator[None]:
    """No process is ended because a frame says so."""
    with hostile_model.harmless():
        yield


def tries(count: int) -> settings:
    """So many examples, or a hundred times as many."""
    return settings(max_examples=count * MANY, deadline=None, suppress_health_check=list(HealthCheck))


def test_an_honest_model_is_understood() -> None:
    hostile_model.conversation(b"")


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_was_found_before_stays_refused(path: Path) -> None:
    hostile_model.one_input(path.read_bytes())


@tries(100)
@given(
    st.one_of(
        st.binary(max_size=80), st.binary(min_size=64, max_size=64), st.binary(min_size=32, max_size=32)
    )
)
def test_bytes_are_a_header_or_refused(data: bytes) -> None:
    hostile_model.headers(data)


@tries(100)
@given(CHOICES)
def test_changed_headers_are_understood_or_refused(data: bytes) -> None:
    hostile_model.changed_header(data)


@tries(100)
@given(CHOICES)
def test_changed_descriptions_are_understood_or_refused(data: bytes) -> None:
    hostile_model.changed_description(data)


@tries(60)
@given(CHOICES)
def test_a_conversation_brings_the_true_values_or_is_refused(data: bytes) -> None:
    hostile_model.conversation(data)


@tries(60)
@given(CHOICES)
def test_whoever_comes_to_an_endpoint_is_let_in_or_refused(data: bytes) -> None:
    hostile_model.meeting(data)


@tries(100)
@given(st.lists(st.integers(0, 300), max_size=20), st.sampled_from([np.float64, np.float32]), st.booleans())
def test_pieces_fill_exactly_their_window(sizes: list[int], dtype: type, tiled: bool) -> None:
    """Pieces of any sizes: the window is full when its bytes are there, and nothing around it was touched."""
    array = np.zeros((2, 5, 7), dtype)
    window = Window(array, Tile(2, 1, 4, 3) if tiled else None)
    assembly = pieces.Assembly(window)
    given_bytes = np.arange(1, 1 + window.view.size).astype(dtype).tobytes()
    done = 0
    for size in sizes:
        try:
            assembly.add((given_bytes + bytes(300))[done : done + size])
        except ProtocolError:
            break
        done += size
    assert assembly.complete == (done == len(given_bytes))
    outside = array.copy()
    Window(outside, window.tile).view[...] = 0
    assert not outside.any()
    if assembly.complete:
        assert window.view.tobytes() == given_bytes
