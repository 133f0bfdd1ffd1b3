"""The figures of a report, drawn from a RunResult. No figure reads a file or keeps global state."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from optim.report.result import BiasMap, ParameterResult, RunResult

DEEP, SEA, CORAL, SAND, GREY, LAND = "#12355b", "#1b7f8c", "#d1495b", "#e0a030", "#7c8794", "#d9d4c7"
_OTHERS = (CORAL, SAND, "#6b4e9b", "#4f772d")
_STYLE: dict[str, Any] = {"color": "#243240", "fontsize": 10}


def to_base64(figure: Figure, dpi: int = 130) -> str:
    """The figure as PNG, base64 text for an `<img>`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", facecolor="white")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def cost_history(result: RunResult) -> Figure:
    """Best cost against model runs: the tuning and whatever was run beside it."""
    figure, axes = _figure(7.2, 3.8)
    runs = [item.model_runs for item in result.iterations]
    best = np.array([item.best_cost for item in result.iterations])
    if runs:
        name = str(result.setting.get("estimator", "this tuning"))
        axes.step(runs, best, where="post", color=DEEP, linewidth=2, label=name)
        axes.plot(runs, best, "o", color=DEEP, markersize=5)
        rejected = [item for item in result.iterations if not item.accepted and np.isfinite(item.cost)]
        if rejected:
            axes.plot(
                [item.model_runs for item in rejected],
                [item.cost for item in rejected],
                "x",
                color=DEEP,
                alpha=0.6,
                label="rejected trial",
            )
    for curve, colour in zip(result.comparison, _OTHERS, strict=False):
        axes.step(
            curve.model_runs, curve.best_cost, where="post", color=colour, linewidth=2, label=curve.name
        )
        axes.plot(curve.model_runs, curve.best_cost, "s", color=colour, markersize=4)
    values = np.concatenate([best, *[np.asarray(curve.best_cost, float) for curve in result.comparison]])
    finite = values[np.isfinite(values) & (values > 0)]
    if finite.size and finite.max() > 20 * finite.min():
        axes.set_yscale("log")
    axes.set_xlabel("model runs")
    axes.set_ylabel("cost J = ½ r·r")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.2)
    return figure


def parameters(items: Sequence[ParameterResult]) -> Figure:
    """Each parameter on its own axis from lower to upper bound: prior, start, tuned value, truth."""
    figure, axes = _figure(7.2, 0.55 * len(items) + 1.3)
    for row, item in enumerate(items):
        place = _placer(item)
        axes.plot([0, 1], [row, row], color="#c9d1d9", linewidth=1.2, zorder=1)
        axes.plot([0, 1], [row, row], "|", color="#9aa5b1", markersize=9, zorder=1)
        if item.prior_mean is not None and item.prior_spread is not None:
            low, high = place(item.prior_mean - item.prior_spread), place(item.prior_mean + item.prior_spread)
            axes.barh(row, high - low, left=low, height=0.34, color=SEA, alpha=0.22, zorder=2)
        if item.posterior_spread is not None and np.isfinite(item.posterior_spread):
            low, high = place(item.tuned - item.posterior_spread), place(item.tuned + item.posterior_spread)
            axes.plot([low, high], [row, row], color=DEEP, linewidth=3, solid_capstyle="butt", zorder=3)
        axes.plot(place(item.start), row, "o", markerfacecolor="white", color=GREY, markersize=8, zorder=4)
        if item.truth is not None:
            axes.plot(
                place(item.truth), row, "*", color=SAND, markersize=12, markeredgecolor="white", zorder=6
            )
        axes.plot(place(item.tuned), row, "o", color=CORAL if item.at_bound else DEEP, markersize=8, zorder=5)
        axes.text(-0.02, row, item.name, ha="right", va="center", family="monospace", **_STYLE)
        note = f"{item.tuned:.4g} {item.units if item.units != '1' else ''}{'  at bound' if item.at_bound else ''}"
        axes.text(1.02, row, note, ha="left", va="center", **_STYLE)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(len(items) - 0.4, -0.6)
    axes.set_yticks([])
    axes.set_xticks([0, 1], ["lower bound", "upper bound"])
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    axes.legend(
        handles=_parameter_key(items), loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5, frameon=False
    )
    return figure


def cosines(result: RunResult) -> Figure:
    """Cosine between the gradient that was used and each reference, by iteration."""
    figure, axes = _figure(7.2, 3.2)
    names = sorted({name for item in result.iterations for name in item.cosine})
    lowest = 0.9
    for name, colour in zip(names, (SEA, *_OTHERS), strict=False):
        points = [(item.number, item.cosine[name]) for item in result.iterations if name in item.cosine]
        numbers, values = zip(*points, strict=True)
        lowest = min(lowest, *values)
        axes.plot(numbers, values, "o-", color=colour, linewidth=1.8, label=name)
    axes.axhline(1.0, color="#c9d1d9", linewidth=1, zorder=0)
    axes.set_ylim(max(-1.05, lowest - 0.1), 1.03)
    if lowest < 0:
        axes.axhline(0.0, color=CORAL, linewidth=1, linestyle=":", zorder=0)
    axes.set_xlabel("iteration")
    axes.set_ylabel("cosine of the gradients")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, title="against the gradient of", alignment="left")
    return figure


def validation(result: RunResult) -> Figure:
    """Misfit before and after for each score, those that the tuning did not see in paler colours."""
    scores = result.validation
    figure, axes = _figure(7.2, 0.42 * len(scores) + 1.4)
    rows = range(len(scores))
    for row, score in zip(rows, scores, strict=True):
        alpha = 1.0 if score.used else 0.5
        axes.barh(row - 0.19, score.initial, height=0.34, color=GREY, alpha=alpha)
        axes.barh(row + 0.19, score.final, height=0.34, color=SEA, alpha=alpha)
        change = (score.final / score.initial - 1.0) * 100.0 if score.initial else 0.0
        axes.text(max(score.initial, score.final), row, f"  {change:+.1f} %", va="center", **_STYLE)
    axes.set_yticks(list(rows), [f"{score.name}{'' if score.used else ' (not used)'}" for score in scores])
    axes.invert_yaxis()
    axes.margins(x=0.15)
    units = {score.units for score in scores}
    axes.set_xlabel(f"{scores[0].measure}{f' [{units.pop()}]' if len(units) == 1 else ''}")
    axes.legend(
        handles=[Patch(color=GREY, label="before"), Patch(color=SEA, label="after")],
        frameon=False,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
    )
    return figure


def bias_map(item: BiasMap) -> Figure:
    """Model minus observation before and after, on the same colours, land from the model's mask."""
    import cmocean

    figure = Figure(figsize=(10.5, 3.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    sea = np.asarray(item.mask) > 0
    both = np.abs(np.concatenate([item.before[sea], item.after[sea]]))
    both = both[np.isfinite(both)]
    limit = float(np.percentile(both, 98)) if both.size else 1.0
    colours = cmocean.cm.balance.with_extremes(bad=LAND)
    image = None
    for axes, values, title in zip(panels, (item.before, item.after), ("before", "after"), strict=True):
        shown = np.ma.masked_where(~sea | ~np.isfinite(values), values)
        longitude, latitude, shown = _sorted_by_longitude(item, shown)
        image = axes.pcolormesh(
            longitude,
            latitude,
            shown,
            cmap=colours,
            vmin=-limit,
            vmax=limit,
            shading="nearest",
            rasterized=True,
        )
        error = float(np.sqrt(_area_mean(np.square(item.before if title == "before" else item.after), item)))
        axes.set_title(f"{title}   (r.m.s. {error:.3g} {item.units})", loc="left", **_STYLE)
        axes.set_facecolor(LAND)
        axes.tick_params(labelsize=8, colors="#52606d")
        for spine in axes.spines.values():
            spine.set_color("#c9d1d9")
    figure.supxlabel("longitude", fontsize=9, color="#52606d")
    panels[0].set_ylabel("latitude", fontsize=9, color="#52606d")
    bar = figure.colorbar(image, ax=list(panels), extend="both", shrink=0.9, pad=0.015)  # type: ignore[arg-type]
    bar.set_label(f"{item.name} [{item.units}]", **_STYLE)
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height))
    axes = figure.subplots()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#9aa5b1")
    axes.tick_params(colors="#52606d", labelsize=9)
    axes.xaxis.label.set_color("#243240")
    axes.yaxis.label.set_color("#243240")
    return figure, axes


def _placer(item: ParameterResult):
    """value -> [0, 1] between the bounds, on a log axis when the bounds span decades; clipped."""
    log = item.lower > 0 and (item.transform == "log" or item.upper / item.lower >= 30)
    axis = np.log if log else float
    low, high = axis(item.lower), axis(item.upper)

    def place(value: float) -> float:
        clipped = min(max(value, item.lower), item.upper)
        return float((axis(clipped) - low) / (high - low))

    return place


def _parameter_key(items: Sequence[ParameterResult]) -> list[Line2D | Patch]:
    def dot(**style) -> Line2D:
        return Line2D([], [], linestyle="", **style)

    handles: list[Line2D | Patch] = [
        dot(marker="o", color=GREY, markerfacecolor="white", markersize=8, label="start"),
        dot(marker="o", color=DEEP, markersize=8, label="tuned"),
    ]
    if any(item.truth is not None for item in items):
        handles.append(dot(marker="*", color=SAND, markersize=13, label="truth"))
    if any(item.prior_spread is not None for item in items):
        handles.append(Patch(color=SEA, alpha=0.22, label="prior ± 1σ"))
    if any(item.posterior_spread is not None for item in items):
        handles.append(Line2D([], [], color=DEEP, linewidth=3, label="posterior ± 1σ"))
    return handles


def _sorted_by_longitude(
    item: BiasMap, values: np.ma.MaskedArray
) -> tuple[np.ndarray, np.ndarray, np.ma.MaskedArray]:
    """1-D coordinates of a regular grid with longitudes increasing from −180 or so; others unchanged."""
    longitude, latitude = np.asarray(item.longitude), np.asarray(item.latitude)
    if longitude.ndim == 2:
        regular = np.allclose(longitude, longitude[0]) and np.allclose(latitude.T, latitude.T[0])
        if not regular:
            return longitude, latitude, values
        longitude, latitude = longitude[0], latitude[:, 0]
    # A periodic grid may carry its overlap columns twice: keep each longitude once.
    if longitude.max() - longitude.min() > 180.0:
        longitude = np.round(longitude % 360.0, 6)
    order = np.unique(longitude, return_index=True)[1]
    return longitude[order], latitude, values[:, order]


def _area_mean(values: np.ndarray, item: BiasMap) -> float:
    latitude = np.asarray(item.latitude)
    weights = np.cos(np.deg2rad(latitude if latitude.ndim == 2 else latitude[:, None])) * (
        np.asarray(item.mask) > 0
    )
    weights = np.where(np.isfinite(values), np.broadcast_to(weights, values.shape), 0.0)
    return float(np.sum(np.nan_to_num(values) * weights) / max(float(weights.sum()), 1e-300))
