"""The controls of an experiment file: its `[[controls]]` tables, and the values that [truth] and `start` give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from bridge.errors import ConfigurationError
from bridge.model import Params
from optim.control import Control, ControlVector
from optim.patches import MapControl
from optim.settings_check import as_tables, check, make, refuse_unknown


def from_table(tables: Any) -> ControlVector:
    """Controls from the `[[controls]]` tables; one with `patches` is a map. Their `start` is not read here."""
    known = [item.name for item in fields(MapControl)] + ["start"]
    controls = []
    for number, table in enumerate(as_tables("[[controls]]", tables), start=1):
        label = f"[[controls]] number {number} ({table.get('group', '?')}/{table.get('entry', '?')})"
        refuse_unknown(label, table, known)
        control = {name: value for name, value in table.items() if name != "start"}
        controls.append(make(MapControl if "patches" in table else Control, label, control))
    return ControlVector(tuple(controls))


def start_values(tables: Any, controls: ControlVector) -> Params:
    """Start values where a control gives one; elsewhere the tuning starts from the prior mean."""
    params: Params = {}
    for table, control in zip(tables, controls.controls, strict=True):
        if "start" in table:
            value = _value("[[controls]]", "start of ", table["start"], control)
            params.setdefault(control.group, {})[control.entry] = value
    return params


def true_values(table: Mapping[str, Any], controls: ControlVector) -> Params:
    """True values of controls, `{"group/entry" = value}`."""
    by_name = {control.name: control for control in controls.controls}
    params: Params = {}
    for name, value in table.items():
        if name not in by_name:
            raise ConfigurationError(
                f"[truth]: {name} is not among the controls, which are {', '.join(by_name)}"
            )
        control = by_name[name]
        params.setdefault(control.group, {})[control.entry] = _value("[truth]", "", value, control)
    return params


def _value(table: str, what: str, value: Any, control: Control) -> float | np.ndarray:
    """A number within the bounds; of a map also one for each patch, [rows, columns] from the south and the west."""
    if not isinstance(control, MapControl) or not isinstance(value, list):
        return _number(table, what, value, control)
    rows, columns = control.patches
    if len(value) != rows or any(not isinstance(row, list) or len(row) != columns for row in value):
        raise ConfigurationError(
            f"{table}: {what}{control.name} should be a number, or {rows} lists of {columns} numbers, one for each "
            "patch"
        )
    return np.array([[_number(table, what, item, control) for item in row] for row in value])


def _number(table: str, what: str, value: Any, control: Control) -> float:
    """`value` as a number that the control may have."""
    number: float = check(table, f"{what}{control.name}", value, float)
    try:
        control.to_scaled(number)
    except ConfigurationError as error:
        raise ConfigurationError(f"{table}: {what}{error}") from error
    return number
