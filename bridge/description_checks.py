"""Is a text that came from outside what bridge_description.f90 writes? Nothing in it is believed unseen."""

from __future__ import annotations

import json
import math
import reprlib
from typing import Any

from bridge.errors import ProtocolError
from bridge.protocol import DTYPES, LOGICAL, MAX_RANK, Role

LARGEST_FIELD = 2**40  # bytes of a global array; a real one of ORCA36 has 1e11
_LARGEST = {1: 2**63, 2: 2**63, 3: 2**31}  # dtype code -> what an integer value must stay below
_ROLES = tuple(int(role) for role in Role)


def checked(text: str) -> dict[str, Any]:
    """The description as an object whose entries have the right types and sizes; ProtocolError if they have not.

    Entries that we do not know are left alone: later releases may add some.
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"expected a description in JSON, got {reprlib.repr(text)} ({error})") from error
    _expect(isinstance(told, dict), "an object", "description", told)
    for key in ("model", "version"):
        _expect(_is_text(told.get(key)), "a text", key, told.get(key))
    step = told.get("time_step")
    _expect(_is_number(step, 2**53) and math.isfinite(step) and step >= 0, "seconds", "time_step", step)
    for key, count, least in (("global_shape", 3, 0), ("tile_start", 2, 1), ("tile_shape", 2, 0)):
        _expect(_are_sizes(told.get(key), count, least), f"{count} sizes", key, told.get(key))
    periodic, fold = told.get("periodic", [False, False]), told.get("fold", "none")
    _expect(
        isinstance(periodic, list) and list(map(type, periodic)) == [bool] * 2,
        "2 truth values",
        "periodic",
        periodic,
    )
    _expect(_is_text(fold), "a text", "fold", fold)
    fields = told.get("fields")
    _expect(isinstance(fields, list), "a list", "fields", fields)
    for field in fields:
        _check_field(field, told)
    names = [field["name"] for field in fields]
    _expect(len(set(names)) == len(names), "each name once", "fields", names)
    return told


def _check_field(field: Any, told: dict[str, Any]) -> None:
    """One registered name."""
    _expect(isinstance(field, dict), "an object", "field", field)
    name = field.get("name")
    _expect(_is_text(name) and name != "", "a name", "field", name)
    code, extents = field.get("dtype"), field.get("extents")
    _expect(type(field.get("role")) is int and field["role"] in _ROLES, "a role", name, field.get("role"))
    _expect(type(code) is int and code in DTYPES, "a dtype code", name, code)
    for key in ("point", "units"):
        _expect(_is_text(field.get(key)), f"a text for {key}", name, field.get(key))
    _expect(isinstance(extents, list) and _are_sizes(extents, len(extents)), "extents", name, extents)
    _expect(len(extents) <= MAX_RANK, f"at most {MAX_RANK} dimensions", name, extents)
    shape = extents
    if len(extents) >= 2:
        _expect(extents[:2] == told["tile_shape"], f"a tile of {told['tile_shape']}", name, extents)
        shape = [*told["global_shape"][:2], *extents[2:]]
    _expect(math.prod(shape) * DTYPES[code].itemsize <= LARGEST_FIELD, "an array of this world", name, shape)
    if not extents:
        _expect(_is_value(field.get("value"), code), "a value of its type", name, field.get("value"))


def _expect(right: bool, expected: str, of: str, got: Any) -> None:
    if not right:
        raise ProtocolError(f"expected {expected} for {of!r}, got {reprlib.repr(got)}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_number(value: Any, below: int) -> bool:
    """Is it a float, or an integer that is not larger than a number in Fortran can be?"""
    return isinstance(value, float) or (type(value) is int and -below <= value < below)


def _is_value(value: Any, code: int) -> bool:
    if code == LOGICAL:
        return isinstance(value, bool)
    return _is_number(value, _LARGEST[code]) and (isinstance(value, int) or code != 3)


def _are_sizes(values: Any, count: int, least: int = 0) -> bool:
    return (
        isinstance(values, list)
        and len(values) == count
        and all(type(value) is int and least <= value < 2**31 for value in values)
    )
