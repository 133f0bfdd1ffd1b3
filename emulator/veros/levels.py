"""A field whose last dimension is held apart, an array for each entry, for VEROS's kernels to index and update.

VEROS keeps the three time levels of a field in the last dimension, and the components of its mixing tensor in the last
two. In reverse, every cut of one level out of such an array is a padding into three times as many values, interleaved.
Here a cut of a level is that level. Levels may be held apart twice: the parts are `Levels` then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

#: where the three time levels lie in our arrays, whatever the step
LEVELS = {"taum1": 0, "tau": 1, "taup1": 2}


@jax.tree_util.register_pytree_node_class
class Levels:
    """`field[…, level]` for the arrays `parts`, one for each level; other indices apply to all of them."""

    def __init__(self, parts: Any) -> None:
        self.parts = tuple(parts)

    def tree_flatten(self) -> tuple[tuple[Any, ...], None]:
        """Leaves for JAX."""
        return self.parts, None

    @classmethod
    def tree_unflatten(cls, _: None, parts: Any) -> Levels:
        """From leaves."""
        return cls(parts)

    @property
    def ndim(self) -> int:
        """Dimensions, the levels among them."""
        return int(self.parts[0].ndim) + 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Its last entry is the number of levels."""
        return (*self.parts[0].shape, len(self.parts))

    def __getitem__(self, index: Any) -> Any:
        level, rest = self._split(index)
        return Levels(part[rest] for part in self.parts) if level is None else self.parts[level][rest]

    @property
    def at(self) -> _At:
        """As jax.Array.at: `field.at[index].set(values)`, or `add`, or `multiply`."""
        return _At(self)

    def _split(self, index: Any) -> tuple[int | None, tuple[Any, ...]]:
        """The level, None for all, and the index of the other dimensions."""
        parts = index if isinstance(index, tuple) else (index,)
        places = [place for place, part in enumerate(parts) if part is not None]
        explicit = sum(parts[place] is not Ellipsis for place in places)
        last = places[-1]
        if parts[last] is Ellipsis or (explicit < self.ndim and Ellipsis not in parts):
            return None, parts
        level, rest = parts[last], (*parts[:last], *parts[last + 1 :])
        if level == slice(None):
            return None, rest
        if not isinstance(level, int):
            raise TypeError(f"expected one time level or all of them, got {level!r} in the index {index!r}")
        return level, rest


class _At:
    """`field.at`"""

    def __init__(self, field: Levels, index: Any = None) -> None:
        self._field, self._index = field, index

    def __getitem__(self, index: Any) -> _At:
        return _At(self._field, index)

    def set(self, values: Any) -> Levels:
        """The field with its part `index` replaced by `values`."""
        return self._changed(lambda part, where, to: part.at[where].set(to), values)

    def add(self, values: Any) -> Levels:
        """The field with `values` added to its part `index`."""
        return self._changed(lambda part, where, to: part.at[where].add(to), values)

    def multiply(self, values: Any) -> Levels:
        """The field with its part `index` multiplied by `values`."""
        return self._changed(lambda part, where, to: part.at[where].multiply(to), values)

    def _changed(self, change: Callable[[Any, Any, Any], Any], values: Any) -> Levels:
        level, rest = self._field._split(self._index)
        return Levels(
            part if level not in (None, number) else change(part, rest, _of_level(values, number, level))
            for number, part in enumerate(self._field.parts)
        )


def _of_level(values: Any, number: int, level: int | None) -> Any:
    """What goes into level `number`: that level of values for all levels, or the values themselves."""
    if isinstance(values, Levels):
        return values.parts[number]
    if level is None and np.ndim(values):
        return values[..., min(number, values.shape[-1] - 1)]
    return values
