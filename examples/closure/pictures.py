"""Pictures of a training: its loss, and the learned tendency beside the one that the model lacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gyre_windows import Columns
from matplotlib.figure import Figure

DAY = 86400.0


def loss_history(losses: list[float], path: Path) -> None:
    """Loss (1 without a network) against epochs."""
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.semilogy(np.arange(1, len(losses) + 1), losses, color="#12355b", linewidth=2)
    axes.axhline(1.0, color="#7c8794", linewidth=1, linestyle=":")
    axes.set(xlabel="epoch", ylabel="loss (1 without a network)")
    figure.savefig(path, dpi=130)


def tendencies(true: np.ndarray, learned: np.ndarray, columns: Columns, path: Path) -> None:
    """Zonal means of the upper 400 m, true beside learned, and one against the other."""
    depth = np.cumsum(columns.e3t) - 0.5 * columns.e3t
    shown = depth < 400.0
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    axes = figure.subplots(1, 3)
    sections = [_zonal_mean(field, columns.wet)[shown] * DAY for field in (true, learned)]
    largest = np.nanmax(np.abs(sections[0]))
    for place, section, title in zip(axes, sections, ("missing in the model", "learned"), strict=False):
        image = place.pcolormesh(
            np.arange(section.shape[1]), depth[shown], section, cmap="RdBu_r", vmin=-largest, vmax=largest
        )
        place.invert_yaxis()
        place.set(xlabel="j", ylabel="depth (m)", title=title)
    figure.colorbar(image, ax=axes[:2], label="degC per day")
    wet = columns.wet & shown[:, None, None]
    axes[2].plot(true[wet] * DAY, learned[wet] * DAY, ".", markersize=2, color="#1b7f8c")
    axes[2].axline((0.0, 0.0), slope=1.0, color="#7c8794", linewidth=1)
    axes[2].set(xlabel="missing (degC per day)", ylabel="learned")
    figure.savefig(path, dpi=130)


def _zonal_mean(field: np.ndarray, wet: np.ndarray) -> np.ndarray:
    """[k, j], NaN where all is land."""
    count = wet.sum(axis=2)
    return np.where(count > 0, (field * wet).sum(axis=2) / np.maximum(count, 1), np.nan)
