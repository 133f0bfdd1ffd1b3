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
from bridge.namelist import Namelist

if TYPE_CHECKING:
    from optim.experiment_file import Experiment

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
        folder, known = directory / MODEL_FOLDER, self.read_namelist()
        toy_ocean.steps_done(
            known, self.namelist.parent
        )  # a wrong restart file is better found before the job starts
        toy_ocean.prepare(folder, known, self.namelist.parent)
        return folder

    def job(self, server_arguments: Sequence[str], folder: Path) -> launch.Job:
        """This program as the server, and the model in its prepared folder."""
        server = [sys.executable, "-m", "optim.cli", *server_arguments]
        return launch.server_and_model(server, toy_ocean.argv(self.program), self.ranks, folder)


def checked_settings(path: Path, ranks: int | None = None) -> ModelSettings:
    """`model_settings` of an experiment file that is right as a whole; ConfigurationError before anything starts."""
    from optim import experiment_file

    experiment = experiment_file.read(path)
    settings = model_settings(path, experiment.model, ranks)
    _check_names(experiment, settings)
    return settings


def _check_names(experiment: Experiment, settings: ModelSettings) -> None:
    """ConfigurationError that suggests the nearest for a parameter, field or file that there is not."""
    known = settings.read_namelist()
    names = [*experiment.controls.names]
    names += [f"{group}/{entry}" for group, entries in experiment.fixed.items() for entry in entries]
    for name in names:
        group, _, entry = name.partition("/")
        known.check(group, entry)
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
