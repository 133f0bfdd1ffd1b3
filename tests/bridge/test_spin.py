"""How long a wait keeps the core is a setting."""

from __future__ import annotations

import pytest

from bridge.errors import ConfigurationError
from bridge.transport.mpi_transport import SPIN, spin_seconds


def test_spin_is_read_in_microseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SPIN, "2500")
    assert spin_seconds() == pytest.approx(2.5e-3)


def test_spin_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SPIN, "long")
    with pytest.raises(ConfigurationError, match="NEMO_BRIDGE_SPIN .* 'long'"):
        spin_seconds()
