"""Functions that XLA compiles apart from what calls them.

Left alone, XLA's CPU compiler fuses chains of stencils into kernels of hundreds of operations, which compute the
same neighbours again and again and do not vectorise; derivatives suffer most (docs/derivatives.md has the
figures). So the step is cut at its blocks and shifts. Results change by rounding only.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
from jax.experimental.xla_metadata import set_xla_metadata

P = ParamSpec("P")
R = TypeVar("R")


def isolated(function: Callable[P, R]) -> Callable[P, R]:
    """`function` of arrays as a computation of its own; its argument `config`, if it has one, is static."""

    @functools.wraps(function)
    def body(*args: Any, **kwargs: Any) -> R:
        # the mark is for this call, not for the calls inside
        with set_xla_metadata(inlineable=None):
            return function(*args, **kwargs)

    static = [name for name in inspect.signature(function).parameters if name == "config"]
    compiled = jax.jit(body, static_argnames=static)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with set_xla_metadata(inlineable="false"):
            return compiled(*args, **kwargs)

    return call
