"""A registered entry as one exchange carries it: narrowed to float32 or not, received with a halo or without."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bridge.description import Entry
from bridge.model import require_finite
from bridge.north_fold import Edges, fill_halo
from bridge.protocol import DTYPES, Role

_NARROW = 2  # code of float32
_REAL_NUMBERS = "biuf"  # kinds of dtypes


@dataclass(frozen=True)
class WireField:
    """`narrow`: float64 travels as float32. `halo`: cells around the global array on this side; they never travel."""

    entry: Entry
    narrow: bool = False
    halo: int = 0  # only of what lies on the grid

    @cached_property
    def number(self) -> int:
        """The entry's number in a list; negative when it is narrowed."""
        return -self.entry.number if self.narrow else self.entry.number

    @cached_property
    def dtype_code(self) -> int:
        """Code of what travels."""
        return _NARROW if self.narrow else self.entry.dtype_code

    @cached_property
    def dtype(self) -> np.dtype:
        """numpy dtype of what travels."""
        return DTYPES[self.dtype_code]

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of the global array on this side, the halo included."""
        if not self.halo:
            return self.entry.shape
        *levels, rows, columns = self.entry.shape
        return (*levels, rows + 2 * self.halo, columns + 2 * self.halo)

    def array(self, value: Any) -> np.ndarray:
        """`value` as a C-contiguous array of this dtype (itself if it is one).

        ValueError if it is not made of real numbers, if its shape is another, or if it is for a parameter and not
        finite: a model need not notice that, and may keep it in places that nothing sets again.
        """
        if np.ma.is_masked(value):
            raise ValueError(f"{self.entry.name!r} has masked values: fill them")
        if isinstance(value, np.ndarray) and value.dtype == self.dtype and value.flags.c_contiguous:
            array = value
        else:
            array = self._converted(value)
        if array.shape != self.shape:
            raise ValueError(f"{self.entry.name!r} has shape {self.shape}, got {array.shape}")
        if self.entry.role is Role.PARAMETER:
            require_finite(self.entry.name, array)
        return array

    def _converted(self, value: Any) -> np.ndarray:
        """`value` in this dtype, C-contiguous. A text is no number, and nobody wants half of a complex one."""
        try:
            given = np.asarray(value)
            if given.dtype.kind in _REAL_NUMBERS:
                with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite
                    return np.ascontiguousarray(given, dtype=self.dtype).reshape(given.shape)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.entry.name!r} should be real numbers: {error}") from error
        raise ValueError(
            f"{self.entry.name!r} should be real numbers, got {given.dtype}: {np.array2string(given, threshold=3):.100}"
        )

    def close_edges(self, array: np.ndarray, edges: Edges) -> None:
        """Fill the halo of `array`, of this shape, once its inner cells have arrived."""
        if self.halo:
            spec = self.entry.spec
            fill_halo(array, edges, spec.point, self.halo, spec.fold_sign)


def as_asked(entry: Entry, dtype: Any = None, halo: int = 0) -> WireField:
    """The entry in its own dtype or, on request and if it is a field of float64, in float32.

    Parameters always travel as they are. ValueError for another dtype than float32.
    """
    return WireField(entry, float32_wanted(dtype) and can_be_narrow(entry), halo if entry.tiled else 0)


def can_be_narrow(entry: Entry) -> bool:
    """Is it a field of float64? Parameters are never narrowed."""
    return entry.dtype == np.float64 and entry.role is not Role.PARAMETER


def float32_wanted(dtype: Any) -> bool:
    """Is `dtype` float32 (True) or None (False)? ValueError for anything else."""
    if dtype is not None and np.dtype(dtype) != np.float32:
        raise ValueError(f"fields travel in the model's dtype (None) or in float32, not in {np.dtype(dtype)}")
    return dtype is not None
