"""The bridge in a NEMO configuration: our sources in MY_SRC, our lines in the user's own copies of NEMO's files.

Everything is worked out before anything is written, so that a refusal leaves the configuration as it was.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import ConfigurationError
from bridge.models.nemo.anchors import edits_for
from bridge.models.nemo.insertion import ENCODING, insert, inserted_lines, remove
from bridge.models.nemo.version import Configuration

#: in MY_SRC: which files there are ours, and which are copies of NEMO's that we made
RECORD = "nemo_bridge_installed.json"
#: the module of this name differs between versions so much that there are two files
_PROGNOSTIC = "nemo_bridge_prognostic.F90"


@dataclass(frozen=True)
class Change:
    """A file in MY_SRC before and after; None: it does not exist then. `ours`: a source of the bridge."""

    file: Path
    before: str | None
    after: str | None
    ours: bool
    original: Path | None = None  # NEMO's own file, for a copy that we make


def plan_install(configuration: Configuration) -> list[Change]:
    """What an installation would change; ConfigurationError when an anchor does not fit."""
    folder = configuration.own_sources
    changes = []
    for edits in edits_for(configuration):
        file = folder / edits.name
        original = configuration.original(edits.name)
        before = _read(file)
        base = remove(before) if before is not None else _read(original)
        assert base is not None
        where = str(file if before is not None else original)
        changes.append(
            Change(file, before, insert(base, edits, where), False, original if before is None else None)
        )
    changes += [
        Change(folder / name, _read(folder / name), text, True)
        for name, text in sources(configuration).items()
    ]
    return [change for change in changes if change.before != change.after]


def plan_removal(configuration: Configuration) -> list[Change]:
    """What a removal would change: our sources go, copies that we made go unless the user changed them."""
    folder = configuration.own_sources
    record = _read_record(folder)
    changes = []
    for file in sorted(folder.glob("*.F90")) if folder.is_dir() else []:
        before = _read(file) or ""
        if file.name in record["sources"] or not inserted_lines(before):
            continue
        after: str | None = remove(before)
        if file.name in record["copies"] and after == _read(configuration.original(file.name)):
            after = None
        changes.append(Change(file, before, after, False))
    for name in record["sources"]:
        if (folder / name).is_file():
            changes.append(Change(folder / name, _read(folder / name), None, True))
    return changes


def apply(configuration: Configuration, changes: list[Change], removing: bool = False) -> None:
    """Write `changes`, and the record of what is ours; on an error, everything is as it was before."""
    folder = configuration.own_sources
    made = not folder.is_dir()
    record = folder / RECORD
    before = _read(record)
    done: list[Change] = []
    try:
        folder.mkdir(exist_ok=True)
        for change in changes:
            done.append(change)
            _write(change.file, change.after)
        _write(record, None if removing else _new_record(configuration, changes, before))
    except OSError as error:
        for change in reversed(done):
            _write(change.file, change.before)
        _write(record, before)
        if made and folder.is_dir():
            folder.rmdir()
        raise ConfigurationError(f"{error.filename}: {error.strerror}; nothing was changed") from error


def diff(changes: list[Change]) -> str:
    """A unified diff of NEMO's files; our own sources, which are new or replaced as a whole, by name only."""
    pieces = []
    for change in changes:
        if change.ours:
            verb = "add" if change.before is None else "remove" if change.after is None else "replace"
            pieces.append(f"{verb} {change.file}\n")
            continue
        old = (
            change.before if change.before is not None else _read(change.original) if change.original else ""
        )
        new = change.after if change.after is not None else remove(change.before or "")
        source = change.original if change.before is None and change.original else change.file
        pieces += difflib.unified_diff(
            (old or "").splitlines(keepends=True),
            new.splitlines(keepends=True),
            str(source),
            str(change.file),
            n=1,
        )
        if change.after is None:
            pieces.append(f"remove {change.file}, which is NEMO's own again\n")
    return "".join(pieces)


def count_lines(configuration: Configuration) -> dict[str, int]:
    """Lines of ours in each file of MY_SRC that NEMO has, too."""
    names = [edits.name for edits in edits_for(configuration)]
    texts = {name: _read(configuration.own_sources / name) for name in names}
    return {name: inserted_lines(text) for name, text in texts.items() if text is not None}


def sources_folder() -> Path:
    """Where our Fortran sources are: beside this package in a checkout, under share/ of the environment else."""
    places = (
        Path(__file__).resolve().parents[3] / "fortran_stubs",
        Path(sys.prefix) / "share" / "nemo-bridge",
    )
    for place in places:
        if (place / "nemo" / "nemo_bridge.F90").is_file():
            return place
    raise ConfigurationError(
        f"our Fortran sources are neither in {places[0]} nor in {places[1]}: install nemo-bridge again"
    )


def sources(configuration: Configuration) -> dict[str, str]:
    """Name and content of every source of ours for this version."""
    folder = sources_folder()
    found: dict[str, str] = {}
    for file in sorted((folder / "nemo").glob("nemo_bridge*.[Fh]90")):
        if file.name not in (_PROGNOSTIC, _old_prognostic().name):
            found[file.name] = _read(file) or ""
    found |= _client_library(folder / "src", found.values())
    chosen = _old_prognostic() if configuration.version == "4.0" else folder / "nemo" / _PROGNOSTIC
    found[_PROGNOSTIC] = _read(chosen) or ""
    found["nemo_bridge_version.h90"] = (
        f"! NEMO {configuration.version}; written by nemo-bridge nemo install\n"
        f"#define NEMO_BRIDGE_VERSION {configuration.number}\n"
    )
    return found


def _client_library(folder: Path, users: Iterable[str]) -> dict[str, str]:
    """The modules of the client library that the texts `users` use, and those that these use in turn."""
    found: dict[str, str] = {}
    texts = list(users)
    while texts:
        for module in re.findall(r"^ *use (bridge_\w+)", texts.pop(), flags=re.MULTILINE):
            name = f"{module}.f90"
            if name not in found:
                found[name] = _with_includes(folder / name)
                texts.append(found[name])
    return dict(sorted(found.items()))


def _old_prognostic() -> Path:
    return sources_folder() / "nemo" / _PROGNOSTIC.replace(".F90", "_40.F90")


def _with_includes(file: Path) -> str:
    """A source with its include lines resolved: NEMO's build knows nothing of them."""

    def resolve(match: re.Match[str]) -> str:
        return _read(file.with_name(match.group(1))) or ""

    return re.sub(r'^ *include "([^"]+)"\n', resolve, _read(file) or "", flags=re.MULTILINE)


def _new_record(configuration: Configuration, changes: list[Change], before: str | None) -> str:
    """Names of our sources, and of copies that we made now or earlier."""
    known = json.loads(before) if before else {"copies": []}
    copies = set(known["copies"]) | {change.file.name for change in changes if change.original is not None}
    content = {
        "nemo": configuration.version,
        "copies": sorted(copies),
        "sources": sorted(sources(configuration)),
    }
    return json.dumps(content, indent=2) + "\n"


def _read_record(folder: Path) -> dict[str, list[str]]:
    text = _read(folder / RECORD)
    if text is None:
        return {"copies": [], "sources": []}
    try:
        record = json.loads(text)
        return {"copies": list(record["copies"]), "sources": list(record["sources"])}
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{folder / RECORD}: not what the installation wrote ({error})") from error


def _read(file: Path) -> str | None:
    try:
        return file.read_bytes().decode(ENCODING)
    except FileNotFoundError:
        return None


def _write(file: Path, text: str | None) -> None:
    """Replace a file in one act, or remove it."""
    if text is None:
        file.unlink(missing_ok=True)
        return
    part = file.with_name(file.name + ".part")
    part.write_bytes(text.encode(ENCODING))
    os.replace(part, file)
