"""A model refuses settings that make no sense when it opens the bridge, and says which."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SECONDS = "a number of seconds from 1 to 10000"
ENDPOINT = "tcp://host:port, ports being 1 to 65535, or ipc:///path"
LABEL = "a whole number from 0 to 2147483647"


@pytest.fixture
def run_model(executable, mpirun: list[str], mpi_environment: dict[str, str], tmp_path: Path):
    """`run_model(NAME="value")`: two ranks of a model alone."""

    def run(**settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*mpirun, "-n", "2", executable("shallow_water"), "2"], env=mpi_environment | settings,
            cwd=tmp_path, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    return run


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PATIENCE", "abc", SECONDS),
        ("PATIENCE", "-3", SECONDS),
        ("PATIENCE", "nan", SECONDS),
        ("PATIENCE", "1e999", SECONDS),
        ("PATIENCE", "5 s", SECONDS),
        ("SPIN", "long", "a number of microseconds from 0 to 1e+09"),
        ("INSTANCE", "foo", LABEL),
        ("INSTANCE", "99999999999", LABEL),
        ("INSTANCE", "-4", LABEL),
        ("SHARED_MEMORY", "maybe", "one of auto, on, off"),
        ("ENDPOINT", "foo://x", ENDPOINT),
        ("ENDPOINT", "tcp://127.0.0.1:99999", ENDPOINT),
        ("ENDPOINT", "ipc://relative", ENDPOINT),
        ("SERVER", "perhaps", "required or not set"),
    ],
)
def test_nonsense_is_refused_by_name(run_model, name: str, value: str, expected: str) -> None:
    done = run_model(**{f"NEMO_BRIDGE_{name}": value})
    assert done.returncode != 0
    assert f"NEMO_BRIDGE_{name} should be {expected}, got '{value}'; ending the job" in done.stderr


def test_a_name_that_looks_like_an_address_is_not_on_this_machine(run_model) -> None:
    done = run_model(NEMO_BRIDGE_ENDPOINT="tcp://127.x.y:5555")
    assert done.returncode != 0 and "tcp://127.x.y:5555 is not on this machine" in done.stderr


@pytest.mark.parametrize("empty", [False, True])
def test_sense_is_taken(run_model, empty: bool) -> None:
    sense = {"PATIENCE": "1e4", "SPIN": "2.5", "INSTANCE": "2147483647", "SHARED_MEMORY": "off", "SERVER": ""}
    done = run_model(**{f"NEMO_BRIDGE_{name}": "" if empty else value for name, value in sense.items()})
    assert done.returncode == 0, done.stderr
