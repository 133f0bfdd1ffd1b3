"""A run directory for NEMO, made from one that the user has run in by hand.

Everything that NEMO reads there is linked; what an earlier run wrote is left out, so that no run writes through a link
into the user's directory. `namelist_cfg` is a copy in which entries may be changed, comments and layout kept.
"""

from __future__ import annotations

import fnmatch
import glob
import io
import os
import shutil
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import f90nml

from bridge.errors import ConfigurationError
from bridge.launch import make_run_directory
from bridge.models.nemo import namelists
from bridge.namelist import Namelist

CONFIGURATION, REFERENCE = "namelist_cfg", "namelist_ref"
_OUTPUTS = (
    "ocean.output*",
    "*_ocean.output*",
    "time.step",
    "output.namelist.*",
    "output.abort*",
    "layout*",
    "communication_report*",
    "timing*",
    "run.stat*",
    "tracer.stat*",
    "icebergs.stat*",
    "mesh_mask*.nc",
    "model.log*",
    "core*",
)


def read_namelist(directory: Path) -> Namelist:
    """namelist_cfg over namelist_ref of a run directory."""
    for name in (CONFIGURATION, REFERENCE):
        if not (directory / name).is_file():
            raise ConfigurationError(
                f"{directory}: no {name}; expected a directory in which NEMO has been run, with {CONFIGURATION}, "
                f"{REFERENCE} and its input files"
            )
    return namelists.read(directory / CONFIGURATION, directory / REFERENCE)


def prepare(folder: Path, source: Path, changes: Mapping[str, Mapping[str, Any]] | None = None) -> list[Path]:
    """Fill `folder` from the run directory `source`, with `changes` {group: {entry: value}} in namelist_cfg.

    Returns the linked input files.
    """
    known = read_namelist(source)
    make_run_directory(folder)
    inputs = input_files(source, known)
    for path in inputs:
        link = folder / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())
    write_configuration(source / CONFIGURATION, folder / CONFIGURATION, known, changes or {})
    return inputs


def write_configuration(
    template: Path, path: Path, known: Namelist, changes: Mapping[str, Mapping[str, Any]]
) -> None:
    """Copy a namelist file with `changes` made in it; a name that `known` lacks is a ConfigurationError."""
    path.unlink(missing_ok=True)
    if not any(changes.values()):
        shutil.copyfile(template, path)
        return
    patch = f90nml.Namelist()
    for group, entries in changes.items():
        for entry, value in entries.items():
            group_name, entry_name = known.check(group, entry)
            patch.setdefault(group_name, f90nml.Namelist())[entry_name] = value
    with redirect_stdout(io.StringIO()):
        f90nml.patch(str(template), patch, str(path))


def input_files(directory: Path, known: Namelist) -> list[Path]:
    """What a run reads in `directory`: its files and links, but namelist_cfg, programs and what a run wrote."""
    experiment = _text(known, "namrun", "cn_exp")
    restart = _text(known, "namrun", "cn_ocerst_in")
    found = []
    for path in sorted(directory.iterdir()):
        wrote = any(fnmatch.fnmatch(path.name, pattern) for pattern in _OUTPUTS)
        wrote = wrote or bool(experiment) and path.name.startswith(f"{experiment}_")
        needed = bool(restart) and path.name.startswith(restart)
        program = path.is_file() and os.access(path, os.X_OK) and not path.suffix
        if path.is_file() and path.name != CONFIGURATION and not program and (needed or not wrote):
            found.append(path)
    return found


def files_elsewhere(directory: Path, known: Namelist) -> list[tuple[str, int, int]]:
    """What a run reads in folders other than `directory`: restarts (cn_ocerst_indir), files named in sn_… (cn_dir).

    By path, size in bytes and time of modification in ns: these may be many years of forcing.
    """
    found: set[Path] = set()
    for entries in known.groups.values():
        for entry, name in (("cn_ocerst_indir", "cn_ocerst_in"), ("cn_dir", "sn_")):
            folder = (directory / str(entries.get(entry, "")).strip()).resolve()
            if folder != directory.resolve():
                for stem in _file_names(entries, name):
                    found |= set(folder.glob(f"{glob.escape(stem)}*.nc"))
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(found)]


def _file_names(entries: Mapping[str, Any], name: str) -> list[str]:
    """The text of an entry, or the first one of each structure whose name begins so."""
    values = [value for entry, value in entries.items() if entry.startswith(name)]
    texts = [value[0] if isinstance(value, list) and value else value for value in values]
    return [text.strip() for text in texts if isinstance(text, str) and text.strip()]


def executable(path: Path) -> Path:
    """The absolute path of a NEMO program; ConfigurationError if it is none."""
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise ConfigurationError(
            f"{path}: no such program; compile the configuration after `nemo-bridge nemo install`, and give the "
            "path of the executable (BLD/bin/nemo.exe)"
        )
    return path.resolve()


def _text(known: Namelist, group: str, entry: str) -> str:
    return str(known.groups.get(group, {}).get(entry, "")).strip()
