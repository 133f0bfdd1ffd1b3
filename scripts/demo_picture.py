"""The README's picture from a finished `make demo`: python scripts/demo_picture.py runs/demo docs/images/demo.png."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imread

from optim.report import figures
from optim.report.result import RunResult

_DPI = 100


def main(run: Path, picture: Path) -> None:
    """Cost history and parameters side by side, the first map of the bias below."""
    result = RunResult.read(run)
    history = _pixels(figures.cost_history(result))
    parameters = _pixels(figures.parameters(result.parameters))
    height, width = max(history.shape[0], parameters.shape[0]), history.shape[1] + parameters.shape[1]
    bias = _pixels(figures.bias_map(result.maps[0]), width)
    canvas = np.ones((height + bias.shape[0], max(width, bias.shape[1]), 4))
    canvas[: history.shape[0], : history.shape[1]] = history
    canvas[: parameters.shape[0], history.shape[1] : width] = parameters
    canvas[height:, : bias.shape[1]] = bias
    page = Figure(figsize=(canvas.shape[1] / _DPI, canvas.shape[0] / _DPI), dpi=_DPI)
    page.figimage(canvas)
    page.savefig(picture, dpi=_DPI)


def _pixels(drawn: Figure, width: int | None = None) -> np.ndarray:
    """[rows, columns, RGBA] of a figure, about `width` columns wide."""
    pixels = _rendered(drawn, _DPI)
    return pixels if width is None else _rendered(drawn, _DPI * width / pixels.shape[1])


def _rendered(drawn: Figure, dpi: float) -> np.ndarray:
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight")
    buffer.seek(0)
    return imread(buffer)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
