"""NEMO's reference levels: depths as a stretched function of the level (Madec and Imbard 1996), 31 or 75 of them.

z(k) = a₂ + a₀ k + a₁ h ln cosh((k − k_h)/h), with one more term of that form for 75 levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bridge.errors import ConfigurationError


@dataclass(frozen=True)
class _Bend:
    """A change of slope: around level `level`, over `width` levels, by twice `slope`."""

    slope: float
    level: float
    width: float

    def depth(self, k: np.ndarray) -> np.ndarray:
        return self.slope * self.width * np.log(np.cosh((k - self.level) / self.width))


#: number of levels: depth at k = 0, thickness in the middle, bends (namelist values of NEMO's ORCA2 and eORCA1)
_PROFILES = {
    31: (-4762.96143546300, 255.58049070440, (_Bend(245.58132232490, 21.43336197938, 3.0),)),
    75: (
        -3958.951371276829,
        103.953009600000,
        (_Bend(2.415951269000, 15.35101370000, 7.0), _Bend(100.760928500000, 48.02989372000, 13.0)),
    ),
}


@dataclass(frozen=True)
class Levels:
    """Depths [k] in m of W points (tops of the cells) and T points, and their distances e3t and e3w."""

    gdepw: np.ndarray
    gdept: np.ndarray

    @property
    def count(self) -> int:
        """How many; the last one is always rock."""
        return int(self.gdept.size)

    @property
    def e3t(self) -> np.ndarray:
        """Thicknesses; the last, which has no lower face, is symmetrical about its T point."""
        return np.append(np.diff(self.gdepw), 2 * (self.gdept[-1] - self.gdepw[-1]))

    @property
    def e3w(self) -> np.ndarray:
        """Distances of T points; the first is twice the depth of the uppermost."""
        return np.append(2 * self.gdept[0], np.diff(self.gdept))


def reference_levels(count: int) -> Levels:
    """The profile with `count` levels."""
    if count not in _PROFILES:
        raise ConfigurationError(f"expected {' or '.join(map(str, _PROFILES))} levels, got {count}")
    surface, slope, bends = _PROFILES[count]

    def depth(k: np.ndarray) -> np.ndarray:
        return surface + slope * k + sum(bend.depth(k) for bend in bends)

    k = np.arange(1.0, count + 1)
    tops = depth(k)
    tops[0] = 0.0
    return Levels(tops, depth(k + 0.5))
