"""The [model] table of an experiment file, and the MPI job that it describes."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge import launch
from bridge.errors import ConfigurationError
from bridge.fields import CATALOGUE
from bridge.models import toy_ocean
from optim.cli.models import MODEL_FOLDER, ModelProgram, Nemo, ToyOcean

if TYPE_CHECKING:
    from optim.experiment_file import Experiment


@dataclass(frozen=True)
class ModelSettings:
    """What an experiment file says about the model: program, ranks, seconds of silence allowed."""

    program: ModelProgram
    ranks: int
    timeout: float

    def prepare(self, directory: Path) -> Path:
        """Fill `directory/model`, where the ranks run."""
        folder = directory / MODEL_FOLDER
        self.program.prepare(folder)
        return folder

    def job(self, server_arguments: Sequence[str], folder: Path) -> launch.Job:
        """This program as the server, and the model in its prepared folder."""
        server = [sys.executable, "-m", "optim.cli", *server_arguments]
        return launch.server_and_model(server, self.program.argv(), self.ranks, folder)


def checked_settings(path: Path, ranks: int | None = None) -> ModelSettings:
    """`model_settings` of an experiment file that is right as a whole; ConfigurationError before anything starts."""
    from optim import experiment_file

    experiment = experiment_file.read(path)
    settings = model_settings(path, experiment.model, ranks)
    _check_names(experiment, settings)
    return settings


def _check_names(experiment: Experiment, settings: ModelSettings) -> None:
    """ConfigurationError that suggests the nearest for a parameter, field or file that there is not."""
    names = [*experiment.controls.names]
    names += [f"{group}/{entry}" for group, entries in experiment.fixed.items() for entry in entries]
    for name in names:
        settings.program.check_parameter(name)
    for item in experiment.observations:
        label = f"{experiment.path}: [[observations]]"
        if item.field not in CATALOGUE:
            near = difflib.get_close_matches(item.field, CATALOGUE, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(CATALOGUE)}"
            raise ConfigurationError(f"{label}: there is no field {item.field!r}{hint}")
        if item.file and not (experiment.path.parent / item.file).is_file():
            raise ConfigurationError(
                f"{label} of {item.field}: file {item.file} not found in {experiment.path.parent}"
            )


def model_settings(path: Path, table: Mapping[str, Any], ranks: int | None = None) -> ModelSettings:
    """Settings from the [model] table of the experiment file `path`; `ranks` overrides its own."""
    settings = ModelSettings(
        program=_program(path, table),
        ranks=_typed(path, table, "ranks", int, 2) if ranks is None else ranks,
        timeout=float(_typed(path, table, "timeout", (int, float), 300.0)),
    )
    if settings.ranks < 1:
        raise ConfigurationError(f"{path}: [model] ranks should be at least 1, got {settings.ranks}")
    return settings


_COMMON = {"kind", "ranks", "timeout"}
_OWN = {"toy_ocean": {"program", "namelist"}, "nemo": {"executable", "directory"}}


def _program(path: Path, table: Mapping[str, Any]) -> ModelProgram:
    kind = table.get("kind", toy_ocean.NAME)
    if kind not in _OWN:
        raise ConfigurationError(f"{path}: [model] kind should be one of {sorted(_OWN)}, got {kind!r}")
    unknown = sorted(set(table) - _COMMON - _OWN[kind])
    if unknown:
        known = ", ".join(sorted(_COMMON | _OWN[kind]))
        raise ConfigurationError(f"{path}: [model] unknown entry {unknown[0]!r}; known: {known}")
    if kind == "nemo":
        return Nemo(_file(path, table, "executable"), _file(path, table, "directory"))
    return ToyOcean(_typed(path, table, "program", str, toy_ocean.NAME), _file(path, table, "namelist"))


def _file(path: Path, table: Mapping[str, Any], name: str) -> Path:
    """A path that counts from the folder of the experiment file."""
    if name not in table:
        raise ConfigurationError(f'{path}: expected a table [model] with {name} = "…"')
    return (path.parent / _typed(path, table, name, str, "")).expanduser().resolve()


def _typed(path: Path, table: Mapping[str, Any], name: str, kind: Any, default: Any) -> Any:
    value = table.get(name, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ConfigurationError(f"{path}: [model] {name} should be {_kind_name(kind)}, got {value!r}")
    return value


def _kind_name(kind: Any) -> str:
    return {str: "a text", int: "a whole number"}.get(kind, "a number")
