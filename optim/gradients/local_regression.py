"""Many small ridge regressions at once: in each cell of a stencil, its outputs on its inputs.

    coefficients_c = argmin_C  sum_members |y_c − C x_c|² + ridge · members · |C|²

Inputs and outputs are expected in units of their spreads, so that one ridge serves all. A member whose response in a
cell is more than `outliers` times the cell's median (a switch that the perturbation has thrown) is left out there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optim.gradients.stencil import NOTHING, Stencil

_CELLS_AT_ONCE = 64  # bounds the memory of what is gathered


def fit(
    samples: np.ndarray, responses: np.ndarray, stencil: Stencil, ridge: float, outliers: float = np.inf
) -> np.ndarray:
    """Coefficients [cells, q, p] in float32, from `samples` [members, inputs] and `responses` [members, outputs]."""
    samples, responses = _by_value(samples), _by_value(responses)
    members, (cells, p) = samples.shape[1], stencil.inputs.shape
    coefficients = np.zeros((cells, stencil.outputs.shape[1], p), np.float32)
    for first in range(0, cells, _CELLS_AT_ONCE):
        part = slice(first, first + _CELLS_AT_ONCE)
        x, y = (
            samples[stencil.inputs[part]],
            responses[stencil.outputs[part]],
        )  # [c, p, members], [c, q, members]
        kept = _usual(y, outliers)
        coefficients[part] = _ridge(x * kept, y * kept, ridge * members)
    return coefficients


def _usual(responses: np.ndarray, outliers: float) -> np.ndarray:
    """1 for the members [c, 1, members] whose largest response in a cell is usual there, else 0."""
    size = np.abs(responses).max(axis=1, keepdims=True)
    if np.isinf(outliers):
        return np.ones_like(size)
    return (size <= outliers * np.median(size, axis=2, keepdims=True)).astype(responses.dtype)


def _ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """Solutions [c, q, p]; by members or by inputs, whichever are fewer."""
    inputs, members = x.shape[1:]
    across = x.transpose(0, 2, 1)
    if inputs <= members:
        gram = x @ across + penalty * np.eye(inputs, dtype=x.dtype)
        return np.linalg.solve(gram, x @ y.transpose(0, 2, 1)).transpose(0, 2, 1)
    gram = across @ x + penalty * np.eye(members, dtype=x.dtype)
    return np.linalg.solve(gram, y.transpose(0, 2, 1)).transpose(0, 2, 1) @ across


@dataclass(frozen=True)
class LocalOperator:
    """The linear map of fitted coefficients [cells, q, p] between flat vectors."""

    stencil: Stencil
    coefficients: np.ndarray
    outputs: int
    inputs: int

    def apply(self, vector: np.ndarray) -> np.ndarray:
        """[inputs] -> [outputs]."""
        gathered = np.append(vector, 0.0)[self.stencil.inputs]
        return self._scattered(
            self.stencil.outputs, np.einsum("cqp,cp->cq", self.coefficients, gathered), self.outputs
        )

    def transposed(self, vector: np.ndarray) -> np.ndarray:
        """[outputs] -> [inputs]."""
        gathered = np.append(vector, 0.0)[self.stencil.outputs]
        return self._scattered(
            self.stencil.inputs, np.einsum("cqp,cq->cp", self.coefficients, gathered), self.inputs
        )

    @staticmethod
    def _scattered(indices: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
        # NOTHING counts into a last bin that is cut off
        places = np.where(indices == NOTHING, size, indices).ravel()
        return np.bincount(places, weights=values.ravel(), minlength=size + 1)[:size]


def _by_value(values: np.ndarray) -> np.ndarray:
    """[value, member], contiguous, with a last row of zeros, which the index NOTHING finds."""
    padded = np.zeros((values.shape[1] + 1, values.shape[0]), values.dtype)
    padded[:-1] = values.T
    return padded
