"""Launching with the mpirun of this machine: its command line and environment, and run directories."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from bridge import launchers
from bridge.errors import ConfigurationError
from bridge.job import MODEL_LOG, Job, Program, model_over_zmq, server_and_models
from bridge.surroundings import inside_mpi_job

__all__ = [
    "MODEL_LOG",
    "Job",
    "Program",
    "inside_mpi_job",
    "make_run_directory",
    "model_over_zmq",
    "mpi_environment",
    "mpirun_command",
    "server_and_models",
    "shell_line",
]


def mpirun_command(job: Job) -> list[str]:
    """`mpirun … -n 1 server : -n 4 model`; ConfigurationError if this machine has no mpirun."""
    return launchers.installed().command(job)


def mpi_environment(ranks: int = 1, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment for a job: `base` (default: this process's) with what mpirun needs."""
    return launchers.environment_of(launchers.installed(), Job(()), base)


def shell_line(job: Job) -> str:
    """The command line with the settings that this machine needs, for a shell."""
    settings = launchers.environment_of(launchers.installed(), job, {})
    return shlex.join(["env", *(f"{name}={value}" for name, value in settings.items()), *mpirun_command(job)])


def make_run_directory(directory: Path) -> Path:
    """Make `directory` and return its absolute path; ConfigurationError if it cannot be one or be written to."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{directory}: cannot be a run directory ({error.strerror})") from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{directory}: cannot be a run directory (no permission to write)")
    return directory.resolve()
