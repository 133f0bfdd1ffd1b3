"""A model whose server sends nonsense: refused with a reason, or the model's orderly end; never a crash."""

from __future__ import annotations

import random
from pathlib import Path

import hostile_server
import pytest


@pytest.fixture(autouse=True)
def environment(mpi_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are started as MPI jobs of one process."""
    for name, value in mpi_environment.items():
        monkeypatch.setenv(name, value)


def test_refused_frames_leave_the_model_as_it_was(executable, tmp_path: Path) -> None:
    hostile_server.refusals(executable("registry_model"), tmp_path, 3000, random.Random(0))


@pytest.mark.parametrize("case", hostile_server.FATAL, ids=lambda case: case.__name__)
def test_model_ends_in_order_where_the_two_sides_have_lost_each_other(
    executable, tmp_path: Path, case
) -> None:
    hostile_server.end_of(executable("registry_model"), tmp_path, case, random.Random(0))


def test_model_ends_in_order_after_a_welcome_that_is_none(executable, tmp_path: Path) -> None:
    hostile_server.bad_beginning(executable("registry_model"), tmp_path, random.Random(0))
