"""Observation operators: from recorded fields to a vector [m].

All are linear: weighted means over records, then weighted gathers over points. A linear operator is its
own tangent, so the same call serves numpy fields, JAX fields and their tangents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any  # numpy or JAX


@dataclass(frozen=True)
class ObservationOperator:
    """H: means over records and points of one field.

    `time_weights` [q, records], each row a mean; `index` [p, g] flat indices into one record's (k·j·i)
    points; `point_weights` [p, g]. Output `[q·p]`, the p points of the first mean first.
    """

    field: str
    time_weights: np.ndarray
    index: np.ndarray
    point_weights: np.ndarray

    @property
    def size(self) -> int:
        """Length of the output."""
        return self.time_weights.shape[0] * self.index.shape[0]

    def __call__(self, fields: Mapping[str, Array]) -> Array:
        """Observed values [q·p] of `fields[self.field]`, shaped [records, (k,) j, i]."""
        if self.field not in fields:
            raise ValueError(f"{self.field!r} was not recorded; recorded fields: {', '.join(sorted(fields))}")
        values = fields[self.field]
        if values.shape[0] != self.time_weights.shape[1]:
            raise ValueError(
                f"{self.field}: expected {self.time_weights.shape[1]} records, got {values.shape[0]}"
            )
        flat = values.reshape(values.shape[0], -1)
        sampled = (flat[:, self.index] * self.point_weights).sum(axis=-1)
        return (self.time_weights @ sampled).reshape(-1)

    def adjoint(self, weights: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Transpose of the operator: [q·p] -> field of `shape` [records, (k,) j, i]."""
        sampled = self.time_weights.T @ np.reshape(weights, (self.time_weights.shape[0], -1))
        flat = np.zeros((shape[0], int(np.prod(shape[1:]))))
        for column in range(self.index.shape[1]):
            np.add.at(flat.T, self.index[:, column], (sampled * self.point_weights[:, column]).T)
        return flat.reshape(shape)


def select(
    field: str,
    time_weights: np.ndarray,
    mask: np.ndarray,
    levels: Sequence[int] | None = None,
) -> ObservationOperator:
    """Every point of `mask` ([k, j, i] or [j, i], True = observed), on some levels only if `levels` is given."""
    mask = np.asarray(mask, dtype=bool)
    if levels is not None:
        kept = np.zeros(mask.shape[0], dtype=bool)
        kept[list(levels)] = True
        mask = mask & kept[:, None, None]
    index = np.flatnonzero(mask)
    if index.size == 0:
        raise ValueError(f"{field}: the mask and levels {levels} leave nothing to observe")
    return ObservationOperator(
        field, np.asarray(time_weights, float), index[:, None], np.ones((index.size, 1))
    )


def at_depths(
    field: str, time_weights: np.ndarray, mask: np.ndarray, level_depths: np.ndarray, depths: Sequence[float]
) -> tuple[ObservationOperator, np.ndarray]:
    """Linear interpolation in depth to `depths` (m) wherever both bracketing levels are wet.

    `mask` [k, j, i], `level_depths` [k] (m, increasing). A depth above the first level takes that level.
    Returns the operator and the flat indices of its points in an array [len(depths), j, i].
    """
    mask = np.asarray(mask, dtype=bool)
    nz, plane = mask.shape[0], mask[0].size
    wet = mask.reshape(nz, plane)
    index, weights, where = [], [], []
    for number, depth in enumerate(depths):
        below = int(np.searchsorted(level_depths, depth))
        if below >= nz:
            raise ValueError(
                f"{field}: depth {depth} m lies below the deepest level ({level_depths[-1]:g} m)"
            )
        above = max(below - 1, 0)
        gap = level_depths[below] - level_depths[above]
        share = (depth - level_depths[above]) / gap if gap > 0.0 else 0.0
        points = np.flatnonzero(wet[above] & (wet[below] | (share == 0.0)))
        index.append(np.stack([above * plane + points, below * plane + points], axis=1))
        weights.append(np.tile([1.0 - share, share], (points.size, 1)))
        where.append(number * plane + points)
    operator = ObservationOperator(
        field, np.asarray(time_weights, float), np.concatenate(index), np.concatenate(weights)
    )
    return operator, np.concatenate(where)


def box_means(
    operator: ObservationOperator,
    latitude: np.ndarray,
    longitude: np.ndarray,
    area: np.ndarray,
    box: tuple[float, float],
) -> tuple[ObservationOperator, np.ndarray]:
    """Area means of a point operator over boxes of `box` degrees (latitude, longitude), each level by itself.

    `latitude`, `longitude` (degrees), `area` (m2) are [j, i]; a cell belongs to the box that holds its centre.
    Returns the operator and the area of each box [p], m2.
    """
    points = operator.index[:, 0]
    cell = points % area.size
    row = np.floor((latitude.ravel()[cell] + 90.0) / box[0] + 1e-9)
    column = np.floor((longitude.ravel()[cell] % 360.0) / box[1] + 1e-9)
    keys = np.stack([points // area.size, row, column])
    _, group, counts = np.unique(keys, axis=1, return_inverse=True, return_counts=True)
    group = group.ravel()
    order = np.argsort(group, kind="stable")
    place = np.arange(points.size) - np.repeat(np.cumsum(counts) - counts, counts)  # position within its box
    index = np.tile(points[order][np.cumsum(counts) - counts][:, None], (1, counts.max()))
    weights = np.zeros(index.shape)
    index[group[order], place] = points[order]
    weights[group[order], place] = area.ravel()[cell[order]]
    total = weights.sum(axis=1)
    means = ObservationOperator(operator.field, operator.time_weights, index, weights / total[:, None])
    return means, total


def window_means(steps: np.ndarray, windows: Sequence[tuple[float, float]], time_step: float) -> np.ndarray:
    """Weights [len(windows), records] of the mean over each window (start, end], in s since step 0.

    A record stands for the interval that it closes, so a record at the very start of a window belongs to
    the window before.
    """
    times = np.asarray(steps, dtype=float) * time_step
    rows = []
    tolerance = 1e-6 * time_step
    for start, end in windows:
        inside = (times > start + tolerance) & (times <= end + tolerance)
        if not inside.any():
            raise ValueError(
                f"no record falls in the window ({start:g} s, {end:g} s]; records run from {times[0]:g} s to "
                f"{times[-1]:g} s: record more often or move the window"
            )
        rows.append(inside / inside.sum())
    return np.array(rows)


def each_record(count: int) -> np.ndarray:
    """Weights [count, count] that observe every record by itself."""
    return np.eye(count)


def area_weights(e1t: np.ndarray, e2t: np.ndarray, operator: ObservationOperator) -> np.ndarray:
    """Cell areas at the operator's points relative to their mean [q·p], for `e1t`, `e2t` [j, i] in m."""
    area = (np.asarray(e1t) * np.asarray(e2t)).ravel()
    points = area[operator.index[:, 0] % area.size]
    return np.tile(points / points.mean(), operator.time_weights.shape[0])
