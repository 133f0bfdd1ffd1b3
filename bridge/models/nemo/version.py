"""Which NEMO a configuration belongs to, and the keys it is compiled with: read from its source tree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import ConfigurationError

OCEAN = Path("src") / "OCE"


@dataclass(frozen=True)
class Configuration:
    """A configuration folder (`cfgs/NAME` or `tests/NAME`) of a NEMO tree.

    `version` is "5.0", "4.2" or "4.0"; `keys` are the preprocessor keys of `cpp_NAME.fcm`.
    """

    folder: Path
    root: Path
    version: str
    keys: frozenset[str]

    @property
    def own_sources(self) -> Path:
        """The folder with the user's own copies of NEMO's files."""
        return self.folder / "MY_SRC"

    def own_copy(self, name: str) -> Path:
        """The user's own copy of NEMO's file `name`, anywhere below MY_SRC, or where one would be put.

        ConfigurationError when there are several: makenemo takes one of them.
        """
        found = sorted(self.own_sources.rglob(name))
        if len(found) > 1:
            raise ConfigurationError(
                f"{' and '.join(map(str, found))}: expected one {name} in MY_SRC; keep one of them"
            )
        return found[0] if found else self.own_sources / name

    @property
    def number(self) -> int:
        """The version as Fortran sees it: 50, 42 or 40."""
        return int(self.version.replace(".", ""))

    def original(self, name: str) -> Path:
        """NEMO's own file `name`; ConfigurationError unless there is exactly one below src/OCE."""
        found = sorted((self.root / OCEAN).rglob(name))
        if len(found) != 1:
            raise ConfigurationError(
                f"{self.root / OCEAN}: expected one {name} below it, found {len(found)}; is this NEMO {self.version}?"
            )
        return found[0]

    @property
    def step_file(self) -> str:
        """The file with the time step that these keys compile."""
        if self.version == "5.0":
            return "stprk3.F90" if "key_RK3" in self.keys else "stpmlf.F90"
        if self.version == "4.2" and self.keys & {"key_qco", "key_linssh"}:
            return "stpmlf.F90"
        return "step.F90"


def read_configuration(folder: Path) -> Configuration:
    """What kind of NEMO configuration `folder` is; ConfigurationError when it is none, or one we cannot serve."""
    folder = folder.resolve()
    root = _root(folder)
    version = tree_version(root)
    configuration = Configuration(folder, root, version, read_keys(folder / f"cpp_{folder.name}.fcm"))
    if "key_mpi_off" in configuration.keys or (version == "4.0" and "key_mpp_mpi" not in configuration.keys):
        raise ConfigurationError(
            f"{folder}: compiled without MPI, over which the bridge travels; change its keys"
        )
    if "key_agrif" in configuration.keys:
        raise ConfigurationError(
            f"{folder}: key_agrif rewrites NEMO's sources; the bridge cannot serve nested grids"
        )
    return configuration


def tree_version(root: Path) -> str:
    """Version of the NEMO tree at `root`, from what only that version has; ConfigurationError for others."""
    ocean = root / OCEAN
    if (ocean / "stprk3.F90").is_file():
        return "5.0"
    if (ocean / "stpmlf.F90").is_file():
        return "4.2"
    state = ocean / "oce.F90"
    if (ocean / "step.F90").is_file() and state.is_file() and re.search(rb"\btsn\b", state.read_bytes()):
        return "4.0"
    raise ConfigurationError(
        f"{root}: neither NEMO 5.0 (src/OCE/stprk3.F90), 4.2 (src/OCE/stpmlf.F90) nor 4.0 (tsn in src/OCE/oce.F90)"
    )


def read_keys(file: Path) -> frozenset[str]:
    """Preprocessor keys of a configuration; ConfigurationError when its cpp file is missing."""
    if not file.is_file():
        raise ConfigurationError(
            f"{file}: not there; expected the keys of the configuration, as makenemo writes them"
        )
    found: set[str] = set()
    for line in file.read_text(errors="replace").splitlines():
        match = re.match(r"\s*bld::tool::fppkeys\s+(.*)", line)
        if match:
            found |= {word for word in match.group(1).split() if word.startswith("key_")}
    return frozenset(found)


def _root(folder: Path) -> Path:
    for parent in folder.parents:
        if (parent / OCEAN / "nemogcm.F90").is_file():
            if folder.parent.parent == parent:
                return parent
            raise ConfigurationError(
                f"{folder}: expected a configuration, {parent}/cfgs/NAME or {parent}/tests/NAME"
            )
    raise ConfigurationError(
        f"{folder}: no NEMO source tree above it (src/OCE/nemogcm.F90); give a folder like NEMO/cfgs/NAME"
    )
