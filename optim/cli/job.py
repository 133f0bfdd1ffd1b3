"""The model jobs that an experiment file describes: checked, their folders filled, their command lines."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge import launch
from bridge.errors import ConfigurationError
from bridge.fields import CATALOGUE
from bridge.relaunch import RelaunchedModel
from bridge.relaunch_batch import RelaunchedEnsemble
from bridge.settings import check_environment
from optim.cli import model_table
from optim.cli.model_table import ModelTable
from optim.cli.models import MODEL_FOLDER, ModelProgram, Way

if TYPE_CHECKING:
    from optim.experiment_file import Experiment

ENDPOINT_FILE = "server"
_LONGEST_PATH = 107  # bytes of a socket's path on Linux


@dataclass(frozen=True)
class ModelSettings:
    """What an experiment file and the options of a command say about the model, and of its parameters."""

    table: ModelTable
    relaunch: bool = False  # every run is a job of its own
    warnings: tuple[str, ...] = ()  # about the parameters that the experiment tunes

    @property
    def program(self) -> ModelProgram:
        return self.table.program

    @property
    def timeout(self) -> float:
        return self.table.timeout

    @property
    def over_zmq(self) -> bool:
        return self.table.transport == model_table.ZMQ

    @property
    def serves_here(self) -> bool:
        """Is the process that the user starts the server itself, not one of the MPI job that it starts?"""
        return self.over_zmq or self.relaunch

    def folders(self, directory: Path) -> list[Path]:
        """Where the instances run: `model`, `model-1`, `model-2`, …"""
        names = [MODEL_FOLDER, *(f"{MODEL_FOLDER}-{number}" for number in range(1, self.table.instances))]
        return [directory / name for name in names]

    def prepare(self, directory: Path) -> list[Path]:
        """Fill the folders in which the ranks of each instance run."""
        folders = self.folders(directory)
        for folder in folders:
            self.program.prepare(folder)
        return folders

    def relaunched(self, folders: Sequence[Path]) -> RelaunchedEnsemble:
        """The model as one that is started anew for every run, in each of `folders` at the same time."""
        table = self.table
        return RelaunchedEnsemble(
            [
                RelaunchedModel(
                    folder,
                    self.program.prepare,
                    self.program.argv(),
                    table.ranks,
                    table.timeout,
                    self.endpoint(folder) if self.over_zmq else "",
                    table.keys,
                )
                for folder in folders
            ]
        )

    def job(self, server_arguments: Sequence[str], folders: Sequence[Path]) -> launch.Job:
        """One MPI job: this program as the server, and the model in each of its prepared folders."""
        server = [sys.executable, "-m", "optim.cli", *server_arguments, "--transport", model_table.MPI]
        return launch.server_and_models(server, self.program.argv(), self.table.ranks, folders)

    def endpoint(self, directory: Path) -> str:
        """Where the server and the models meet over ZMQ; ConfigurationError if that can be no place for it."""
        if self.table.endpoint:
            return self.table.endpoint
        path = directory / ENDPOINT_FILE
        if len(bytes(path)) > _LONGEST_PATH:
            raise ConfigurationError(
                f"{path}: the path of a socket has at most {_LONGEST_PATH} bytes, this one has {len(bytes(path))}: "
                'choose a shorter --directory, or give [model] endpoint = "ipc:///short/path"'
            )
        return f"ipc://{path}"

    def model_job(self, directory: Path, instance: int) -> launch.Job:
        """The job of one instance over ZMQ."""
        return launch.model_over_zmq(
            self.program.argv(),
            self.table.ranks,
            self.folders(directory)[instance],
            self.endpoint(directory),
            instance,
            self.table.keys,
        )

    def model_lines(self, directory: Path) -> list[str]:
        """Commands that start the instances over ZMQ, for a shell."""
        return [launch.shell_line(self.model_job(directory, n)) for n in range(self.table.instances)]

    def server_argv(self, server_arguments: Sequence[str], directory: Path) -> list[str]:
        """Command line of a server over ZMQ that waits for models which somebody else starts."""
        table = self.table
        options = ["--transport", model_table.ZMQ, "--instances", str(table.instances), "--serve-only"]
        options += ["--endpoint", self.endpoint(directory)]
        options += ["--keys", str(table.keys)] if table.keys is not None else []
        return [sys.executable, "-m", "optim.cli", *server_arguments, *options]


def checked_settings(path: Path, options: Mapping[str, Any] | None = None) -> ModelSettings:
    """What an experiment file that is right as a whole says; ConfigurationError before anything starts.

    `options` that are not None take the places of entries of [model].
    """
    from optim import experiment_file

    check_environment()
    experiment = experiment_file.read(path)
    given = {name: value for name, value in (options or {}).items() if value is not None}
    table = model_table.read(path, _merged(experiment.model, given))
    _check_observations(experiment)
    names = [*experiment.controls.names]
    names += [f"{group}/{entry}" for group, entries in experiment.fixed.items() for entry in entries]
    ways = {name: table.program.way_to(name) for name in names}
    _check_maps(experiment, ways)
    relaunch = table.relaunch or any(way.relaunch for way in ways.values())
    if relaunch:
        experiment_file.refuse_spin_up(experiment)
    warnings = [warning for way in ways.values() for warning in way.warnings]
    return ModelSettings(table, relaunch, (*warnings, *_implausible(experiment, ways)))


def _check_maps(experiment: Experiment, ways: Mapping[str, Way]) -> None:
    """ConfigurationError for a map that is tuned or fixed as a number, and for patches of a number."""
    from optim.patches import maps_of

    maps = {control.name for control in maps_of(experiment.controls)}
    for name, way in ways.items():
        if name in maps and not way.is_map:
            raise ConfigurationError(f"{experiment.path}: {name} is a number, patches belong to maps")
        if way.is_map and name in experiment.controls.names and name not in maps:
            raise ConfigurationError(
                f"{experiment.path}: {name} is a map: give patches = [rows, columns] to tune it patch by patch"
            )
        if way.is_map and name not in maps:
            raise ConfigurationError(
                f"{experiment.path}: [fixed]: {name} is a map, and here numbers are fixed: multiply it from Python "
                "(docs/nemo.md)"
            )


def _implausible(experiment: Experiment, ways: Mapping[str, Way]) -> Iterator[str]:
    """A warning for each control that may leave the range in which its parameter makes sense."""
    for control in experiment.controls.controls:
        lower, upper = ways[control.name].plausible or (control.lower, control.upper)
        if control.lower < lower or control.upper > upper:
            yield (
                f"{control.name}: its bounds {control.lower:g} … {control.upper:g} are wider than what is plausible, "
                f"{lower:g} … {upper:g}"
            )


def _merged(table: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """[model] with `options` in it; without what belongs to the other transport when an option chooses this one."""
    merged = {**table, **options}
    if options.get("transport") == model_table.MPI:
        for name in model_table.OF_ZMQ:
            if name not in options:
                merged.pop(name, None)
    return merged


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
