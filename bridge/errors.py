"""What can go wrong between Python and a model, as exceptions a caller can tell apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class BridgeError(RuntimeError):
    """Anything that failed between Python and a live model."""


class ModelCrashed(BridgeError):
    """The model's processes are gone: a crash, an abort or a kill.

    `directory` is the run directory and `log_tail` its last log lines, where they are known.
    """

    def __init__(self, message: str, directory: Path | None = None, log_tail: str = "") -> None:
        self.directory = directory
        self.log_tail = log_tail
        super().__init__(with_log(message, directory, log_tail))


class ModelBlewUp(BridgeError):
    """The model's numbers left the physical range at `step`, with `parameters`."""

    def __init__(self, message: str, step: int, parameters: Mapping[str, Any] | None = None) -> None:
        self.step = step
        self.parameters = dict(parameters or {})
        super().__init__(f"{message} (step {step}, parameters {self.parameters})")


class ProtocolError(BridgeError):
    """The two sides do not speak the same language, or one said something out of turn."""


class RequestRefused(BridgeError):
    """The model understood a request and said no; both sides are ready for the next one."""


class PeerTimeout(BridgeError):
    """The other side stayed silent for longer than agreed."""


class LedgerBusy(BridgeError):
    """Another live process owns the ledger."""


class ConfigurationError(ValueError):
    """A file or an argument is wrong; the message names the file and the entry."""


def with_log(message: str, directory: Path | None, log_tail: str) -> str:
    """The message, and what helps to find out more: a run directory and the last lines of its log."""
    text = message if directory is None else f"{message} (run directory {directory})"
    return f"{text}\nlast lines of its log:\n{log_tail.rstrip()}" if log_tail else text
