"""The exact gradient beside central finite differences, at several horizons of one run.

The differences are judged without looking at the gradient: curvature spoils large steps, rounding small ones, and kinks
(min, max, where) any. The plateau is the three neighbouring steps whose differences lie closest together; its median is
the estimate, its range the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

#: {loss: {horizon: value}}
Values = dict[str, dict[int, float]]


class Judged(NamedTuple):
    """The difference of the plateau, its relative noise, and the relative error of the exact gradient against it."""

    difference: float
    noise: float
    error: float


def values_along(
    step: Callable, losses: Mapping[str, Callable], state: Any, params: Any, horizons: Sequence[int]
) -> Values:
    """Each loss at each horizon, from one run."""
    found: Values = {name: {} for name in losses}
    for number in range(1, max(horizons) + 1):
        state = step(state, params)
        if number in horizons:
            for name, loss in losses.items():
                found[name][number] = float(loss(state, None))
    return found


def central(evaluate: Callable[[float], Values], steps: Sequence[float]) -> dict[str, dict[int, list[float]]]:
    """{loss: {horizon: [D(h) for h in steps]}} with D(h) = (J(+h) − J(−h)) / 2h; `evaluate(h)` runs displaced by h."""
    pairs = [(evaluate(size), evaluate(-size)) for size in steps]
    return {
        loss: {
            horizon: [
                (up[loss][horizon] - down[loss][horizon]) / (2 * h)
                for (up, down), h in zip(pairs, steps, strict=True)
            ]
            for horizon in pairs[0][0][loss]
        }
        for loss in pairs[0][0]
    }


def judged(exact: float, differences: Sequence[float]) -> Judged | None:
    """The exact derivative against its differences at steps h, h/10, …; None where the plateau is 0."""
    plateaus = (np.sort(differences[first : first + 3]) for first in range(len(differences) - 2))
    low, middle, high = min(plateaus, key=lambda plateau: plateau[2] - plateau[0])
    if low == high == 0:
        return None
    scale = max(abs(middle), abs(exact))
    return Judged(float(middle), float((high - low) / scale), float(abs(exact - middle) / scale))


def displaced(state: Any, params: Any, direction: Mapping[str, Any], size: float) -> tuple[Any, Any]:
    """State and parameters moved by `size` along `direction`, which names fields or parameters."""

    def moved(tree: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value + size * direction.get(name, 0.0) for name, value in tree.items()}

    return moved(state), moved(params)
