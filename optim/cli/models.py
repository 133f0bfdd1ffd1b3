"""The models that an experiment file can name in [model]: how each is checked, prepared and started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bridge import namelist
from bridge.errors import ConfigurationError
from bridge.model import Params
from bridge.models import toy_ocean
from bridge.models.nemo import namelists, parameters, run_directory, switches
from bridge.namelist import Namelist

MODEL_FOLDER = "model"


class ModelProgram(Protocol):
    """A program that can be the model of a job."""

    def needs_relaunch(self, name: str) -> bool:
        """Can "group/entry" be set only at the start of a run? ConfigurationError when it cannot be set at all."""
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
    """toy_ocean with a namelist file."""

    program: str
    namelist: Path

    def needs_relaunch(self, name: str) -> bool:
        group, _, entry = name.partition("/")
        self.expected().check(group, entry)
        return False

    def expected(self) -> Namelist:
        return toy_ocean.read_namelist(self.namelist)

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

    def needs_relaunch(self, name: str) -> bool:
        version = self._version()
        how = parameters.how(parameters.parameter(name, version), version, self._known())
        if how.way == parameters.REFUSED:
            raise ConfigurationError(f"{name} cannot be tuned in {self.directory}: {how.reason}")
        return how.way == parameters.RELAUNCH

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
