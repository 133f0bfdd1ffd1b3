"""Observations for the cases: means of a field over boxes of cells, weighted so that every field counts alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from optim.cost import Cost, Observations
from optim.observe import ObservationOperator


def box_means(
    field: str, mask: np.ndarray, size: int, layers: Sequence[tuple[int, int]] = ((0, 1),)
) -> ObservationOperator:
    """Means of one record over boxes of `size` x `size` cells and the levels [first, last) of each layer.

    `mask` is [k, j, i], or [j, i] for a field at the surface; boxes without a wet cell are left out.
    """
    wet = np.atleast_3d(mask.T).T > 0
    label = _labels(wet.shape[1:], size)
    groups = []
    for first, last in layers:
        level = (np.arange(wet.shape[0]) >= first) & (np.arange(wet.shape[0]) < last)
        inside = wet & level[:, None, None]
        groups += [np.flatnonzero(inside & (label == box)) for box in range(label.max() + 1)]
    groups = [group for group in groups if group.size]
    longest = max(group.size for group in groups)
    index = np.stack([np.resize(group, longest) for group in groups])
    weights = np.stack([np.where(np.arange(longest) < g.size, 1.0 / g.size, 0.0) for g in groups])
    return ObservationOperator(field, np.ones((1, 1)), index, weights)


def _labels(shape: Sequence[int], size: int) -> np.ndarray:
    """Number of the box that each cell [j, i] lies in."""
    rows, columns = (np.arange(length) // size for length in shape)
    return rows[:, None] * (columns[-1] + 1) + columns[None, :]


def balanced_cost(
    operators: Sequence[ObservationOperator],
    truth: Mapping[str, np.ndarray],
    others: Sequence[Mapping[str, np.ndarray]],
) -> Cost:
    """Cost of the fields of a run against those of the run `truth`, J = 1/2 r.r.

    The standard deviation of a block is such that the mean of its J over the runs `others` is 1/2: all blocks count
    alike, at every window.
    """
    blocks = []
    for operator in operators:
        values = np.asarray(operator(truth))
        block = Observations(operator, values, np.ones(values.size), operator.field)
        size = np.sqrt(np.mean([np.sum(np.asarray(block.misfit(fields)) ** 2) for fields in others]))
        blocks.append(replace(block, sigma=np.full(values.size, size)))
    return Cost(tuple(blocks), prior=False)
