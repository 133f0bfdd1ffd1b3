"""The report folder of a run: report.json, report.html, and the tuned namelist."""

from __future__ import annotations

import math
import os
from pathlib import Path

from bridge import namelist
from bridge.errors import ConfigurationError
from bridge.models import toy_ocean
from bridge.namelist import Namelist
from optim.report.page import html_page
from optim.report.result import ParameterResult, RunResult, write_json

FOLDER = "report"
TUNED_NAMELIST = "namelist_tuned"


def write_report(directory: Path, result: RunResult | None = None) -> Path:
    """Write `directory/report` from `result`, or from what the run left in `directory`; the folder's path."""
    result = RunResult.read(directory) if result is None else result
    folder = directory / FOLDER
    folder.mkdir(exist_ok=True)
    write_json(result.to_json(), folder / "report.json")
    temporary = folder / "report.html.tmp"
    temporary.write_text(html_page(result), encoding="utf-8")
    os.replace(temporary, folder / "report.html")
    model_namelist = directory / "model" / toy_ocean.NAMELIST
    if model_namelist.is_file() and math.isfinite(result.cost_final):
        write_tuned_namelist(namelist.read(model_namelist), result, folder / TUNED_NAMELIST)
    return folder


def write_tuned_namelist(base: Namelist, result: RunResult, path: Path) -> Path:
    """`base` with the tuned values in place, comments kept; parameters that `base` lacks are added to it.

    Not those of maps: no namelist holds them.
    """
    tuned = namelist.unflatten({item.name: float(item.tuned) for item in _numbers(result)})
    groups = {group: dict(entries) for group, entries in base.groups.items()}
    for group, entries in tuned.items():
        for entry, value in entries.items():
            groups.setdefault(group.lower(), {})[entry.lower()] = value
    written = namelist.write(Namelist(groups, base.source, base.path), path)
    _check(written, result)
    return written


def _numbers(result: RunResult) -> list[ParameterResult]:
    return [item for item in result.parameters if item.patch is None]


def _check(path: Path, result: RunResult) -> None:
    """The file must hold the tuned values to the last bit: it is what the user takes away."""
    read = namelist.read(path)
    for item in _numbers(result):
        group, _, entry = item.name.partition("/")
        if read.value(group, entry) != item.tuned:
            raise ConfigurationError(
                f"{path}: {item.name} reads {read.value(group, entry)}, expected {item.tuned}"
            )
