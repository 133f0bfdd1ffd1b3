"""2-D parameters tuned patch by patch: a map [j, i] as controls, each the value on one rectangle of cells.

A `MapControl` is what an experiment file says. Laid on a model's grid it becomes one `PatchControl` for every rectangle
that holds sea; beyond them the map keeps its prior mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from bridge.errors import ConfigurationError
from bridge.model import Grid, Params
from optim.control import Control, ControlVector
from optim.settings_check import Count

#: (southernmost row, row beyond the northernmost, westernmost column, column beyond the easternmost)
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class PatchControl(Control):
    """The value of a map on the cells of `box`; `place` is the patch's row and column, `shape` the grid's [j, i]."""

    place: tuple[int, int] = (0, 0)
    box: Box = (0, 0, 0, 0)
    shape: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        """ "group/entry[row,column]", both from 0, from the south and the west."""
        return f"{super().name}[{self.place[0]},{self.place[1]}]"

    @property
    def cells(self) -> tuple[slice, slice]:
        """Index of the patch in a map [j, i]."""
        south, north, west, east = self.box
        return slice(south, north), slice(west, east)

    def footprint(self) -> np.ndarray:
        """True on the patch, [j, i]."""
        found = np.zeros(self.shape, dtype=bool)
        found[self.cells] = True
        return found

    def put(self, params: Params, value: float) -> None:
        """Write the value on the patch into the map; a map that is not there yet begins with the prior mean."""
        entries = params.setdefault(self.group, {})
        whole = entries.setdefault(self.entry, np.full(self.shape, self.prior_mean))
        whole[self.cells] = value  # type: ignore[index]

    def value_in(self, params: Mapping[str, Mapping[str, Any]]) -> float | None:
        """The value on the patch of a map, or of a number that holds everywhere; None if it is absent."""
        value = params.get(self.group, {}).get(self.entry)
        if value is None or np.ndim(value) == 0:
            return None if value is None else float(value)
        return float(np.asarray(value)[self.cells][0, 0])


@dataclass(frozen=True)
class MapControl(Control):
    """A map of an experiment file: `patches` (rows, columns) of rectangles over the rows and columns with sea."""

    patches: tuple[Count, Count] = (1, 1)

    def on(self, grid: Grid) -> tuple[PatchControl, ...]:
        """The patches that hold sea; ConfigurationError if they would be smaller than cells."""
        sea = sea_of(grid)
        same = {item.name: getattr(self, item.name) for item in fields(Control)}
        found = []
        for place, box in self._boxes(sea).items():
            patch = PatchControl(**same, place=place, box=box, shape=sea.shape)
            if sea[patch.cells].any():
                found.append(patch)
        return tuple(found)

    def spread(self, values: Any, grid: Grid) -> np.ndarray:
        """The map [j, i] of one value for each patch [rows, columns], or of a number."""
        sea = sea_of(grid)
        whole = np.full(sea.shape, self.prior_mean)
        for place, (south, north, west, east) in self._boxes(sea).items():
            whole[south:north, west:east] = values if np.ndim(values) == 0 else np.asarray(values)[place]
        return whole

    def _boxes(self, sea: np.ndarray) -> dict[tuple[int, int], Box]:
        """Rectangles by their place; they share the rows and columns that have sea as evenly as possible."""
        rows, columns = (np.flatnonzero(sea.any(axis=axis)) for axis in (1, 0))
        spans = [(int(found[0]), int(found[-1]) + 1) for found in (rows, columns)]
        for (first, end), count, what in zip(spans, self.patches, ("rows", "columns"), strict=True):
            if count > end - first:
                raise ConfigurationError(
                    f"[[controls]]: {self.name}: patches = {list(self.patches)}, but there are only {end - first} "
                    f"{what} of cells with sea"
                )
        edges = [
            np.linspace(first, end, count + 1).round().astype(int).tolist()
            for (first, end), count in zip(spans, self.patches, strict=True)
        ]
        return {
            (row, column): (edges[0][row], edges[0][row + 1], edges[1][column], edges[1][column + 1])
            for row in range(self.patches[0])
            for column in range(self.patches[1])
        }


def sea_of(grid: Grid) -> np.ndarray:
    """True where there is sea at the surface, [j, i]; everywhere if the model published no mask."""
    if "tmask" not in grid:
        return np.ones((grid.ny, grid.nx), dtype=bool)
    return np.asarray(grid["tmask"])[0] > 0.5


def maps_of(controls: ControlVector) -> tuple[MapControl, ...]:
    """The maps that are not yet laid on a grid."""
    return tuple(control for control in controls.controls if isinstance(control, MapControl))


def lay(controls: ControlVector, grid: Grid) -> ControlVector:
    """The controls with the patches of each map in its place."""
    found: list[Control] = []
    for control in controls.controls:
        found += control.on(grid) if isinstance(control, MapControl) else (control,)
    return replace(controls, controls=tuple(found))


def lay_values(controls: ControlVector, params: Params, grid: Grid) -> Params:
    """Values of an experiment file, of which those of maps become maps [j, i]."""
    laid: Params = {group: dict(entries) for group, entries in params.items()}
    for control in maps_of(controls):
        if control.entry in laid.get(control.group, {}):
            laid[control.group][control.entry] = control.spread(params[control.group][control.entry], grid)
    return laid
