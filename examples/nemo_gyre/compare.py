"""Cost and error of a tuned map against model runs, from the reports of one or more tunings with [compare].

python compare.py runs/map/report/report.json [more.json …] map.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cmocean
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

COLOURS = ("#12355b", "#d1495b", "#e0a030", "#6b4e9b", "#4f772d")


def curves(reports: list[dict]) -> dict[str, tuple[list, list, list]]:
    """Model runs, best cost and error of the best map: the first report's tuning, and all that was run beside."""
    trials = reports[0]["iterations"]
    errors: list[float] = []
    for trial in trials:
        errors.append(trial["error"] if trial["accepted"] else errors[-1])
    costs = [trial["best_cost"] for trial in trials]
    found = {reports[0]["setting"]["estimator"]: ([trial["model_runs"] for trial in trials], costs, errors)}
    for report in reports:
        for other in report["comparison"]:
            found[other["name"]] = (other["model_runs"], other["best_cost"], other["error"])
    return found


def draw_map(axes: Axes, parameters: dict, key: str, norm: LogNorm) -> object:
    """One value for each patch, south at the bottom."""
    patches = [item for item in parameters.values() if "patch" in item]
    shape = np.max([item["patch"] for item in patches], axis=0) + 1
    values = np.full(shape, np.nan)
    for item in patches:
        values[tuple(item["patch"])] = item[key]
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title("found" if key == "tuned" else key, fontsize=10)
    return axes.imshow(values, origin="lower", cmap=cmocean.cm.haline, norm=norm)


def draw(reports: list[dict]) -> Figure:
    """Truth and result beside each other, below them cost and error against model runs."""
    figure = Figure(figsize=(8.6, 6.2), layout="constrained")
    panels = figure.subplots(2, 2)
    parameters = reports[0]["parameters"]
    truth = [item["truth"] for item in parameters.values() if "patch" in item]
    norm = LogNorm(min(truth), max(truth))
    for axes, key in zip(panels[0], ("truth", "tuned"), strict=True):
        image = draw_map(axes, parameters, key, norm)
    figure.colorbar(image, ax=panels[0].tolist(), shrink=0.8)
    for colour, (name, (runs, costs, errors)) in zip(COLOURS, curves(reports).items(), strict=False):
        for axes, values in zip(panels[1], (costs, errors), strict=True):
            axes.step(runs, values, where="post", color=colour, linewidth=1.8, label=name)
    for axes, label in zip(panels[1], ("cost J", "error, prior standard deviations"), strict=True):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("model runs")
        axes.set_ylabel(label)
    figure.legend(
        *panels[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False
    )
    return figure


if __name__ == "__main__":
    *sources, target = sys.argv[1:]
    draw([json.loads(Path(source).read_text()) for source in sources]).savefig(target, dpi=130)
