"""The [model] table of an experiment file, and the MPI job that it describes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge import launch
from bridge.errors import ConfigurationError
from bridge.models import toy_ocean
from bridge.namelist import Namelist

MODEL_FOLDER = "model"


@dataclass(frozen=True)
class ModelSettings:
    """What an experiment file says about the model: program, namelist file, ranks, seconds of silence allowed."""

    program: str
    namelist: Path
    ranks: int
    timeout: float

    def read_namelist(self) -> Namelist:
        """The complete namelist: defaults with the file's entries in place."""
        return toy_ocean.read_namelist(self.namelist)

    def prepare(self, directory: Path) -> Path:
        """Fill `directory/model`, where the ranks run."""
        folder = directory / MODEL_FOLDER
        toy_ocean.prepare(folder, self.read_namelist(), self.namelist.parent)
        return folder

    def job(self, server_arguments: Sequence[str], folder: Path) -> launch.Job:
        """This program as the server, and the model in its prepared folder."""
        server = [sys.executable, "-m", "optim.cli", *server_arguments]
        return launch.server_and_model(server, toy_ocean.argv(self.program), self.ranks, folder)


def checked_settings(path: Path, ranks: int | None = None) -> ModelSettings:
    """`model_settings` of an experiment file that is right as a whole; ConfigurationError before anything starts."""
    from optim import experiment_file

    return model_settings(path, experiment_file.read(path).model, ranks)


def model_settings(path: Path, table: Mapping[str, Any], ranks: int | None = None) -> ModelSettings:
    """Settings from the [model] table of the experiment file `path`; `ranks` overrides its own."""
    if "namelist" not in table:
        raise ConfigurationError(f'{path}: expected a table [model] with namelist = "FILE"')
    settings = ModelSettings(
        program=_typed(path, table, "program", str, toy_ocean.NAME),
        namelist=(path.parent / _typed(path, table, "namelist", str, "")).resolve(),
        ranks=_typed(path, table, "ranks", int, 2) if ranks is None else ranks,
        timeout=float(_typed(path, table, "timeout", (int, float), 300.0)),
    )
    if settings.ranks < 1:
        raise ConfigurationError(f"{path}: [model] ranks should be at least 1, got {settings.ranks}")
    return settings


def _typed(path: Path, table: Mapping[str, Any], name: str, kind: Any, default: Any) -> Any:
    value = table.get(name, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ConfigurationError(f"{path}: [model] {name} should be {_kind_name(kind)}, got {value!r}")
    return value


def _kind_name(kind: Any) -> str:
    return {str: "a text", int: "a whole number"}.get(kind, "a number")
