"""Tunable namelist entries, and the vector that minimisers see.

A control's transform u(θ) is the identity, log θ or log((θ − lower)/(upper − θ)). The control vector is
x = (u(θ) − u(prior mean)) / s with s = u'(prior mean)·(prior spread), so that the prior is x ~ N(0, 1)
to first order and every component is of order one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from bridge.errors import ConfigurationError
from bridge.model import Params
from optim.settings_check import Positive

Transform = Literal["linear", "log", "logit"]
_BOUND_FRACTION = 0.02  # closer to its bound than this, a tuned value is called "at bound"


@dataclass(frozen=True)
class Control:
    """One tunable entry.

    `prior_mean` and `prior_spread` (a standard deviation) and the bounds are in `units`, the units of the
    namelist entry.
    """

    group: str
    entry: str
    lower: float
    upper: float
    prior_mean: float
    prior_spread: Positive
    transform: Transform = "linear"
    units: str = "1"

    def __post_init__(self) -> None:
        if self.transform not in get_args(Transform):
            raise ConfigurationError(
                f"{self.name}: transform must be one of {get_args(Transform)}, got {self.transform!r}"
            )
        if not self.lower < self.prior_mean < self.upper:
            raise ConfigurationError(
                f"{self.name}: expected lower < prior_mean < upper, got {self.lower}, {self.prior_mean}, "
                f"{self.upper}"
            )
        if self.prior_spread <= 0.0:
            raise ConfigurationError(f"{self.name}: prior_spread must be positive, got {self.prior_spread}")
        if self.transform == "log" and self.lower <= 0.0:
            raise ConfigurationError(
                f"{self.name}: a log transform needs lower > 0, got {self.lower}; use linear or logit"
            )

    @property
    def name(self) -> str:
        """The name on the wire, "group/entry"."""
        return f"{self.group}/{self.entry}"

    @property
    def scale(self) -> float:
        """Prior spread in transformed units."""
        return self.prior_spread * self._transform_slope(self.prior_mean)

    def to_scaled(self, value: float) -> float:
        """x of a physical value; `ConfigurationError` if it lies outside the bounds."""
        if not self.lower <= value <= self.upper or (
            self.transform == "logit" and not self.lower < value < self.upper
        ):
            raise ConfigurationError(
                f"{self.name}: {value} is outside its bounds [{self.lower}, {self.upper}]"
            )
        return (self._transform(value) - self._transform(self.prior_mean)) / self.scale

    def to_physical(self, x: float) -> float:
        """Physical value of x."""
        u = self._transform(self.prior_mean) + self.scale * x
        if self.transform == "log":
            return float(np.exp(u))
        if self.transform == "logit":
            return float(self.lower + (self.upper - self.lower) * _logistic(u))
        return float(u)

    def slope(self, x: float) -> float:
        """dθ/dx at x, in the units of the entry."""
        return self.scale / self._transform_slope(self.to_physical(x))

    def put(self, params: Params, value: float) -> None:
        """Write a physical value to its place."""
        params.setdefault(self.group, {})[self.entry] = value

    def value_in(self, params: Mapping[str, Mapping[str, Any]]) -> float | None:
        """The physical value that is there, None if there is none."""
        value = params.get(self.group, {}).get(self.entry)
        return None if value is None else float(value)

    def scaled_bounds(self) -> tuple[float, float]:
        """Bounds of x; a logit is unbounded."""
        if self.transform == "logit":
            return -np.inf, np.inf
        return self.to_scaled(self.lower), self.to_scaled(self.upper)

    def at_bound(self, value: float) -> bool:
        """True within 2 % of a bound: of its value, or of the range on the transform's own axis."""
        axis = np.log if self.transform == "log" else float
        reach = _BOUND_FRACTION * (axis(self.upper) - axis(self.lower))
        return any(
            abs(axis(value) - axis(bound)) <= reach or abs(value - bound) <= _BOUND_FRACTION * abs(bound)
            for bound in (self.lower, self.upper)
        )

    def _transform(self, value: float) -> float:
        if self.transform == "log":
            return float(np.log(value))
        if self.transform == "logit":
            return float(np.log((value - self.lower) / (self.upper - value)))
        return float(value)

    def _transform_slope(self, value: float) -> float:
        """du/dθ."""
        if self.transform == "log":
            return 1.0 / value
        if self.transform == "logit":
            # far out on the logistic curve θ rounds to a bound; the slope of x(θ) is then "very large"
            gaps = (
                max(value - self.lower, np.finfo(float).tiny),
                max(self.upper - value, np.finfo(float).tiny),
            )
            return 1.0 / gaps[0] + 1.0 / gaps[1]
        return 1.0


def _logistic(u: float) -> float:
    """1/(1 + exp(−u)) without overflow."""
    return float(0.5 * (1.0 + np.tanh(0.5 * u)))


@dataclass(frozen=True)
class ControlVector:
    """The controls of one experiment, in order: the map between x [n] and `Params`."""

    controls: tuple[Control, ...]

    def __post_init__(self) -> None:
        names = [control.name for control in self.controls]
        if not names:
            raise ConfigurationError("no controls: list at least one namelist entry to tune")
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ConfigurationError(f"controls listed twice: {', '.join(repeated)}")

    def __len__(self) -> int:
        return len(self.controls)

    @property
    def names(self) -> tuple[str, ...]:
        """Names on the wire, in the order of x."""
        return tuple(control.name for control in self.controls)

    def to_params(self, x: np.ndarray) -> Params:
        """Namelist values of a control vector [n]."""
        params: Params = {}
        for control, component in zip(self.controls, self._checked(x), strict=True):
            control.put(params, control.to_physical(component))
        return params

    def to_vector(self, params: Mapping[str, Mapping[str, Any]]) -> np.ndarray:
        """Control vector [n] of namelist values; a control that is absent keeps its prior mean (x = 0)."""
        values = [control.value_in(params) for control in self.controls]
        return np.array(
            [0.0 if v is None else c.to_scaled(v) for c, v in zip(self.controls, values, strict=True)]
        )

    def to_values(self, x: np.ndarray) -> np.ndarray:
        """Physical values [n], each in the units of its control."""
        return np.array([c.to_physical(xi) for c, xi in zip(self.controls, self._checked(x), strict=True)])

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """dθ/dx [n]."""
        return np.array([c.slope(xi) for c, xi in zip(self.controls, self._checked(x), strict=True)])

    def project(self, x: np.ndarray) -> np.ndarray:
        """x moved inside the bounds [n]."""
        lower, upper = np.array([control.scaled_bounds() for control in self.controls]).T
        return np.clip(self._checked(x), lower, upper)

    def _checked(self, x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        if x.shape != (len(self),):
            raise ValueError(f"expected a control vector of shape ({len(self)},), got {x.shape}")
        return x
