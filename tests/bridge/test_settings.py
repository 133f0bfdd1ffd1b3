"""Settings in the environment are read as they are meant, or refused by name before anything is waited for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import ConfigurationError
from bridge.settings import PATIENCE, SHARED_MEMORY, SPIN, check_environment
from bridge.transport.zmq_transport import Endpoint


@pytest.mark.parametrize("text", ["abc", "-1", "nan", "inf", "0", "1e-9", "1e7", "5 s"])
def test_a_patience_that_is_no_number_of_seconds_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PATIENCE.name, text)
    expected = f"NEMO_BRIDGE_PATIENCE should be a number of seconds from 1 to 10000, got '{text}'"
    with pytest.raises(ConfigurationError, match=f"^{expected}$"):
        check_environment()


@pytest.mark.parametrize("text", ["1", " 6.5 ", "1e4"])
def test_a_patience_within_its_range_is_taken(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(PATIENCE.name, text)
    endpoint = Endpoint(f"ipc://{tmp_path}/meet")  # libzmq takes it as well
    endpoint.close()
    assert endpoint.patience == float(text)


@pytest.mark.parametrize("empty", [True, False])
def test_an_empty_variable_is_one_that_is_not_set(empty: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in (PATIENCE, SPIN, SHARED_MEMORY):
        if empty:
            monkeypatch.setenv(setting.name, "")
        else:
            monkeypatch.delenv(setting.name, raising=False)
    assert (PATIENCE.read(), SPIN.read(), SHARED_MEMORY.read()) == (20, 150, "auto")


@pytest.mark.parametrize(
    ("name", "value"), [(PATIENCE.name, "abc"), (SPIN.name, "long"), (SHARED_MEMORY.name, "maybe")]
)
def test_an_endpoint_refuses_nonsense_when_it_is_opened(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{name} should be .*, got '{value}'$"):
        Endpoint(f"ipc://{tmp_path}/meet")
    assert list(tmp_path.iterdir()) == []


def test_a_server_of_an_mpi_job_refuses_nonsense_at_once(mpi_environment: dict[str, str]) -> None:
    script = "from bridge.session import Session; Session.over_mpi(timeout=60)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=mpi_environment | {SHARED_MEMORY.name: "maybe"},
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "NEMO_BRIDGE_SHARED_MEMORY should be one of auto, on, off, got 'maybe'" in done.stderr
