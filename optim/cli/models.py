"""The models that an experiment file can name in [model]: how each is checked, prepared and started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bridge.errors import ConfigurationError
from bridge.models import toy_ocean
from bridge.models.nemo import namelists, parameters, run_directory, switches
from bridge.namelist import Namelist

MODEL_FOLDER = "model"


class ModelProgram(Protocol):
    """A program that can be the model of a job."""

    def check_parameter(self, name: str) -> None:
        """ConfigurationError that suggests the nearest when "group/entry" cannot be set."""
        ...

    def expected(self) -> Namelist | None:
        """Values that the running model must have been started with; None: nothing is compared."""
        ...

    def prepare(self, folder: Path) -> None:
        """Fill the folder in which the ranks run; ConfigurationError for wrong files."""
        ...

    def argv(self) -> list[str]:
        """Command line of one rank in a prepared folder."""
        ...


@dataclass(frozen=True)
class ToyOcean:
    """toy_ocean with a namelist file."""

    program: str
    namelist: Path

    def check_parameter(self, name: str) -> None:
        group, _, entry = name.partition("/")
        self.expected().check(group, entry)

    def expected(self) -> Namelist:
        return toy_ocean.read_namelist(self.namelist)

    def prepare(self, folder: Path) -> None:
        known, base = self.expected(), self.namelist.parent
        toy_ocean.steps_done(known, base)  # a wrong restart file is better found before the job starts
        toy_ocean.prepare(folder, known, base)

    def argv(self) -> list[str]:
        return toy_ocean.argv(self.program)


@dataclass(frozen=True)
class Nemo:
    """A NEMO program with the bridge, and a directory in which it has run by itself."""

    executable: Path
    directory: Path

    def check_parameter(self, name: str) -> None:
        version = self._version()
        way = parameters.how(parameters.parameter(name, version), version, self._known())
        if way.way != parameters.LIVE:
            raise ConfigurationError(f"{name} cannot be set in a running NEMO {version}: {way.reason}")

    def expected(self) -> None:
        return None

    def prepare(self, folder: Path) -> None:
        run_directory.executable(self.executable)
        # what concerns the rewind depends on what the running model saves: it is checked when it answers
        refused = [
            str(finding)
            for finding in switches.check(self._known(), self._version())
            if finding.severity == switches.REFUSED and finding.concerns != switches.REWIND
        ]
        if refused:
            raise ConfigurationError("\n".join([f"{self.directory}: namelist_cfg", *refused]))
        run_directory.prepare(folder, self.directory)

    def argv(self) -> list[str]:
        return [str(run_directory.executable(self.executable))]

    def _known(self) -> Namelist:
        return run_directory.read_namelist(self.directory)

    def _version(self) -> str:
        return namelists.guess_version(self._known())
