"""The entries of a TOML table against the annotations of the dataclass that they become.

What an entry may be stands beside its field, `every: Count`, `rate: Positive`, `kind: Literal["twin", …]`. A list
becomes a tuple and a whole number a float where the field says so; nothing else is converted: 6.0 is no whole number,
true no number, "6" neither. Numbers are finite, except where infinity means "no limit" (`…OrInfinite`).
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from bridge.errors import ConfigurationError

_LARGEST_INTEGER = 2**63 - 1  # TOML's own


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; without `low` itself if `above`; with inf if `infinite`."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    infinite: bool = False

    def __contains__(self, value: float) -> bool:
        if math.isinf(value) and not self.infinite:
            return False
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        """In words, to follow "a number"."""
        if self.low == -math.inf:
            return ""
        if self.high < math.inf:
            return f" from {self.low:g} to {self.high:g}"
        words = f" {'above' if self.above else 'of at least'} {self.low:g}"
        return f"{words} (or inf)" if self.infinite else words


_ANY = Range()
Count: TypeAlias = Annotated[int, Range(1)]
Index: TypeAlias = Annotated[int, Range(0)]
Positive: TypeAlias = Annotated[float, Range(0.0, above=True)]
PositiveOrInfinite: TypeAlias = Annotated[float, Range(0.0, above=True, infinite=True)]
NonNegative: TypeAlias = Annotated[float, Range(0.0)]
NonNegativeOrInfinite: TypeAlias = Annotated[float, Range(0.0, infinite=True)]
Fraction: TypeAlias = Annotated[float, Range(0.0, 1.0)]


def make(kind: type, label: str, table: Any) -> Any:
    """The dataclass `kind` from a TOML table; `label` names the table in errors, as in "[window]"."""
    return kind(**checked(kind, label, table))


def checked(kind: type, label: str, table: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """The entries of a TOML table, as the fields of `kind` that are not in `without`.

    `ConfigurationError` for an unknown, missing or unfit entry.
    """
    fields = {item.name: item for item in dataclasses.fields(kind) if item.name not in without}
    refuse_unknown(label, as_table(label, table), fields)
    missing = [name for name, item in fields.items() if name not in table and _needed(item)]
    if missing:
        raise ConfigurationError(f"{label}: missing {', '.join(missing)}")
    hints = get_type_hints(kind, include_extras=True)
    return {name: check(label, name, value, hints[name]) for name, value in table.items()}


def check(label: str, name: str, value: Any, hint: Any) -> Any:
    """`value` as the type that `hint` annotates; `ConfigurationError` if it does not fit."""
    if not _fits(value, hint):
        choices = get_args(hint) if get_origin(hint) is Literal else ()
        near = _nearest(value, choices)
        raise ConfigurationError(f"{label}: {name} should be {_words(hint)}, got {_shown(value)}{near}")
    return _converted(value, hint)


def as_table(label: str, value: Any) -> Mapping[str, Any]:
    """`value` if it is a table."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{label} should be a table of entries, got {_shown(value)}")
    return value


def as_tables(label: str, value: Any) -> list[Mapping[str, Any]]:
    """`value` if it is a list of tables, as in [[observations]]."""
    if isinstance(value, Mapping):
        raise ConfigurationError(f"{label} needs double brackets: there may be several such tables")
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"{label} should be a list of tables, got {_shown(value)}")
    return [as_table(f"{label} number {number}", item) for number, item in enumerate(value, start=1)]


def refuse_unknown(label: str, table: Mapping[str, Any], known: Collection[str]) -> None:
    """`ConfigurationError` for an entry that is not `known`, with the nearest that is."""
    for name in table:
        if name not in known:
            near = _nearest(name, known) or f"; known: {', '.join(sorted(known))}"
            raise ConfigurationError(f"{label}: unknown entry {name!r}{near}")


def _nearest(name: Any, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), 1) if isinstance(name, str) else []
    return f"; did you mean {near[0]!r}?" if near else ""


def _needed(item: dataclasses.Field) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _parts(hint: Any) -> tuple[Any, Range]:
    """Type and range of an annotation."""
    if get_origin(hint) is Annotated:
        kind, limits = get_args(hint)
        return kind, limits
    return hint, _ANY


def _elements(kind: Any, count: int) -> tuple[Any, ...] | None:
    """Annotations of the elements of a list of that length; None if it should have another."""
    elements = get_args(kind)
    if elements[-1] is Ellipsis:
        return (elements[0],) * count
    return elements if len(elements) == count else None


def _fits(value: Any, hint: Any) -> bool:
    kind, limits = _parts(hint)
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if get_origin(kind) is tuple:
        elements = _elements(kind, len(value)) if isinstance(value, list | tuple) else None
        return elements is not None and all(map(_fits, value, elements))
    if kind not in (int, float):
        return isinstance(value, kind)
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        return False
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        return False
    return value in limits


def _converted(value: Any, hint: Any) -> Any:
    kind, _ = _parts(hint)
    if get_origin(kind) is tuple:
        elements = _elements(kind, len(value))
        assert elements is not None
        return tuple(map(_converted, value, elements))
    return float(value) if kind is float else value


def _words(hint: Any) -> str:
    """What fits, for "… should be …"."""
    kind, limits = _parts(hint)
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in get_args(kind))
    if get_origin(kind) is tuple:
        elements = get_args(kind)
        size = "" if elements[-1] is Ellipsis else f" of {len(elements)}"
        return f"a list{size}, each {_words(elements[0])}"
    if kind is float:
        return f"a number{limits}" if limits.infinite else f"a finite number{limits}"
    return {int: f"a whole number{limits}", bool: "true or false", str: "a text"}[kind]


def _shown(value: Any) -> str:
    """As in the file."""
    return str(value).lower() if isinstance(value, bool) else repr(value)
