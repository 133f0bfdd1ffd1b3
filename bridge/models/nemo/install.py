"""The bridge in a NEMO configuration: our sources in MY_SRC, our lines in the user's own copies of NEMO's files.

Everything is worked out before anything is written, so that a refusal leaves the configuration as it was.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    """A file in MY_SRC before and after; None: it does not exist then. `ours`: a source of the bridge.

    `link_before`, `link_after`: where it points when it is a symbolic link then.
    """

    file: Path
    before: str | None
    after: str | None
    ours: bool
    original: Path | None = None  # NEMO's own file, for a copy that we make
    link_before: str | None = None
    link_after: str | None = None


def plan_install(configuration: Configuration) -> list[Change]:
    """What an installation would change; ConfigurationError when an anchor does not fit."""
    folder = configuration.own_sources
    _read_record(folder)  # refuses one that a removal could not use
    changes = []
    for edits in edits_for(configuration):
        file = configuration.own_copy(edits.name)
        original = configuration.original(edits.name)
        before = _read(file)
        base = remove(before) if before is not None else _read(original)
        assert base is not None
        where = str(file if before is not None else original)
        after = insert(base, edits, where)
        made_from = original if before is None else None
        changes.append(Change(file, before, after, False, made_from, link_before=_link(file)))
    changes += [
        Change(folder / name, _read(folder / name), text, True)
        for name, text in sources(configuration).items()
    ]
    return [change for change in changes if change.before != change.after]


def plan_removal(configuration: Configuration) -> list[Change]:
    """What a removal would change: our sources go, copies that we made go unless the user changed them.

    Links that were there come back unless what they point to is another text now. Without a record our sources are
    told by their names, and copies stay, since they may be the user's.
    """
    folder = configuration.own_sources
    record = _read_record(folder)
    names = record["sources"] if has_record(configuration) else list(sources(configuration))
    changes = []
    for file in sorted(folder.rglob("*.F90")) if folder.is_dir() else []:
        before = _read(file) or ""
        if file.name in names or not inserted_lines(before):
            continue
        after: str | None = remove(before)
        link = record["links"].get(file.name)
        if file.name in record["copies"] and after == _read(configuration.original(file.name)):
            after = None
        elif link is not None and _read(file.parent / link) != after:
            link = None
        changes.append(Change(file, before, after, False, link_after=link))
    for name in names:
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
            _write(change.file, change.after, change.link_after)
        _write(record, None if removing else _new_record(configuration, changes, before))
    except OSError as error:
        for change in reversed(done):
            _write(change.file, change.before, change.link_before)
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
    texts = {name: _read(configuration.own_copy(name)) for name in names}
    return {name: inserted_lines(text) for name, text in texts.items() if text is not None}


def has_record(configuration: Configuration) -> bool:
    """Is it written down what an installation made?"""
    return (configuration.own_sources / RECORD).is_file()


def own_again(changes: list[Change], configuration: Configuration) -> list[Path]:
    """Files that a removal leaves in MY_SRC though they are NEMO's own again: without a record it may not take them."""
    if has_record(configuration):
        return []
    return [
        change.file
        for change in changes
        if change.after is not None and change.after == _read(configuration.original(change.file.name))
    ]


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
    """Names of our sources, of copies that we made now or earlier, and where the links pointed that we replaced."""
    known = json.loads(before) if before else {}
    copies = {change.file.name for change in changes if change.original is not None}
    links = {change.file.name: change.link_before for change in changes if change.link_before is not None}
    content = {
        "nemo": configuration.version,
        "copies": sorted(copies.union(known.get("copies", ()))),
        "links": known.get("links", {}) | links,
        "sources": sorted(sources(configuration)),
    }
    return json.dumps(content, indent=2) + "\n"


def _read_record(folder: Path) -> dict[str, Any]:
    text = _read(folder / RECORD)
    if text is None:
        return {"copies": [], "sources": [], "links": {}}
    try:
        record = json.loads(text)
        lists = {"copies": list(record["copies"]), "sources": list(record["sources"])}
        return {**lists, "links": dict(record.get("links", {}))}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{folder / RECORD}: not what the installation wrote ({error}); delete this file and repeat: our sources "
            "and lines are recognised without it, only copies of NEMO's files that we made are then kept"
        ) from error


def _read(file: Path) -> str | None:
    try:
        return file.read_bytes().decode(ENCODING)
    except FileNotFoundError:
        return None


def _link(file: Path) -> str | None:
    return os.readlink(file) if file.is_symlink() else None


def _write(file: Path, text: str | None, link: str | None = None) -> None:
    """Replace a file in one act, its permissions kept, by a text or by a link; or remove it."""
    if text is None:
        file.unlink(missing_ok=True)
        return
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    if link is not None:
        part.symlink_to(link)
    else:
        part.write_bytes(text.encode(ENCODING))
        if file.exists():
            part.chmod(stat.S_IMODE(file.stat().st_mode))
    os.replace(part, file)
