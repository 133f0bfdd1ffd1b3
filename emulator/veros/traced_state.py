"""A VerosState in which chosen settings are traced and the time levels are not.

Every kernel of VEROS is a `jax.jit` function of the state. As VEROS registers it, its arrays are traced (the indices of
the time levels among them) and its settings are part of the compilation key. Here chosen float settings are leaves, so
that derivatives with respect to them exist, the indices are plain numbers, and fields with time levels are `Levels`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
from veros.state import VerosState, VerosVariables

from emulator.veros.levels import LEVELS, Levels

#: traced by VEROS, not by us; the iteration is only asked for in the pressure mode, in which the first step differs
STATIC = {**LEVELS, "itt": 1}


class TracedState(VerosState):
    """Made by `traced_state`, never by itself. Equal to its template: VEROS finds the solver made for that one."""

    _template: VerosState
    _names: tuple[str, ...]
    _levels: tuple[tuple[str, int], ...]

    def __hash__(self) -> int:
        return hash(self._template)

    def __eq__(self, other: object) -> bool:
        return other is self._template or getattr(other, "_template", None) is self._template


def traced_state(
    template: VerosState,
    arrays: Mapping[str, Any],
    settings: Mapping[str, Any],
    levels: Mapping[str, int] = STATIC,
) -> TracedState:
    """`template` with these variables and settings, and everything else of its own."""
    state = TracedState.__new__(TracedState)
    state.__dict__.update(vars(template))
    state._settings = copy.copy(template._settings)
    for name, value in settings.items():
        object.__setattr__(state._settings, name, value)  # around the cast to float: it may be a tracer
    state._variables = _variables(template._variables, {**arrays, **levels})
    state._template = template
    state._names = tuple(settings)
    state._levels = tuple(levels.items())
    return state


class _Variables(VerosVariables):
    """VEROS's variables, whose fields with time levels are `Levels`."""

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Levels):
            object.__setattr__(self, name, value)  # around the cast to an array
        else:
            super().__setattr__(name, value)


def _variables(template: VerosVariables, values: Mapping[str, Any]) -> VerosVariables:
    variables = _Variables.__new__(_Variables)
    for attribute in ("__dimensions__", "__metadata__", "__fields__"):
        object.__setattr__(variables, attribute, getattr(template, attribute))
    object.__setattr__(variables, "__locked__", False)
    for name, value in values.items():
        object.__setattr__(variables, name, value)
    return variables


@dataclass(frozen=True, eq=False)
class _Static:
    """What a compiled kernel depends on besides the leaves."""

    template: VerosState
    names: tuple[str, ...]
    levels: tuple[tuple[str, int], ...]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Static)
            and self.template is other.template
            and (self.names, self.levels) == (other.names, other.levels)
        )

    def __hash__(self) -> int:
        return hash((id(self.template), self.names, self.levels))


def arrays_of(state: VerosState) -> dict[str, Any]:
    """Its variables without the time levels and the iteration."""
    values = vars(state._variables)
    return {name: values[name] for name in state._variables.fields() if name not in STATIC}


def _flatten(state: TracedState) -> tuple[tuple[dict[str, Any], tuple[Any, ...]], _Static]:
    settings = tuple(getattr(state._settings, name) for name in state._names)
    return (arrays_of(state), settings), _Static(state._template, state._names, state._levels)


def _unflatten(static: _Static, children: Sequence[Any]) -> TracedState:
    arrays, values = children
    return traced_state(
        static.template, arrays, dict(zip(static.names, values, strict=True)), dict(static.levels)
    )


jax.tree_util.register_pytree_node(TracedState, _flatten, _unflatten)
