"""Trajectory -> CF xarray Dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bridge.fields import lookup

if TYPE_CHECKING:
    import xarray

    from bridge.model import Grid, Trajectory

_DIMENSIONS = {0: ("time",), 2: ("time", "j", "i"), 3: ("time", "k", "j", "i")}


def trajectory_to_dataset(trajectory: Trajectory, grid: Grid | None = None) -> xarray.Dataset:
    """Fields with CF names and units over (time, k, j, i); `time` is in seconds since step 0.

    With `grid`: longitudes, latitudes and depths of T points are attached where the model published them, and
    land (the mask of the field's own grid point) becomes NaN.
    """
    import xarray

    time = np.asarray(trajectory.steps, dtype=float) * trajectory.time_step
    data = xarray.Dataset(
        coords={
            "time": ("time", time, {"standard_name": "time", "long_name": "time since step 0", "units": "s"}),
            "step": ("time", np.asarray(trajectory.steps), {"long_name": "model step"}),
        },
        attrs={
            "Conventions": "CF-1.8",
            "outcome": trajectory.outcome.kind.value,
            "initial_snapshot": trajectory.initial.id,
        },
    )
    for name, values in trajectory.fields.items():
        spec = lookup(name)
        attributes = {
            "units": spec.units,
            "long_name": name,
            "nemo_name": spec.nemo,
            "grid_point": spec.point,
        }
        if spec.standard_name:
            attributes["standard_name"] = spec.standard_name
        data[name] = (_dimensions(values), _masked(values, spec.point, grid), attributes)
    return data if grid is None else _with_coordinates(data, grid)


def _dimensions(values: np.ndarray) -> tuple[str, ...]:
    spatial = values.ndim - 1
    if spatial in _DIMENSIONS:
        return _DIMENSIONS[spatial]
    return ("time", *(f"dim_{n}" for n in range(spatial)))


def _masked(values: np.ndarray, point: str, grid: Grid | None) -> np.ndarray:
    """NaN on land: the point's own mask where published (umask, …), else the T mask for T points."""
    if grid is None or values.ndim < 3:
        return values
    name = f"{point.lower()}mask"
    if name not in grid:
        return values
    mask = grid[name]
    if values.ndim == 3 and mask.ndim == 3:
        mask = mask[0]
    if mask.shape != values.shape[1:]:
        return values
    return np.where(mask > 0, values, np.nan)


def _with_coordinates(data: xarray.Dataset, grid: Grid) -> xarray.Dataset:
    available = {
        "glamt": ("longitude", ("j", "i"), {"standard_name": "longitude", "units": "degrees_east"}),
        "gphit": ("latitude", ("j", "i"), {"standard_name": "latitude", "units": "degrees_north"}),
        "gdept_1d": ("depth", ("k",), {"standard_name": "depth", "units": "m", "positive": "down"}),
        "gdept_0": ("depth", ("k",), {"standard_name": "depth", "units": "m", "positive": "down"}),
    }
    coordinates = {}
    for name, (coordinate, dims, attributes) in available.items():
        if name in grid and grid[name].ndim == len(dims) and set(dims) <= set(data.dims):
            coordinates[coordinate] = (dims, grid[name], attributes)
    return data.assign_coords(coordinates)
