"""Residual vector r(x) and cost J = ½ r·r (notation of Ide et al. 1997, J. Met. Soc. Japan 75, 181).

r stacks the whitened misfit (H(x) − y)/σ of every observation block and, if asked, the prior rows x
(the control vector is scaled so that the prior is N(0, 1)).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bridge.model import Outcome
from emulator.tangent_linear import TangentLinear
from optim.observe import ObservationOperator


@dataclass(frozen=True)
class Observations:
    """One block of data: y = H(fields) + error.

    `values` and `sigma` are [m], in the units of the field; σ is a standard deviation and may hold an
    area weight (σ/√w). `label` names the block in reports; `shape` and `where` put y back on a map:
    an array of that shape (window, (depth,) j, i), flat indices [m]. `cells` are the same data cell by
    cell where the block holds means over boxes: for maps and scores, not for the cost.
    """

    operator: ObservationOperator
    values: np.ndarray
    sigma: np.ndarray
    label: str
    shape: tuple[int, ...] = ()
    where: np.ndarray | None = None
    cells: Observations | None = None

    def __post_init__(self) -> None:
        for name, array in (("values", self.values), ("sigma", self.sigma)):
            if np.shape(array) != (self.operator.size,):
                raise ValueError(
                    f"{self.label}: expected {name} of shape ({self.operator.size},), got {np.shape(array)}"
                )
        if not np.all(np.isfinite(self.values)):
            raise ValueError(f"{self.label}: some observed values are not finite; mask them out first")
        if not np.all(np.asarray(self.sigma) > 0.0):
            raise ValueError(f"{self.label}: every sigma must be positive")

    def misfit(self, fields: Mapping[str, Any]) -> Any:
        """Whitened misfit (H(fields) − y)/σ [m]."""
        return (self.operator(fields) - self.values) / self.sigma

    def tangent(self, fields: Mapping[str, Any]) -> Any:
        """Tangent of the misfit for tangent fields [m]."""
        return self.operator(fields) / self.sigma


@dataclass(frozen=True)
class Cost:
    """The residual vector of all observation blocks, then the n prior rows if `prior`."""

    blocks: tuple[Observations, ...]
    prior: bool = True

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields that the observations need."""
        return tuple(dict.fromkeys(block.operator.field for block in self.blocks))

    def misfit(self, fields: Mapping[str, Any]) -> np.ndarray:
        """Whitened misfit of every block [m]."""
        return np.concatenate([np.zeros(0), *(np.asarray(block.misfit(fields)) for block in self.blocks)])

    def misfit_tangent(self, fields: Mapping[str, Any]) -> np.ndarray:
        """Tangent of the misfit for tangent fields [m]."""
        return np.concatenate([np.asarray(block.tangent(fields)) for block in self.blocks])

    def misfit_adjoint(
        self, weights: np.ndarray, shapes: Mapping[str, tuple[int, ...]]
    ) -> dict[str, np.ndarray]:
        """Transpose of `misfit_tangent`: [m] -> fields of the given shapes."""
        fields = {name: np.zeros(shape) for name, shape in shapes.items()}
        start = 0
        for block in self.blocks:
            part = weights[start : start + block.operator.size] / block.sigma
            fields[block.operator.field] += block.operator.adjoint(part, shapes[block.operator.field])
            start += block.operator.size
        return fields

    def residual(self, misfit: np.ndarray, x: np.ndarray) -> np.ndarray:
        """r [m + n]: the misfit and the prior rows."""
        return np.concatenate([misfit, x]) if self.prior else misfit

    def residual_tangent(self, tangent: TangentLinear) -> TangentLinear:
        """Tangent linear of r from the one of the misfit, both with respect to x [n]."""
        if not self.prior:
            return tangent

        def mv_many(v: np.ndarray) -> np.ndarray:
            return np.concatenate([np.asarray(tangent.columns(v)), v], axis=1)

        return TangentLinear(
            mv=lambda v: np.concatenate([np.asarray(tangent.mv(v)), v]),
            rmv=lambda w: np.asarray(tangent.rmv(w[: w.size - self._size(w)])) + w[w.size - self._size(w) :],
            mv_many=mv_many,
        )

    def _size(self, w: np.ndarray) -> int:
        """Number of prior rows in a residual-shaped vector."""
        return w.size - sum(block.operator.size for block in self.blocks)


@dataclass(frozen=True)
class Evaluation:
    """What an estimator knows about one x.

    `value` is J (inf when the run failed), `grad` [n] (None if not asked for), `residual` [m + n], `tangent`
    the Jacobian products of the residual, `standard_error` [n] of the gradient where the estimator has
    one, `runs` the model runs that this evaluation asked for, `outcome` how the run at x ended.
    """

    x: np.ndarray
    value: float
    residual: np.ndarray | None
    outcome: Outcome
    grad: np.ndarray | None = None
    tangent: TangentLinear | None = None
    standard_error: np.ndarray | None = None
    runs: int = 0

    @property
    def ok(self) -> bool:
        """True when the run at x completed, so that residual and value mean something."""
        return self.residual is not None


def half_square(residual: np.ndarray) -> float:
    """J = ½ r·r."""
    return 0.5 * float(residual @ residual)
