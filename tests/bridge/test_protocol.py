"""The wire: Python and Fortran agree on every constant, and headers survive the journey."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from bridge import protocol
from bridge.errors import ProtocolError
from bridge.protocol import Header, Role, Status, Verb

FORTRAN = Path(__file__).resolve().parents[2] / "fortran_stubs" / "src" / "bridge_protocol.f90"


@pytest.fixture(scope="module")
def fortran() -> dict[str, int]:
    """Constants of bridge_protocol.f90 by name."""
    found = re.findall(r"parameter, public :: (\w+) = (\d+)", FORTRAN.read_text())
    assert len(found) > 30
    return {name: int(value) for name, value in found}


@pytest.mark.parametrize(
    ("prefix", "members"),
    [("verb_", Verb), ("status_", Status), ("bridge_", Role)],
    ids=lambda value: str(value),
)
def test_codes_are_the_same_on_both_sides(fortran: dict[str, int], prefix: str, members) -> None:
    theirs = {name: value for name, value in fortran.items() if name.startswith(prefix)}
    assert {prefix + member.name.lower(): member.value for member in members} == theirs


def test_constants_are_the_same_on_both_sides(fortran: dict[str, int]) -> None:
    assert fortran["protocol_magic"] == protocol.MAGIC
    assert fortran["protocol_version"] == protocol.VERSION
    assert 4 * fortran["header_words"] == protocol.HEADER_BYTES == len(Header(Verb.GET).pack())
    assert fortran["tag_words"] == protocol.TAG_WORDS
    assert fortran["longest_path"] == protocol.LONGEST_PATH
    for name in ("process_model", "process_server", "mpi_tag_request", "mpi_tag_answer", "mpi_tag_payload"):
        assert fortran[name] == getattr(protocol, name.upper())


def test_dtypes_are_the_same_on_both_sides(fortran: dict[str, int]) -> None:
    names = {"real64": np.float64, "real32": np.float32, "int32": np.int32, "logical": np.int32}
    codes = {
        name.removeprefix("dtype_"): value for name, value in fortran.items() if name.startswith("dtype_")
    }
    assert codes.keys() == names.keys()
    assert {name: protocol.DTYPES[code] for name, code in codes.items()} == names
    assert codes["logical"] == protocol.LOGICAL


def test_header_comes_back_as_it_was() -> None:
    header = Header(Verb.SET, Status.ERROR, 3, 2, 4, (7, 6, 5, 4, 0), 8, 9, 2**40 + 1)
    assert Header.unpack(header.pack()) == header


@pytest.mark.parametrize("byte", [0, 4])
def test_header_of_another_protocol_is_refused(byte: int) -> None:
    data = bytearray(Header(Verb.GET).pack())
    data[byte] ^= 1
    with pytest.raises(ProtocolError, match="one release"):
        Header.unpack(data)


def test_texts_are_whole_words() -> None:
    assert [len(protocol.padded_text("x" * n)) for n in range(6)] == [0, 4, 4, 4, 4, 8]


def test_extents_are_in_fortran_order() -> None:
    assert protocol.padded_extents((31, 22, 32)) == (32, 22, 31, 0, 0)
