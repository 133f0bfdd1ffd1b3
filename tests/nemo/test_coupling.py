"""Real NEMO coupled to a closure in Python: the same bits on any number of ranks and over MPI or ZMQ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.nemo

SETTINGS = {"steps": 40, "every": 4, "record_every": 10}
FIELDS = ("thetao", "so", "uo", "vo", "zos")


@pytest.fixture(scope="module")
def on_one_rank(nemo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one rank found over MPI."""
    return nemo.drive(tmp_path_factory.mktemp("one"), "coupling", SETTINGS)


@pytest.fixture(scope="module", params=["mpi", "zmq"])
def found(request, nemo, tmp_path_factory: pytest.TempPathFactory, ranks: int) -> dict[str, Any]:
    """What so many ranks found over either transport."""
    folder = tmp_path_factory.mktemp(request.param)
    return nemo.drive(folder, "coupling", SETTINGS, ranks, transport=request.param)


def test_coupled_run_is_the_same_everywhere(found, on_one_rank) -> None:
    assert found["called"] == 2 * list(range(0, SETTINGS["steps"], SETTINGS["every"]))
    assert found["outcomes"] == 4 * ["completed"]
    for name in FIELDS:
        plain, coupled = found[f"plain {name}"], found[f"coupled {name}"]
        print(f"{name}: effect of the closure {np.abs(coupled - plain).max():.3e}")
        assert not np.array_equal(coupled, plain)
        assert np.array_equal(found[f"plain again {name}"], plain)
        assert np.array_equal(found[f"coupled again {name}"], coupled)
        assert np.array_equal(plain, on_one_rank[f"plain {name}"]), f"{name} of NEMO itself depends on ranks"
        assert np.array_equal(coupled, on_one_rank[f"coupled {name}"])


@pytest.mark.parametrize("name", ["thetao", "uo"])
def test_float32_and_halo_are_those_of_the_field(found, on_one_rank, name: str) -> None:
    field, narrow = found[name], found[f"{name} float32"]
    assert np.array_equal(field, on_one_rank[name]) and np.any(field)
    assert narrow.dtype == np.float32 and np.array_equal(narrow, field.astype(np.float32))
    for kind, inner in (("halo", field), ("float32 halo", narrow)):
        wide = found[f"{name} {kind}"]
        assert np.array_equal(wide[..., 1:-1, 1:-1], inner)
        assert np.array_equal(wide, on_one_rank[f"{name} {kind}"])
