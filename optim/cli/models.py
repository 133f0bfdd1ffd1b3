"""The models that an experiment file can name in [model]: how each is checked, prepared and started."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bridge import namelist
from bridge.errors import ConfigurationError
from bridge.model import Params
from bridge.models import toy_ocean
from bridge.models.nemo import namelists, parameters, run_directory, switches
from bridge.namelist import Namelist

MODEL_FOLDER = "model"


@dataclass(frozen=True)
class Way:
    """How a parameter gets a new value: at the start of a run only, or at any time; what a user should know.

    `plausible`: the range in which a tuning makes sense, where it is known; `is_map`: it has a value for every cell.
    """

    relaunch: bool = False
    warnings: tuple[str, ...] = ()
    plausible: tuple[float, float] | None = None
    is_map: bool = False


class ModelProgram(Protocol):
    """A program that can be the model of a job."""

    def way_to(self, name: str) -> Way:
        """How "group/entry" gets a new value; ConfigurationError when it cannot."""
        ...

    def expected(self) -> Namelist | None:
        """Values that the running model must have been started with; None: nothing is compared."""
        ...

    def prepare(self, folder: Path, changes: Params | None = None) -> None:
        """Fill the folder of the ranks, with `changes` in its namelist; ConfigurationError for wrong files."""
        ...

    def argv(self) -> list[str]:
        """Command line of one rank in a prepared folder."""
        ...


@dataclass(frozen=True)
class ToyOcean:
    """toy_ocean with a namelist file, and what is changed in it."""

    program: str
    namelist: Path
    changes: Params = field(default_factory=dict)

    def way_to(self, name: str) -> Way:
        for known in toy_ocean.MAPS:
            if name == known.name:
                return Way(plausible=(known.lower, known.upper), is_map=True)
        group, _, entry = name.partition("/")
        self.expected().check(group, entry)
        return Way()

    def expected(self) -> Namelist:
        return namelist.apply(toy_ocean.read_namelist(self.namelist), self.changes)

    def prepare(self, folder: Path, changes: Params | None = None) -> None:
        known, base = namelist.apply(self.expected(), changes or {}), self.namelist.parent
        toy_ocean.steps_done(known, base)  # a wrong restart file is better found before the job starts
        toy_ocean.prepare(folder, known, base)

    def argv(self) -> list[str]:
        return toy_ocean.argv(self.program)


@dataclass(frozen=True)
class Nemo:
    """A NEMO program with the bridge, and a directory in which it has run by itself."""

    executable: Path
    directory: Path

    def way_to(self, name: str) -> Way:
        version = self._version()
        parameter = parameters.parameter(name, version)
        how = parameters.how(parameter, version, self._known())
        if how.way == parameters.REFUSED:
            raise ConfigurationError(f"{name} cannot be tuned in {self.directory}: {how.reason}")
        if parameter.file != "namelist":
            raise ConfigurationError(
                f"{name} belongs to the sea ice's namelist ({parameter.file}), in which nemo-bridge changes nothing"
            )
        return Way(
            how.way == parameters.RELAUNCH,
            how.warnings,
            (parameter.lower, parameter.upper),
            parameter.kind == "multiplier",
        )

    def expected(self) -> None:
        return None

    def prepare(self, folder: Path, changes: Params | None = None) -> None:
        run_directory.executable(self.executable)
        # what concerns the rewind depends on what the running model saves: it is checked when it answers
        refused = [
            str(finding)
            for finding in switches.check(self._known(), self._version())
            if finding.severity == switches.REFUSED and finding.concerns != switches.REWIND
        ]
        if refused:
            raise ConfigurationError("\n".join([f"{self.directory}: namelist_cfg", *refused]))
        run_directory.prepare(folder, self.directory, changes)

    def argv(self) -> list[str]:
        return [str(run_directory.executable(self.executable))]

    def _known(self) -> Namelist:
        return run_directory.read_namelist(self.directory)

    def _version(self) -> str:
        return namelists.guess_version(self._known())
