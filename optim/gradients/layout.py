"""States as flat vectors, and fields that are linear in them: what regressions between fields are written in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from optim.gradients.step_model import State, fields_of


@dataclass(frozen=True, eq=False)
class Layout:
    """Names and shapes of fields, and where each begins in the flat vector [size] of all of them.

    Compared by identity, so that it can be a static part of a compiled function.
    """

    shapes: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, state: State) -> Layout:
        """The layout of a state's fields."""
        return cls({name: value.shape for name, value in fields_of(state).items()})

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def start(self, name: str) -> int:
        """Index of the first value of a field."""
        names = list(self.shapes)
        if name not in names:
            raise KeyError(f"expected one of {', '.join(names)}, got {name!r}")
        return sum(int(np.prod(self.shapes[before])) for before in names[: names.index(name)])

    def indices(self, name: str) -> np.ndarray:
        """Indices of a field's values in the flat vector, shaped as the field."""
        shape = self.shapes[name]
        return self.start(name) + np.arange(int(np.prod(shape))).reshape(shape)

    def flat(self, fields: Mapping[str, Any], dtype: Any = float) -> np.ndarray:
        """The flat vector of fields; those that are left out are zero."""
        parts = [
            np.ravel(fields[name]) if name in fields else np.zeros(int(np.prod(shape)))
            for name, shape in self.shapes.items()
        ]
        return np.concatenate(parts).astype(dtype)

    def fields(self, vector: np.ndarray) -> State:
        """The fields of a flat vector, in float64."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes.values()])
        parts = np.split(np.asarray(vector, dtype=float), ends[:-1])
        return {n: part.reshape(shape) for part, (n, shape) in zip(parts, self.shapes.items(), strict=True)}

    def filled(self, values: Mapping[str, Any]) -> np.ndarray:
        """The flat vector with a number, or an array, for each field; KeyError for a field without one."""
        missing = [name for name in self.shapes if name not in values]
        if missing:
            raise KeyError(
                f"expected a value for each of {', '.join(self.shapes)}; {', '.join(missing)} have none"
            )
        return self.flat({name: np.broadcast_to(values[name], shape) for name, shape in self.shapes.items()})


@dataclass(frozen=True)
class Derived:
    """A field of `shape` that is linear in a state: `matrix` [values, size of the state]."""

    name: str
    shape: tuple[int, ...]
    matrix: sparse.csr_matrix

    def named(self, name: str) -> Derived:
        """The same under another name."""
        return replace(self, name=name)


def itself(layout: Layout, name: str) -> Derived:
    """A field of the state as it is."""
    indices = layout.indices(name).ravel()
    ones = np.ones(indices.size)
    matrix = sparse.csr_matrix((ones, (np.arange(indices.size), indices)), (indices.size, layout.size))
    return Derived(name, layout.shapes[name], matrix)


def level_sum(layout: Layout, name: str, weights: np.ndarray, label: str) -> Derived:
    """Sum over the levels of a field [k, j, i] with `weights`, [k] or [k, j, i]: a depth mean, a bottom pressure."""
    shape = layout.shapes[name]
    indices = layout.indices(name).reshape(shape[0], -1)
    values = np.broadcast_to(_by_level(weights, shape), shape).reshape(indices.shape)
    rows = np.broadcast_to(np.arange(indices.shape[1]), indices.shape)
    matrix = sparse.csr_matrix(
        (values.ravel(), (rows.ravel(), indices.ravel())), (indices.shape[1], layout.size)
    )
    return Derived(label, shape[1:], matrix)


def sum_above(layout: Layout, name: str, weights: np.ndarray, label: str) -> Derived:
    """At each level the weighted sum over the levels above and half of its own: hydrostatic pressure."""
    shape = layout.shapes[name]
    levels, columns = shape[0], int(np.prod(shape[1:]))
    indices = layout.indices(name).reshape(levels, columns)
    values = np.broadcast_to(_by_level(weights, shape), shape).reshape(levels, columns)
    parts = []
    for k in range(levels):
        share = np.concatenate([values[:k], 0.5 * values[k : k + 1]])
        row = np.broadcast_to(k * columns + np.arange(columns), share.shape)
        parts.append((share.ravel(), row.ravel(), indices[: k + 1].ravel()))
    data, rows, cols = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Derived(label, shape, sparse.csr_matrix((data, (rows, cols)), (levels * columns, layout.size)))


def upwelling(layout: Layout, velocities: tuple[str, str], thickness: np.ndarray, label: str) -> Derived:
    """Minus the divergence of both velocities summed over the levels above: vertical motion but for the surface's own.

    Velocities are those of a C grid [k, j, i], cell faces to the east and north; for cells of about one size.
    """
    shape = layout.shapes[velocities[0]]
    size = int(np.prod(shape))
    here = np.arange(size).reshape(shape)
    parts = []
    for name, axis in zip(velocities, (2, 1), strict=True):
        index = layout.indices(name)
        before, inner = np.roll(index, 1, axis), np.indices(shape)[axis] > 0  # no cell beyond the border
        parts.append((here.ravel(), index.ravel(), np.full(size, -1.0)))
        parts.append((here[inner], before[inner], np.ones(int(inner.sum()))))
    rows, columns, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    convergence = sparse.csr_matrix((values, (rows, columns)), (size, layout.size))
    above = sum_above(Layout({"convergence": shape}), "convergence", thickness, label).matrix
    return Derived(label, shape, sparse.csr_matrix(above @ convergence))


def _by_level(weights: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    weights = np.asarray(weights, dtype=float)
    return weights.reshape(-1, *[1] * (len(shape) - 1)) if weights.ndim == 1 else weights


def stacked_matrix(derived: Sequence[Derived], size: int) -> sparse.csr_matrix:
    """The matrices of several derived fields, one below the other; no rows for none."""
    if not derived:
        return sparse.csr_matrix((0, size))
    return sparse.csr_matrix(sparse.vstack([field.matrix for field in derived]))
