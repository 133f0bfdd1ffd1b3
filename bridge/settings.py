"""Settings that a user gives in the environment: read here, and refused here when they make no sense.

Twin of `fortran_stubs/src/bridge_settings.f90`. A variable that is empty counts as one that is not set.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from bridge.errors import ConfigurationError


@dataclass(frozen=True)
class Number:
    """An environment variable that holds a number in `unit`, from `lowest` to `highest`."""

    name: str
    unit: str
    lowest: float
    highest: float
    default: float

    def read(self) -> float:
        """The number, in `unit`; ConfigurationError if it is none, or out of range."""
        text = os.environ.get(self.name, "").strip()
        if not text:
            return self.default
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not self.lowest <= number <= self.highest:  # nor is nan
            raise ConfigurationError(
                f"{self.name} should be a number of {self.unit} from {self.lowest:g} to {self.highest:g}, got {text!r}"
            )
        return number


@dataclass(frozen=True)
class Choice:
    """An environment variable that holds one of some words, the first by default."""

    name: str
    words: tuple[str, ...]

    def read(self) -> str:
        """The word; ConfigurationError if it is none of them."""
        text = os.environ.get(self.name, "").strip()
        if text and text not in self.words:
            raise ConfigurationError(f"{self.name} should be one of {', '.join(self.words)}, got {text!r}")
        return text or self.words[0]


#: silence after which a peer counts as lost; libzmq's heartbeats know no longer one than 13107 s
PATIENCE = Number("NEMO_BRIDGE_PATIENCE", "seconds", 1, 10000, default=20)
#: how long a wait keeps the core, over MPI
SPIN = Number("NEMO_BRIDGE_SPIN", "microseconds", 0, 1e9, default=150)
#: do payloads go through shared memory?
SHARED_MEMORY = Choice("NEMO_BRIDGE_SHARED_MEMORY", ("auto", "on", "off"))


def check_environment() -> None:
    """ConfigurationError for the first setting that makes no sense; before a model is waited for or started."""
    for setting in (PATIENCE, SPIN, SHARED_MEMORY):
        setting.read()
