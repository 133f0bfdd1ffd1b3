"""NEMO's namelists as NEMO combines them: namelist_ref, with the entries of namelist_cfg in place.

Two things differ from the plain merge of `bridge.namelist`: a group that only namelist_cfg has is normal
(namusr_def), and a component of a structure (`sn_cfctl%l_runstat`) replaces that component alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge import namelist
from bridge.errors import ConfigurationError
from bridge.namelist import Namelist

#: newest first
VERSIONS = ("5.0", "4.2", "4.0")
#: an entry that the reference namelist of this version has and older ones lack
_NEW_IN = (("5.0", "nammpp/ln_mppdelay"), ("4.2", "nammpp/nn_hls"), ("4.0", "nammpp/ln_nnogather"))


def read(configuration: str | Path, reference: str | Path | None = None) -> Namelist:
    """The namelist that a run with `configuration` (namelist_cfg) sees.

    `reference` is namelist_ref; without it, the file of that name beside `configuration`. ConfigurationError names
    file and line of a malformed file, and the nearest entry for one that the reference does not know.
    """
    configuration = Path(configuration)
    own = namelist.read(configuration)
    found = Path(reference) if reference is not None else configuration.with_name("namelist_ref")
    if not found.is_file():
        raise ConfigurationError(
            f"{found}: no such reference namelist; NEMO takes from it every entry that {configuration.name} does "
            "not set. Give the namelist_ref of your NEMO (cfgs/SHARED/namelist_ref)"
        )
    known = namelist.read(found)
    merged = {group: dict(entries) for group, entries in known.groups.items()}
    for group, entries in own.groups.items():
        if not isinstance(entries, Mapping):
            continue
        target = merged.setdefault(group, {})
        for entry, value in entries.items():
            if group in known.groups:
                _check(known, group, entry, configuration)
            target[entry] = _over(target.get(entry), value)
    return Namelist(merged, f"{configuration} over {found}", configuration)


def lookup(values: Namelist, name: str) -> Any:
    """Value of "group/entry" or "group/structure%component" (case does not matter); None when it is not there."""
    group, _, path = name.lower().partition("/")
    found: Any = values.groups.get(group)
    for part in path.split("%"):
        if not isinstance(found, Mapping):
            return None
        found = {str(key).lower(): value for key, value in found.items()}.get(part)
    return found


def guess_version(values: Namelist) -> str:
    """The NEMO version whose reference namelist this is, "5.0", "4.2" or "4.0", told by entries that came later.

    ConfigurationError when it is none of them.
    """
    for version, entry in _NEW_IN:
        if lookup(values, entry) is not None:
            return version
    raise ConfigurationError(
        f"{values.source}: not the reference namelist of NEMO {', '.join(VERSIONS)} (it has no nammpp/ln_nnogather); "
        "name the version"
    )


def check_version(version: str) -> str:
    """`version` when it is one of VERSIONS; "5.0.1" counts as "5.0". ConfigurationError otherwise."""
    for known in VERSIONS:
        if version == known or version.startswith(known + "."):
            return known
    raise ConfigurationError(f"NEMO version {version!r} is not known; expected one of {', '.join(VERSIONS)}")


@dataclass(frozen=True)
class Condition:
    """One of `entries` has one of the `accepted` values."""

    entries: tuple[str, ...]
    accepted: tuple[Any, ...]

    def holds(self, values: Namelist) -> bool | None:
        """True or False; None when the namelist has none of the entries (another version of NEMO)."""
        known = [found for name in self.entries if (found := lookup(values, name)) is not None]
        if not known:
            return None
        return any(_same(value, accepted) for value in known for accepted in self.accepted)

    def wish(self) -> str:
        """What it takes: "needs .true."; of several entries, one is enough."""
        one_of = "one of them " if len(self.entries) > 1 else ""
        return f"{one_of}needs {' or '.join(map(fortran, self.accepted))}"

    def state(self, values: Namelist) -> str:
        """What the namelist says: "namzdf/ln_zdftke = .false."."""
        known = [(name, lookup(values, name)) for name in self.entries]
        return " and ".join(f"{name} = {fortran(value)}" for name, value in known if value is not None)


def fortran(value: Any) -> str:
    """A value as it is written in a namelist."""
    if isinstance(value, bool):
        return ".true." if value else ".false."
    if isinstance(value, float):
        return f"{value:g}"
    return f"'{value}'" if isinstance(value, str) else str(value)


def _same(value: Any, accepted: Any) -> bool:
    if isinstance(value, str) and isinstance(accepted, str):
        return value.strip() == accepted.strip()
    return isinstance(value, bool) == isinstance(accepted, bool) and value == accepted


def _over(old: Any, new: Any) -> Any:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return {**old, **new}
    return new


def _check(known: Namelist, group: str, entry: str, configuration: Path) -> None:
    try:
        known.check(group, entry)
    except ConfigurationError as error:
        raise ConfigurationError(f"{configuration}: {error}") from error
