"""Params <-> Fortran namelist files (f90nml reads and writes them).

A namelist is read from one complete file, or as NEMO does it: a reference file with every entry, and a
configuration file whose entries replace the reference's. What the reference does not know is a spelling mistake.
"""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import f90nml
import numpy as np

from bridge.errors import ConfigurationError
from bridge.model import Params

#: groups that NEMO reads once per open boundary
_REPEATED = {"nambdy_index", "nambdy_dta"}
_GROUP_START = re.compile(r"^\s*[&$]\s*(\w+)")
_GROUP_END = re.compile(r"^\s*(/|[&$]end\b)", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"^\s*[a-z]\w*\s*(\([^)]*\)\s*)?(%\s*\w+\s*)*=", re.IGNORECASE)


@dataclass(frozen=True)
class Namelist:
    """Groups of entries: `groups[group][entry]`, names in lower case; `source` names the file in messages.

    `path` is the file whose comments and layout `write` keeps.
    """

    groups: Mapping[str, Mapping[str, Any]]
    source: str = "namelist"
    path: Path | None = None

    def __getitem__(self, group: str) -> Mapping[str, Any]:
        return self.groups[self.check(group)[0]]

    def value(self, group: str, entry: str) -> Any:
        """Value of `entry` in `group`; ConfigurationError when there is none."""
        group, entry = self.check(group, entry)
        return self.groups[group][entry]

    def check(self, group: str, entry: str | None = None) -> tuple[str, str]:
        """Lower-case names of an existing group and entry; ConfigurationError suggests the nearest otherwise."""
        group = group.lower()
        if group not in self.groups:
            raise ConfigurationError(
                f"{self.source}: no namelist group {group!r}{_nearest(group, self.groups)}"
            )
        if entry is None:
            return group, ""
        entry = entry.lower()
        if entry not in self.groups[group]:
            hint = _nearest(entry, self.groups[group]) + self._elsewhere(group, entry)
            raise ConfigurationError(f"{self.source}: no entry {entry!r} in group {group!r}{hint}")
        return group, entry

    def _elsewhere(self, group: str, entry: str) -> str:
        homes = [name for name, entries in self.groups.items() if entry in entries and name != group]
        return f" (it is in {' and '.join(homes)})" if homes else ""


def read(path: str | Path, reference: str | Path | None = None) -> Namelist:
    """Read a namelist file; with `reference`, its entries replace those of the reference file.

    Raises ConfigurationError naming file and line when a file is missing or malformed, and naming the nearest known
    entry when `path` has one that `reference` lacks.
    """
    path = Path(path)
    own = Namelist(_parse(path), str(path), path)
    if reference is None:
        return own
    known = read(reference)
    merged = {group: dict(entries) for group, entries in known.groups.items()}
    for group, entries in own.groups.items():
        for entry, value in entries.items():
            try:
                known_group, known_entry = known.check(group, entry)
            except ConfigurationError as error:
                line = _line_of(path, group, entry)
                raise ConfigurationError(f"{path}, line {line}: {error}") from error
            merged[known_group][known_entry] = value
    return Namelist(merged, f"{path} over {reference}", path)


def apply(namelist: Namelist, params: Mapping[str, Mapping[str, Any]]) -> Namelist:
    """A namelist with the scalars of `params` in place.

    Field parameters (arrays with more than one element) live in the model, not in a namelist: ConfigurationError.
    """
    groups = {group: dict(entries) for group, entries in namelist.groups.items()}
    for group, entries in params.items():
        for entry, value in entries.items():
            group_name, entry_name = namelist.check(group, entry)
            groups[group_name][entry_name] = _scalar(value, group_name, entry_name)
    return Namelist(groups, namelist.source, namelist.path)


def write(namelist: Namelist, path: str | Path) -> Path:
    """Write `namelist` to `path`, keeping comments and order of the file it was read from."""
    path = Path(path)
    content = f90nml.Namelist({group: dict(entries) for group, entries in namelist.groups.items()})
    if namelist.path is None:
        text = io.StringIO()
        content.write(text)
        path.write_text(text.getvalue())
        return path
    template = _group_names(namelist.path.read_text())
    extra = {group: entries for group, entries in content.items() if group not in template}
    if path.resolve() == namelist.path.resolve():
        raise ConfigurationError(f"{path}: a namelist cannot be written over the file it was read from")
    with redirect_stdout(io.StringIO()):
        f90nml.Parser().read(str(namelist.path), _patch(namelist.path, content), str(path))
    if extra:
        with path.open("a") as stream:
            f90nml.Namelist(extra).write(stream)
    return path


def flatten(params: Params) -> dict[str, float | np.ndarray]:
    """{group: {entry: value}} -> {"group/entry": value}, the names used on the wire."""
    return {
        f"{group}/{entry}": value for group, entries in params.items() for entry, value in entries.items()
    }


def unflatten(values: Mapping[str, float | np.ndarray]) -> Params:
    """{"group/entry": value} -> {group: {entry: value}}."""
    params: Params = {}
    for name, value in values.items():
        group, separator, entry = name.partition("/")
        if not separator:
            raise ConfigurationError(f"parameter {name!r} should read group/entry, e.g. namzdf_tke/rn_ediff")
        params.setdefault(group, {})[entry] = value
    return params


def _patch(template: Path, content: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Only the entries whose value differs from the template's, so that the rest keeps its spelling."""
    current = _parse(template)
    patch: dict[str, dict[str, Any]] = {}
    for group, entries in content.items():
        if group not in current:
            continue
        changed = {
            name: value for name, value in entries.items() if current[group].get(name, _MISSING) != value
        }
        if changed:
            patch[group] = changed
    return patch


_MISSING = object()


def _scalar(value: Any, group: str, entry: str) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
    array = np.asarray(value)
    if array.size != 1:
        raise ConfigurationError(
            f"{group}/{entry} has {array.size} values: a field parameter is set in the running model, "
            "it cannot be written to a namelist"
        )
    return array.reshape(()).item()


def _parse(path: Path) -> dict[str, dict[str, Any]]:
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read the namelist ({error.strerror})") from error
    _check_shape(path, text)
    try:
        # f90nml prints its internal tables before some of its exceptions.
        with redirect_stdout(io.StringIO()):
            parsed = f90nml.Parser().reads(text)
    except Exception as error:
        raise ConfigurationError(
            f"{path}: not a Fortran namelist ({error or type(error).__name__})"
        ) from error
    return {
        group.lower(): {n.lower(): deepcopy(v) for n, v in entries.items()}
        for group, entries in parsed.items()
        if isinstance(entries, Mapping)  # of a repeated group, which holds no parameter, the file keeps all
    }


def _check_shape(path: Path, text: str) -> None:
    """Refuse, with the line, what f90nml would read as something else: unclosed groups, entries without `=`."""

    def refuse(line: int, what: str) -> None:
        raise ConfigurationError(f"{path}, line {line}: {what}")

    seen: dict[str, int] = {}
    group, opened, assigned = "", 0, False
    for number, line in enumerate(text.splitlines(), start=1):
        code = _without_comment(line)
        if not code.strip():
            continue
        if code.count("'") % 2 or code.count('"') % 2:
            refuse(number, f"a quotation mark is not closed: {line.strip()}")
        start = _GROUP_START.match(code)
        if start and not _GROUP_END.match(code):
            if group:
                refuse(
                    number,
                    f"group &{start.group(1)} starts but &{group} of line {opened} is not closed by '/'",
                )
            group, opened, assigned = start.group(1).lower(), number, False
            if group in seen and group not in _REPEATED:
                refuse(number, f"group &{group} is given twice (first on line {seen[group]})")
            seen[group] = number
            code = code[start.end() :]
            if not code.strip():
                continue
        if not group:
            continue  # Fortran ignores text between groups
        if _GROUP_END.match(code):
            group = ""
            continue
        if _ASSIGNMENT.match(code):
            assigned = True
            _check_number(path, number, code, refuse)
        elif not assigned or re.match(r"^\s*[a-z]\w*\s+\S", code, re.IGNORECASE):
            refuse(number, f"expected 'entry = value', got: {line.strip()}")
        if (
            code.rstrip().endswith("/")
            and not code.rstrip().endswith(("'/", '"/'))
            and "'" not in code
            and '"' not in code
        ):
            group = ""
    if group:
        refuse(opened, f"group &{group} is not closed by '/'")


def _check_number(path: Path, number: int, code: str, refuse: Any) -> None:
    for token in re.split(r"[,\s]+", re.sub(r"'[^']*'|\"[^\"]*\"", "", code.split("=", 1)[1])):
        if re.match(r"^[-+]?[\d.]", token) and not re.match(
            r"^(\d+\*)?([-+]?(\d+\.?\d*|\.\d+)([edED][-+]?\d+)?(_\w+)?|'?|\.\w+\.?)/?$", token
        ):
            refuse(number, f"{token!r} is not a number: {code.strip()}")


def _without_comment(line: str) -> str:
    quote = ""
    for position, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "!":
            return line[:position]
    return line


def _group_names(text: str) -> set[str]:
    starts = (_GROUP_START.match(_without_comment(line)) for line in text.splitlines())
    return {start.group(1).lower() for start in starts if start}


def _line_of(path: Path, group: str, entry: str) -> int:
    inside = ""
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        code = _without_comment(line)
        start = _GROUP_START.match(code)
        inside = start.group(1).lower() if start else inside
        if inside == group and re.search(rf"\b{re.escape(entry)}\b\s*(\(|=)", code, re.IGNORECASE):
            return number
    return 0


def _nearest(name: str, known: Iterable[str]) -> str:
    candidates = list(known)
    close = difflib.get_close_matches(name, candidates, n=1, cutoff=0.5)
    if close:
        return f": did you mean {close[0]!r}?"
    return f"; known are {', '.join(sorted(candidates))}" if candidates else ""
