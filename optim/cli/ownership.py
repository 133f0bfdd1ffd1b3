"""Run directories: one job at a time, and a tuning's directory is nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge import launch
from bridge.errors import ConfigurationError
from bridge.ledger_lock import OwnerLock

LEDGER_FOLDER = "ledger"  # as in optim.experiment_run, whose import would cost the commands seconds
EXPERIMENT_COPY = "experiment.toml"


@contextmanager
def owned(directory: Path) -> Iterator[Path]:
    """The run directory, made if need be, as an absolute path: ours until the end of the block.

    LedgerBusy while another process has it, before any of its files is touched. (A server in a user's own MPI job holds
    only the ledger.)
    """
    directory = launch.make_run_directory(directory)
    lock = OwnerLock(directory / "owner.lock")
    lock.acquire()
    try:
        if (directory / LEDGER_FOLDER).is_dir():
            server = OwnerLock(directory / LEDGER_FOLDER / "owner.lock")
            server.acquire()
            server.release()
        yield directory
    finally:
        lock.release()


def refuse_reuse(directory: Path, resume: bool) -> None:
    """ConfigurationError for runs that would be mixed up, and for a resume of nothing."""
    holds_runs = (directory / LEDGER_FOLDER / "ledger.sqlite").exists()
    if holds_runs and not resume:
        raise ConfigurationError(
            f"{directory} already holds runs: add --resume, or choose another --directory"
        )
    if resume and not directory.is_dir():
        raise ConfigurationError(f"{directory}: nothing to resume, there is no such run directory")


def refuse_tuning(directory: Path) -> None:
    """ConfigurationError for the directory of a tuning: another command would write over its model's files."""
    if (directory / EXPERIMENT_COPY).exists():
        raise ConfigurationError(f"{directory} holds a tuning: choose another --directory")
