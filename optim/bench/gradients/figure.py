"""The benchmark's figure: accuracy against cost, a panel for each window, a row of panels for each case and quantity.

Quantities are the gradient with respect to scalars and, where a case has it, the one with respect to initial fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optim.bench.gradients.figures import Row

_MARKS = "osD^vP*X<>phd"
_TICKS = (1, 2, 5, 10, 20, 50, 100)  # forward runs per gradient


@dataclass(frozen=True)
class _Quantity:
    """What a row of panels shows; `target` is what a gradient for tuning should not exceed, `useless` a bad one."""

    label: str
    errors: Callable[[Row], Sequence[float]]
    cost: Callable[[Row], float]
    target: float
    useless: float
    limits: tuple[float, float]  # errors beyond are drawn at the border


_SCALARS = _Quantity(
    "scalars: relative error\nof a component",
    lambda row: [score.worst_relative_error for score in row.scores],
    lambda row: row.runs,
    0.15,
    1.0,
    (1e-6, 1e3),
)
_FIELD = _Quantity(
    "initial field: 1 − cosine",
    lambda row: [1.0 - cosine for cosine in row.field_cosines],
    lambda row: row.field_runs,
    0.05,
    1.0,
    (1e-6, 2.0),
)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the figure to `path` (its ending chooses the format)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = list(_lines(rows))
    windows = {case: sorted({row.window for row in rows if row.case == case}) for case in _cases(rows)}
    columns = max(len(found) for found in windows.values())
    styles = _styles(rows)
    figure = Figure(figsize=(1.2 + 2.0 * columns, 1.3 + 2.2 * len(lines)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(lines), columns, squeeze=False, sharex=True, sharey="row")
    for line, (quantity, shown) in zip(panels, lines, strict=True):
        case = shown[0].case
        for panel, window in zip(line, windows[case], strict=False):
            _panel(panel, [row for row in shown if row.window == window], quantity, styles)
            panel.set_title(f"{case.replace('_', ' ')}, n = {window}", fontsize=8)
        for panel in line[len(windows[case]) :]:
            panel.set_visible(False)
        line[0].set_ylabel(quantity.label, fontsize=8)
    for panel in panels[-1]:
        panel.set_xlabel("forward runs per gradient", fontsize=8)
    _legend(figure, styles)
    figure.savefig(path, dpi=200)


def _cases(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.case for row in rows))


def _lines(rows: Sequence[Row]) -> Iterator[tuple[_Quantity, list[Row]]]:
    """What the rows of panels show."""
    for case in _cases(rows):
        own = [row for row in rows if row.case == case]
        yield _SCALARS, own
        fields = [row for row in own if row.field_cosines]
        if fields:
            yield _FIELD, fields


def _styles(rows: Sequence[Row]) -> Mapping[str, tuple[str, Any]]:
    """A mark and a colour for each estimator."""
    from matplotlib import colormaps

    names = sorted({row.estimator for row in rows})
    colours = colormaps["tab10" if len(names) <= 10 else "tab20"].colors  # type: ignore[attr-defined]
    return {name: (_MARKS[n % len(_MARKS)], colours[n % len(colours)]) for n, name in enumerate(names)}


def _panel(
    panel: Any, rows: Sequence[Row], quantity: _Quantity, styles: Mapping[str, tuple[str, Any]]
) -> None:
    """Median and worst error against cost."""
    from matplotlib.ticker import NullLocator

    for row in rows:
        mark, colour = styles[row.estimator]
        errors = np.clip(quantity.errors(row), *quantity.limits)
        middle, worst = float(np.median(errors)), float(np.max(errors))
        cost = max(quantity.cost(row), 0.5)
        panel.plot([cost, cost], [middle, worst], color=colour, linewidth=1.0)
        panel.plot(cost, middle, mark, color=colour, markersize=5)
        panel.plot(cost, worst, "_", color=colour, markersize=7)
    panel.axhline(quantity.target, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    panel.axhline(quantity.useless, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    panel.set(xscale="log", yscale="log")
    panel.set_xticks(_TICKS, [str(runs) for runs in _TICKS])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.tick_params(labelsize=7)
    panel.grid(True, which="major", linewidth=0.3, color="0.9")


def _legend(figure: Any, styles: Mapping[str, tuple[str, Any]]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker=mark, color=colour, linestyle="", markersize=5, label=name.replace("_", " "))
        for name, (mark, colour) in styles.items()
    ]
    handles.append(
        Line2D([], [], color="0.6", linestyle="--", linewidth=0.8, label="goal: 15 %, cosine 0.95")
    )
    handles.append(Line2D([], [], color="0.6", linestyle=":", linewidth=0.8, label="as wrong as zero"))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(6, len(handles)), fontsize=7, frameon=False
    )
