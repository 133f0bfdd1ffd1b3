"""The table of NEMO's parameters: what can be tuned, how a new value takes effect, and what a namelist makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bridge.errors import ConfigurationError
from bridge.models.nemo import namelists
from bridge.models.nemo import parameters as registry
from bridge.models.nemo.parameters import NemoParameter
from bridge.namelist import Namelist

#: columns of a terminal from which on the meaning stands beside the numbers, not below
_WIDE = 110
_LEGEND = """\
set: live = in the running model, with everything that NEMO derived from it; relaunch = NEMO starts anew for it;
refused = NEMO does not use it; off = a scheme that is off; no effect = a scheme that does without it.
× = a map [j, i] that multiplies a field of the model and is in no namelist: an experiment file tunes it patch by patch,
Python sets it cell by cell (docs/nemo.md)."""


def show(namelist: Path | None, reference: Path | None, version: str | None, as_json: bool) -> None:
    """Print the registry, with `namelist` (over `reference`) under these settings; as JSON when `as_json`."""
    if namelist is None and reference is not None:
        raise ConfigurationError("--reference needs --namelist, the namelist_cfg that goes over it")
    values = namelists.read(namelist, reference) if namelist is not None else None
    if version is not None:
        version = namelists.check_version(version)
    elif values is not None:
        version = namelists.guess_version(values)
    found = [describe(one, version, values) for one in registry.parameters() if _is_in(one, version)]
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _print_table(found, version, values)


def describe(one: NemoParameter, version: str | None, values: Namelist | None) -> dict[str, Any]:
    """Everything about a parameter in this version (None: in all), under a namelist if there is one, as JSON data.

    `value` is None without a namelist, for maps and for sea ice.
    """
    newest = version or one.versions[0]
    how = registry.how(one, newest, values)
    return {
        "name": one.name_in(newest),
        "file": one.file,
        "kind": one.kind,
        "value": one.value(values, newest) if values is not None else None,
        "default": dict(one.default) if version is None else one.default.get(version),
        "units": one.units,
        "lower": one.lower,
        "upper": one.upper,
        "transform": one.transform,
        "meaning": one.meaning,
        "versions": list(one.versions),
        "names": dict(one.names or {}),
        "effect": one.effect,
        "derived": list(one.derived),
        "field": one.field,
        "set": how.way,
        "reason": how.reason,
        "switched_off": registry.switched_off(one, values) if values is not None else [],
        "without_effect": registry.why_without_effect(one, values) if values is not None else [],
        "cautions": registry.cautions(one, values),
    }


def _is_in(one: NemoParameter, version: str | None) -> bool:
    return version is None or version in one.versions


def _print_table(rows: list[dict], version: str | None, values: Namelist | None) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console()
    wide = console.width >= _WIDE
    headings = ("parameter", "default" if values is None else "value", "units", "range", "set")
    lines = [headings, *(_cells(row, version, values) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    where = f" under {values.source}" if values is not None else ""
    console.print(f"Parameters of NEMO {version or ', '.join(namelists.VERSIONS)}{where}", highlight=False)
    console.print(_line(headings, widths) + ("  meaning" if wide else ""), style="bold")
    previous = None
    for row in rows:
        group = row["name"].partition("/")[0] + (" (sea ice)" if row["file"] == "namelist_ice" else "")
        if group != previous:
            console.print(group, style="bold cyan", highlight=False)
            previous = group
        left = Text(_line(_cells(row, version, values), widths), style="dim" if row["without_effect"] else "")
        if wide:
            grid = Table.grid(padding=(0, 2))
            grid.add_column(no_wrap=True)
            grid.add_column(ratio=1)
            grid.add_row(left, _meaning(row, version))
            console.print(grid)
        else:
            console.print(left)
            console.print(Padding(_meaning(row, version), (0, 0, 0, 4)))
    console.print(f"\n{_LEGEND}", style="dim", highlight=False, markup=False)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    """Cells in their columns; the second, the number, at the right."""
    return "  ".join(
        cell.rjust(width) if column == 1 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )


def _cells(row: dict, version: str | None, values: Namelist | None) -> tuple[str, ...]:
    entry = row["name"].partition("/")[2]
    return (
        f"  {'× ' if row['kind'] == 'multiplier' else ''}{entry}",
        _number(row, version, values),
        "–" if row["units"] == "1" else row["units"],
        f"{row['lower']:g} … {row['upper']:g}",
        _way(row),
    )


def _way(row: dict) -> str:
    if row["switched_off"]:
        return "off"
    return "no effect" if row["without_effect"] and row["set"] != registry.REFUSED else row["set"]


def _number(row: dict, version: str | None, values: Namelist | None) -> str:
    if values is not None:
        return "–" if row["value"] is None else f"{row['value']:g}"
    default = row["default"]
    if isinstance(default, dict):
        default = next(iter(default.values()), None)
    return "–" if default is None else f"{default:g}"


def _meaning(row: dict, version: str | None) -> Any:
    """The meaning, and in lines of their own what a user should know of it here."""
    from rich.text import Text

    text = Text(row["meaning"])
    if version is None:
        for line in _differences(row):
            text.append(f"\n{line}", style="dim")
    for reason in row["without_effect"]:
        text.append(f"\nno effect: {reason}", style="yellow")
    if not row["without_effect"]:
        for caution in row["cautions"]:
            text.append(f"\nnote: {caution}", style="dim")
    return text


def _differences(row: dict) -> list[str]:
    lines = []
    if len(row["versions"]) < len(namelists.VERSIONS):
        lines.append(f"only in {', '.join(row['versions'])}")
    for version, name in row["names"].items():
        lines.append(f"in {version}: {name.partition('/')[2]}")
    defaults = row["default"]
    if len(set(defaults.values())) > 1:
        lines.append("default " + ", ".join(f"{value:g} in {version}" for version, value in defaults.items()))
    return lines
