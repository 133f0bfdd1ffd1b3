"""The Fortran unit tests, and the Fortran side of the header."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from bridge.protocol import Header, Status, Verb


def test_fortran_unit_tests_pass(executable, mpi_environment, tmp_path: Path) -> None:
    done = subprocess.run(
        [executable("test_client"), tmp_path / "snapshot"],
        env=mpi_environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["snapshot.0000"]  # no half-written file stays


def test_header_travels_in_the_same_words(executable, mpi_environment) -> None:
    done = subprocess.run(
        [executable("test_client"), "header"], env=mpi_environment, capture_output=True, text=True, timeout=60
    )
    words = np.array(done.stdout.split(), dtype=np.int32)
    header = Header(Verb.OUTCOME, Status.BLEW_UP, 3, 1, 2, (4, 5, 6, 7, 8), 9, 10, 11 * 2**32 + 12)
    assert words.tobytes() == header.pack()
