"""A map that was tuned patch by patch: start, result, and the truth of a twin experiment."""

from __future__ import annotations

from collections.abc import Sequence

import cmocean
import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from optim.report.result import ParameterResult


def patch_map(items: Sequence[ParameterResult]) -> Figure:
    """The patches of one map side by side on a common scale, south at the bottom; white where there is no patch."""
    columns = {"start": [item.start for item in items], "tuned": [item.tuned for item in items]}
    truth = [item.truth for item in items if item.truth is not None]
    if len(truth) == len(items):
        columns["truth"] = truth
    figure = Figure(figsize=(3.2 * len(columns) + 0.6, 2.8), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(columns), sharey=True))
    values = np.concatenate(list(columns.values()))
    scale = (LogNorm if items[0].transform == "log" else Normalize)(values.min(), values.max())
    for axes, (title, numbers) in zip(panels, columns.items(), strict=True):
        image = axes.imshow(_on_rows(items, numbers), origin="lower", cmap=cmocean.cm.haline, norm=scale)
        axes.set_title(title, fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
    units = f" ({items[0].units})" if items[0].units != "1" else ""
    figure.colorbar(image, ax=panels.tolist(), label=items[0].map_name + units, shrink=0.85)
    return figure


def _on_rows(items: Sequence[ParameterResult], numbers: Sequence[float]) -> np.ndarray:
    """Values by row and column, nan where there is no patch."""
    places = np.array([item.patch for item in items])
    found = np.full(places.max(axis=0) + 1, np.nan)
    found[tuple(places.T)] = numbers
    return found
