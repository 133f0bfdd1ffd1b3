"""A job before it starts: its programs, their ranks and directories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: in a model's folder: its ranks write to `model.log.<rank>`
MODEL_LOG = "model.log"


@dataclass(frozen=True)
class Program:
    """One program of an MPI job: command line, number of ranks, working directory.

    With `log`, each rank's output goes to `<log>.<rank>` (rank in MPI_COMM_WORLD) instead of the terminal.
    """

    argv: Sequence[str]
    ranks: int = 1
    directory: Path | None = None
    log: Path | None = None


@dataclass(frozen=True)
class Job:
    """An MPI job of several programs in one MPI_COMM_WORLD, in this order."""

    programs: Sequence[Program]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def ranks(self) -> int:
        """Ranks of all programs together."""
        return sum(program.ranks for program in self.programs)


def server_and_models(
    server_argv: Sequence[str], model_argv: Sequence[str], ranks: int, directories: Sequence[Path]
) -> Job:
    """One server rank and, in each of `directories`, a model of `ranks` ranks that logs to `model.log.<rank>`."""
    models = [Program(model_argv, ranks, directory, directory / MODEL_LOG) for directory in directories]
    # A model that finds no server would start stand-alone and leave the server waiting.
    return Job((Program(server_argv), *models), {"NEMO_BRIDGE_SERVER": "required"})


def model_over_zmq(
    model_argv: Sequence[str],
    ranks: int,
    directory: Path,
    endpoint: str,
    instance: int = 0,
    keys: Path | None = None,
) -> Job:
    """A model instance as a job of its own that meets its server at a ZMQ `endpoint`; it logs to `model.log.<rank>`."""
    environment = {"NEMO_BRIDGE_ENDPOINT": endpoint, "NEMO_BRIDGE_INSTANCE": str(instance)}
    if keys is not None:
        environment["NEMO_BRIDGE_KEYS"] = str(keys)
    return Job((Program(model_argv, ranks, directory, directory / MODEL_LOG),), environment)
