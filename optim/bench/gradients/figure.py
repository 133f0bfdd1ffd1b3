"""The benchmark's figure: accuracy against cost, a panel for each window, a row of panels for each case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from optim.bench.gradients.figures import Row

_MARKS = "osD^vP*X<>phd"
_TARGET = 0.15  # relative error of the worst component that a gradient for tuning should not exceed
_LEAST, _LARGEST = 1e-6, 1e3  # errors beyond are drawn at the border


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the figure to `path` (its ending chooses the format)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cases = list(dict.fromkeys(row.case for row in rows))
    windows = {case: sorted({row.window for row in rows if row.case == case}) for case in cases}
    columns = max(len(found) for found in windows.values())
    styles = _styles(rows)
    figure = Figure(figsize=(1.2 + 2.0 * columns, 0.9 + 2.3 * len(cases)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(cases), columns, squeeze=False, sharey=True)
    for line, case in zip(panels, cases, strict=True):
        for panel, window in zip(line, windows[case], strict=False):
            _panel(panel, [row for row in rows if (row.case, row.window) == (case, window)], styles)
            panel.set_title(f"{case.replace('_', ' ')}, n = {window}", fontsize=8)
        for panel in line[len(windows[case]) :]:
            panel.set_visible(False)
        line[0].set_ylabel("relative error of a component", fontsize=8)
    figure.supxlabel("forward runs per gradient, once set up", fontsize=8)
    _legend(figure, styles)
    figure.savefig(path, dpi=200)


def _styles(rows: Sequence[Row]) -> Mapping[str, tuple[str, Any]]:
    """A mark and a colour for each estimator."""
    from matplotlib import colormaps

    names = sorted({row.estimator for row in rows})
    colours = colormaps["tab10" if len(names) <= 10 else "tab20"].colors  # type: ignore[attr-defined]
    return {name: (_MARKS[n % len(_MARKS)], colours[n % len(colours)]) for n, name in enumerate(names)}


def _panel(panel: Any, rows: Sequence[Row], styles: Mapping[str, tuple[str, Any]]) -> None:
    """Median and worst of the components' largest errors against cost."""
    for row in rows:
        mark, colour = styles[row.estimator]
        errors = np.clip([score.worst_relative_error for score in row.scores], _LEAST, _LARGEST)
        middle, worst = float(np.median(errors)), float(np.max(errors))
        cost = max(row.runs, 0.5)
        panel.plot([cost, cost], [middle, worst], color=colour, linewidth=1.0)
        panel.plot(cost, middle, mark, color=colour, markersize=5)
        panel.plot(cost, worst, "_", color=colour, markersize=7)
    panel.axhline(_TARGET, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    panel.axhline(1.0, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    panel.set(xscale="log", yscale="log")
    panel.tick_params(labelsize=7)
    panel.grid(True, which="major", linewidth=0.3, color="0.9")


def _legend(figure: Any, styles: Mapping[str, tuple[str, Any]]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker=mark, color=colour, linestyle="", markersize=5, label=name.replace("_", " "))
        for name, (mark, colour) in styles.items()
    ]
    handles.append(Line2D([], [], color="0.6", linestyle="--", linewidth=0.8, label=f"{_TARGET:.0%}"))
    handles.append(Line2D([], [], color="0.6", linestyle=":", linewidth=0.8, label="as wrong as zero"))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(5, len(handles)), fontsize=7, frameon=False
    )
