"""Which values a value can depend on in one step: the localisation of a regression on the grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from optim.gradients.layout import Layout

#: shifts along the axes of a field
Offsets = Sequence[tuple[int, ...]]
#: an index that stands for "no value": zero as an input, dropped as an output
NOTHING = -1


@dataclass(frozen=True)
class Stencil:
    """Cells, each with its inputs [cells, p] and outputs [cells, q] as indices into flat vectors.

    Every output belongs to one cell; NOTHING fills up.
    """

    inputs: np.ndarray
    outputs: np.ndarray

    def __post_init__(self) -> None:
        used = self.outputs[self.outputs != NOTHING]
        if len(self.inputs) != len(self.outputs) or used.size != np.unique(used).size:
            raise ValueError(
                "expected inputs and outputs for the same cells, and each output in one cell only"
            )

    def of_wet_cells(self, wet: np.ndarray) -> Stencil:
        """Without outputs where the flat mask `wet` is false, and without the cells that have none left."""
        outputs = np.where((self.outputs != NOTHING) & wet[self.outputs], self.outputs, NOTHING)
        left = np.any(outputs != NOTHING, axis=1)
        return Stencil(self.inputs[left], outputs[left])


def box(*half_widths: int) -> Offsets:
    """All shifts up to these half-widths along each axis."""
    return list(product(*(range(-width, width + 1) for width in half_widths)))


def cross(*half_widths: int) -> Offsets:
    """Shifts along one axis at a time."""
    found = {tuple(0 for _ in half_widths)}
    for axis, width in enumerate(half_widths):
        for shift in range(-width, width + 1):
            found.add(tuple(shift if number == axis else 0 for number in range(len(half_widths))))
    return sorted(found)


def grid_stencil(
    inputs: Layout,
    outputs: Layout,
    offsets: Mapping[str, Offsets],
    periodic: Sequence[bool] | None = None,
    whole_column: Sequence[str] = (),
) -> Stencil:
    """The stencil on a grid [(k,) j, i]: at each cell the fields of `outputs`, from those of `inputs` around it.

    `offsets` gives the shifts for each field of `inputs`; a field without is no input. A field with fewer axes than
    the grid (a surface field) lies over all levels, as an output in the first. Fields named in `whole_column` enter
    with all their levels at the shifts' horizontal positions of zero.
    """
    grid = max(outputs.shapes.values(), key=len)
    periodic = periodic or [False] * len(grid)
    cells = np.stack(np.meshgrid(*(np.arange(n) for n in grid), indexing="ij"), axis=-1).reshape(
        -1, len(grid)
    )
    columns = [
        _shifted(inputs, name, cells, shift, periodic) for name, all_ in offsets.items() for shift in all_
    ]
    for name in whole_column:
        levels = inputs.shapes[name][0]
        for level in range(levels):
            place = np.concatenate([np.full((len(cells), 1), level), cells[:, 1:]], axis=1)
            columns.append(_shifted(inputs, name, place, (0,) * len(grid), periodic))
    made = [_own(outputs, name, cells) for name in outputs.shapes]
    return Stencil(np.stack(columns, axis=1), np.stack(made, axis=1))


def _shifted(
    layout: Layout, name: str, cells: np.ndarray, shift: tuple[int, ...], periodic: Sequence[bool]
) -> np.ndarray:
    """Index of the value of a field at a shift from each cell."""
    shape = layout.shapes[name]
    if len(shift) != len(shape):
        raise ValueError(f"expected shifts along the {len(shape)} axes of {name!r}, got {shift}")
    place = cells[:, cells.shape[1] - len(shape) :] + np.array(shift)
    inside = np.ones(len(cells), bool)
    for axis, length in enumerate(shape):
        if periodic[len(periodic) - len(shape) + axis]:
            place[:, axis] %= length
        inside &= (place[:, axis] >= 0) & (place[:, axis] < length)
    safe = np.clip(place, 0, np.array(shape) - 1)
    return np.where(inside, layout.indices(name)[tuple(safe.T)], NOTHING)


def _own(layout: Layout, name: str, cells: np.ndarray) -> np.ndarray:
    shape = layout.shapes[name]
    missing = cells.shape[1] - len(shape)
    index = layout.indices(name)[tuple(cells[:, missing:].T)]
    return np.where(np.all(cells[:, :missing] == 0, axis=1), index, NOTHING)
