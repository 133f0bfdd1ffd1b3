"""Trajectory <-> netCDF bytes, float64, nothing lost."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from bridge.fields import lookup
from bridge.model import Outcome, OutcomeKind, Params, Snapshot, Trajectory

_PARAMETER = "parameter "


def trajectory_to_bytes(trajectory: Trajectory) -> bytes:
    """A netCDF-4 file in memory: `steps`, one variable per field, field parameters, and the rest as attributes."""
    from netCDF4 import Dataset

    # diskless in memory: errors of the disk are then ours to report, and the checksum needs no second read
    file = Dataset("trajectory", "w", format="NETCDF4", memory=1024)
    file.setncatts(_attributes(trajectory))
    steps = np.asarray(trajectory.steps, dtype=np.int64)
    file.createDimension("time", steps.size)
    file.createVariable("steps", "i8", ("time",))[:] = steps
    for name, values in trajectory.fields.items():
        spec = lookup(name)
        attributes = {"units": spec.units, "standard_name": spec.standard_name, "grid_point": spec.point}
        _write_array(file, name, np.asarray(values), ("time",), attributes)
    for name, value in _field_parameters(trajectory.params).items():
        _write_array(file, _PARAMETER + name.replace("/", "."), value, (), {"parameter": name})
    return bytes(file.close())


def trajectory_from_bytes(content: bytes) -> Trajectory:
    """The trajectory that `trajectory_to_bytes` wrote."""
    from netCDF4 import Dataset

    with Dataset("trajectory", "r", memory=content) as file:
        file.set_auto_mask(False)
        attributes = {name: file.getncattr(name) for name in file.ncattrs()}
        params: Params = json.loads(attributes["params"])
        fields: dict[str, np.ndarray] = {}
        for name, variable in file.variables.items():
            if name.startswith(_PARAMETER):
                group, _, entry = variable.getncattr("parameter").partition("/")
                params.setdefault(group, {})[entry] = np.array(variable[:])
            elif name != "steps":
                fields[name] = np.array(variable[:])
        steps = np.array(file.variables["steps"][:])
    initial = json.loads(attributes["initial"])
    outcome = json.loads(attributes["outcome"])
    return Trajectory(
        steps=steps,
        time_step=float(attributes["time_step"]),
        fields=fields,
        params=params,
        outcome=Outcome(OutcomeKind(outcome["kind"]), int(outcome["step"]), outcome["message"]),
        # Slots and files belong to the process that ran; only the identity outlives it.
        initial=Snapshot(initial["id"], None, int(initial["step"]), None),
    )


def _attributes(trajectory: Trajectory) -> dict[str, Any]:
    scalars = {
        group: {entry: np.asarray(value).item() for entry, value in entries.items() if np.ndim(value) == 0}
        for group, entries in trajectory.params.items()
    }
    outcome = trajectory.outcome
    return {
        "Conventions": "CF-1.8",
        "time_step": float(trajectory.time_step),
        "params": json.dumps(scalars),
        "outcome": json.dumps({"kind": outcome.kind.value, "step": outcome.step, "message": outcome.message}),
        "initial": json.dumps({"id": trajectory.initial.id, "step": trajectory.initial.step}),
    }


def _field_parameters(params: Params) -> dict[str, np.ndarray]:
    return {
        f"{group}/{entry}": np.asarray(value)
        for group, entries in params.items()
        for entry, value in entries.items()
        if np.ndim(value) > 0
    }


def _write_array(
    file: Any, name: str, values: np.ndarray, leading: tuple[str, ...], attributes: dict
) -> None:
    dimensions = list(leading)
    for size in values.shape[len(leading) :]:
        dimension = f"n{size}"
        if dimension not in file.dimensions:
            file.createDimension(dimension, size)
        dimensions.append(dimension)
    variable = file.createVariable(name, "f4" if values.dtype == np.float32 else "f8", dimensions)
    variable.setncatts(attributes)
    variable[...] = values
