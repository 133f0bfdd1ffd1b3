"""The [model] table of an experiment file, and the MPI job that it describes."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge import launch
from bridge.errors import ConfigurationError
from bridge.fields import CATALOGUE
from bridge.models import toy_ocean
from bridge.relaunch import RelaunchedModel
from optim.cli.models import MODEL_FOLDER, ModelProgram, Nemo, ToyOcean, Way

if TYPE_CHECKING:
    from optim.experiment_file import Experiment


@dataclass(frozen=True)
class ModelSettings:
    """What an experiment file says about the model: program, ranks, seconds of silence allowed."""

    program: ModelProgram
    ranks: int
    timeout: float
    relaunch: bool = False  # every run is a job of its own
    warnings: tuple[str, ...] = ()  # about the parameters that the experiment tunes

    def prepare(self, directory: Path) -> Path:
        """Fill `directory/model`, where the ranks run."""
        folder = directory / MODEL_FOLDER
        self.program.prepare(folder)
        return folder

    def relaunched(self, folder: Path) -> RelaunchedModel:
        """The model as one that is started anew for every run."""
        argv = self.program.argv()
        return RelaunchedModel(folder, self.program.prepare, argv, self.ranks, self.timeout)

    def job(self, server_arguments: Sequence[str], folder: Path) -> launch.Job:
        """This program as the server, and the model in its prepared folder."""
        server = [sys.executable, "-m", "optim.cli", *server_arguments]
        return launch.server_and_models(server, self.program.argv(), self.ranks, [folder])


def checked_settings(path: Path, ranks: int | None = None) -> ModelSettings:
    """`model_settings` of an experiment file that is right as a whole; ConfigurationError before anything starts."""
    from optim import experiment_file

    experiment = experiment_file.read(path)
    settings = model_settings(path, experiment.model, ranks)
    _check_observations(experiment)
    names = [*experiment.controls.names]
    names += [f"{group}/{entry}" for group, entries in experiment.fixed.items() for entry in entries]
    ways = {name: settings.program.way_to(name) for name in names}
    relaunch = settings.relaunch or any(way.relaunch for way in ways.values())
    if relaunch:
        experiment_file.refuse_spin_up(experiment)
    warnings = [warning for way in ways.values() for warning in way.warnings]
    return replace(settings, relaunch=relaunch, warnings=(*warnings, *_implausible(experiment, ways)))


def _implausible(experiment: Experiment, ways: Mapping[str, Way]) -> Iterator[str]:
    """A warning for each control that may leave the range in which its parameter makes sense."""
    for control in experiment.controls.controls:
        lower, upper = ways[control.name].plausible or (control.lower, control.upper)
        if control.lower < lower or control.upper > upper:
            yield (
                f"{control.name}: its bounds {control.lower:g} … {control.upper:g} are wider than what is plausible, "
                f"{lower:g} … {upper:g}"
            )


def _check_observations(experiment: Experiment) -> None:
    """ConfigurationError for a field or file that there is not; suggests the nearest field."""
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
        relaunch=table.get("relaunch") is True,
    )
    if settings.ranks < 1:
        raise ConfigurationError(f"{path}: [model] ranks should be at least 1, got {settings.ranks}")
    return settings


_COMMON = {"kind", "ranks", "timeout"}
_OWN = {"toy_ocean": {"program", "namelist"}, "nemo": {"executable", "directory", "relaunch"}}


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
