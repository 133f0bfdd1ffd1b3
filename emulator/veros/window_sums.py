"""A traced function with its sums of padded arrays made in place: what reverse mode makes of a stencil, faster.

The reverse of a function that cuts windows out of an array (x[1:] - x[:-1]) pads the cotangent of every window with
zeros to the whole array and adds the arrays up. XLA makes one loop of it that asks at every point, for every summand,
whether the point lies inside. Here the program is evaluated again, with such sums held apart until somebody needs them:

* summands of the same window are added as they are, and the sum of each window is then added to the whole in place;
* a scatter into, or a gather of, one window at a known place is an update of the array, or a slice of it.

The values are those of the function but for rounding: the summands are the same, their order is another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Literal

#: the first index and the shape of a window
Window = tuple[tuple[int, ...], tuple[int, ...]]

#: a value computed from known ones is known as well if it has no more entries than this: the index of a window
_INDEX_SIZE = 8


def with_window_sums(function: Callable) -> Callable:
    """`function` (arrays in and out, in any containers) with its sums of padded arrays made in place."""

    def evaluated(*args: Any) -> Any:
        program, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        results = _evaluated(program.jaxpr, program.consts, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shapes), [_whole(result) for result in results])

    return evaluated


class WindowSum:
    """Σ_w pad(part_w): an array [shape] that is zero but in the windows of `parts`, where these are added."""

    def __init__(self, shape: tuple[int, ...], parts: dict[Window, Any]) -> None:
        self.shape = shape
        self.parts = parts

    def plus(self, other: WindowSum) -> WindowSum:
        """The sum of both; parts of the same window are added at once."""
        parts = dict(self.parts)
        for window, part in other.parts.items():
            parts[window] = lax.add(parts[window], part) if window in parts else part
        return WindowSum(self.shape, parts)

    def padded(self, low: Sequence[int], shape: tuple[int, ...]) -> WindowSum:
        """The same in an array of `shape`, `low` entries further on."""
        moved = {
            (tuple(map(sum, zip(start, low, strict=True))), sizes): part
            for (start, sizes), part in self.parts.items()
        }
        return WindowSum(shape, moved)

    def whole(self) -> jax.Array:
        """As one array, made once."""
        (window, total), *others = sorted(self.parts.items(), key=lambda item: -math.prod(item[0][1]))
        total = _padded(total, window, self.shape)
        for (start, sizes), part in others:
            stop = [first + size for first, size in zip(start, sizes, strict=True)]
            total = lax.dynamic_update_slice(total, lax.slice(total, start, stop) + part, start)
        self.parts = {_everywhere(self.shape): total}
        return total


def _everywhere(shape: tuple[int, ...]) -> Window:
    return (0,) * len(shape), shape


def _padded(part: jax.Array, window: Window, shape: tuple[int, ...]) -> jax.Array:
    start, sizes = window
    if sizes == shape:
        return part
    sides = [(first, n - first - size, 0) for first, size, n in zip(start, sizes, shape, strict=True)]
    return lax.pad(part, jnp.zeros((), part.dtype), sides)


def _whole(value: Any) -> Any:
    return value.whole() if isinstance(value, WindowSum) else value


def _sum_of(value: Any) -> WindowSum:
    return (
        value if isinstance(value, WindowSum) else WindowSum(value.shape, {_everywhere(value.shape): value})
    )


def _evaluated(jaxpr: Any, consts: Iterable[Any], args: Iterable[Any]) -> list[Any]:
    """The results of `jaxpr`, arrays or `WindowSum`s, for arguments of either kind."""
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else values[atom]

    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        rule = _RULES.get(equation.primitive.name)
        results = rule(equation, *inputs) if rule else None
        if results is None:
            results = _bound(equation, inputs)
        values.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _bound(equation: Any, inputs: Sequence[Any]) -> list[Any]:
    """What the equation itself gives; at once if that is an index."""
    primitive, wholes = equation.primitive, [_whole(value) for value in inputs]
    params = primitive.get_bind_params(equation.params)
    small = all(math.prod(result.aval.shape) <= _INDEX_SIZE for result in equation.outvars)
    if small and wholes and all(map(_known, wholes)):
        with jax.ensure_compile_time_eval():
            results = primitive.bind(*wholes, **params)
    else:
        results = primitive.bind(*wholes, **params)
    return list(results) if primitive.multiple_results else [results]


def _known(value: Any) -> bool:
    return not isinstance(value, (jax.core.Tracer, WindowSum))


# A rule returns the results of an equation, or None if the equation is not of the kind that it knows.


def _inlined(equation: Any, *inputs: Any) -> list[Any]:
    called = equation.params["jaxpr"]
    return _evaluated(called.jaxpr, called.consts, inputs)


def _pad(equation: Any, array: Any, filling: Any) -> list[WindowSum] | None:
    sides = equation.params["padding_config"]
    zeros = _known(filling) and complex(filling) == 0
    if not zeros or any(low < 0 or high < 0 or between for low, high, between in sides):
        return None
    return [_sum_of(array).padded([low for low, _, _ in sides], equation.outvars[0].aval.shape)]


def _add(equation: Any, left: Any, right: Any) -> list[WindowSum] | None:
    if isinstance(left, WindowSum) or isinstance(right, WindowSum):
        return [_sum_of(left).plus(_sum_of(right))]
    return None


def _scatter(equation: Any, array: Any, index: Any, update: Any) -> list[jax.Array] | None:
    numbers = equation.params["dimension_numbers"]
    if (
        equation.params["update_jaxpr"] is not None
    ):  # .at[…].apply: no values, a function of those that are there
        return None
    if not _known(index) or np.ndim(index) != 1 or numbers.operand_batching_dims:
        return None
    kept = iter(update.shape)
    sizes = [1 if axis in numbers.inserted_window_dims else next(kept) for axis in range(len(array.shape))]
    start = _start(index, numbers.scatter_dims_to_operand_dims, array.shape, sizes)
    if start is None:
        return None
    return [lax.dynamic_update_slice(_whole(array), lax.reshape(_whole(update), sizes), start)]


def _gather(equation: Any, array: Any, index: Any) -> list[jax.Array] | None:
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    if not _known(index) or np.ndim(index) != 1 or numbers.operand_batching_dims:
        return None
    start = _start(index, numbers.start_index_map, array.shape, sizes)
    if start is None:
        return None
    stop = [first + size for first, size in zip(start, sizes, strict=True)]
    return [lax.squeeze(lax.slice(_whole(array), start, stop), numbers.collapsed_slice_dims)]


def _start(
    index: Any, axes: Sequence[int], shape: Sequence[int], sizes: Sequence[int]
) -> tuple[int, ...] | None:
    """The first index of a window; None if it does not lie inside the array, where each mode does something else."""
    start = [0] * len(shape)
    for axis, first in zip(axes, np.asarray(index), strict=True):
        start[axis] = int(first)
    inside = all(0 <= first <= n - size for first, n, size in zip(start, shape, sizes, strict=True))
    return tuple(start) if inside else None


_RULES: dict[str, Callable[..., list[Any] | None]] = {
    "jit": _inlined,
    "pad": _pad,
    "add_any": _add,
    "scatter": _scatter,
    "gather": _gather,
}
