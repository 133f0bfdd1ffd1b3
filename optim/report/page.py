"""report.html: one self-contained page, figures embedded, no link to anywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from optim.report import figures
from optim.report.patch_figure import patch_map
from optim.report.result import ParameterResult, RunResult

_STYLE_SHEET = Path(__file__).with_name("style.css")


def html_page(result: RunResult) -> str:
    """The whole page as text."""
    sections = [
        _figure_section(
            "Cost",
            "Best cost after so many runs of the model, at equal price for every method.",
            [figures.cost_history(result)] if result.iterations or result.comparison else [],
        ),
        _section(
            "Parameters",
            "Where each parameter started and where it ended, between its bounds.",
            _parameters(result.parameters),
        ),
        _figure_section(
            "Bias before and after",
            "Model minus observation; area-weighted root-mean-square over the sea.",
            [figures.bias_map(item) for item in result.maps],
        ),
        _figure_section(
            "Scores",
            "Misfit of each period; those marked “not used” were kept from the tuning.",
            [figures.validation(result)] if result.validation else [],
        ),
        _figure_section(
            "How good was the gradient?",
            "Cosine between the approximate gradient that was used and a reference; 1 is the same direction.",
            [figures.cosines(result)] if any(item.cosine for item in result.iterations) else [],
        ),
        _section("Setting", "", _setting_table(result)) if result.setting else "",
    ]
    title = escape(result.title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE_SHEET.read_text()}</style></head><body>\n<header><div><h1>{title}</h1><p>{_ending(result)}</p></div></header>\n"
        f"<main>{_tiles(result)}{''.join(sections)}</main>\n"
        "<footer>written by nemo-bridge; the same figures as numbers are in report.json</footer></body></html>\n"
    )


def _tiles(result: RunResult) -> str:
    if math.isfinite(result.cost_initial) and result.cost_initial:
        change = f"{(result.cost_final / result.cost_initial - 1.0) * 100.0:+.1f} %"
    else:
        change = "–"
    tiles = [
        (change, f"cost, from {result.cost_initial:.4g} to {result.cost_final:.4g}"),
        (str(result.model_runs), "model runs"),
        (_duration(result.wall_seconds), "wall time"),
        (str(len(result.parameters)), "parameters tuned"),
    ]
    errors = [item.relative_error for item in result.parameters if item.relative_error is not None]
    if errors:
        tiles.append((f"{max(errors) * 100.0:.3g} %", "largest error against the truth"))
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{a}</b><span>{b}</span></div>' for a, b in tiles)
        + "</div>"
    )


def _ending(result: RunResult) -> str:
    return escape(result.outcome + (f": {result.message}" if result.message else ""))


def _figure_section(title: str, text: str, drawn: list[Figure]) -> str:
    return _section(title, text, _images(drawn)) if drawn else ""


def _section(title: str, text: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2><p>{escape(text)}</p>{body}</section>\n"


def _images(drawn: list[Figure]) -> str:
    return "".join(
        f'<img alt="" src="data:image/png;base64,{figures.to_base64(figure)}">' for figure in drawn
    )


def _parameters(items: Sequence[ParameterResult]) -> str:
    """Numbers on their axes and in a table, maps as pictures."""
    numbers = [item for item in items if item.patch is None]
    drawn = _images([figures.parameters(numbers)]) + _parameter_table(numbers) if numbers else ""
    maps: dict[str, list[ParameterResult]] = {}
    for item in items:
        if item.patch is not None:
            maps.setdefault(item.map_name, []).append(item)
    return drawn + _images([patch_map(patches) for patches in maps.values()])


def _parameter_table(items) -> str:
    twin = any(item.truth is not None for item in items)
    posterior = any(item.posterior_spread is not None for item in items)
    head = ["parameter", "start", "tuned", "bounds", "units"]
    head += ["posterior σ"] * posterior + ["truth", "relative error"] * twin
    rows = [_parameter_row(item, posterior, twin) for item in items]
    return _table(head, rows)


def _parameter_row(item: ParameterResult, posterior: bool, twin: bool) -> list[str]:
    tuned = f"{item.tuned:.5g}" + (' <span class="bound">at bound</span>' if item.at_bound else "")
    row = [
        escape(item.name),
        f"{item.start:.5g}",
        tuned,
        f"{item.lower:.4g} … {item.upper:.4g}",
        escape(item.units),
    ]
    if posterior:
        row.append("–" if item.posterior_spread is None else f"{item.posterior_spread:.2g}")
    if twin:
        error = item.relative_error
        row += ["–", "–"] if error is None else [f"{item.truth:.5g}", f"{error * 100.0:.3g} %"]
    return row


def _setting_table(result: RunResult) -> str:
    return _table(
        ["", ""], [[escape(str(name)), escape(str(value))] for name, value in result.setting.items()]
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
