"""Checks of a derivative that users call and tests rely on: Taylor slope, dot product, finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emulator.tangent_linear import TangentLinear, dot_product_error
from optim.control import ControlVector


@dataclass(frozen=True)
class TaylorTest:
    """Remainders |r(x + εd) − r(x) − ε J d| for each ε, and the slope of their logarithm between ε's."""

    steps: np.ndarray
    remainders: np.ndarray

    @property
    def slopes(self) -> np.ndarray:
        """Local slopes: 2 for an exact derivative, 1 for a wrong one, below 1 in the rounding regime."""
        logs = np.log(np.maximum(self.remainders, np.finfo(float).tiny))
        return np.diff(logs) / np.diff(np.log(self.steps))

    @property
    def best_slope(self) -> float:
        """The largest local slope."""
        return float(self.slopes.max())


def taylor_test(
    residual: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    tangent: TangentLinear,
    direction: np.ndarray,
    steps: Sequence[float] = (1e-1, 1e-2, 1e-3, 1e-4),
) -> TaylorTest:
    """Taylor remainders of `residual` ([n] -> [m]) along `direction` [n]; one call for x and one per step."""
    start, change = np.asarray(residual(x)), np.asarray(tangent.mv(direction))
    remainders = [
        float(np.linalg.norm(np.asarray(residual(x + step * direction)) - start - step * change))
        for step in steps
    ]
    return TaylorTest(np.asarray(steps, dtype=float), np.asarray(remainders))


def dot_product_test(tangent: TangentLinear, inputs: int, outputs: int, seed: int = 0) -> float:
    """Largest relative error of ⟨J v, w⟩ = ⟨v, Jᵀ w⟩ over three random pairs of flat vectors."""
    random = np.random.default_rng(seed)
    return max(
        dot_product_error(tangent, random.standard_normal(inputs), random.standard_normal(outputs))
        for _ in range(3)
    )


@dataclass(frozen=True)
class GradientComparison:
    """A gradient against a reference, both in units of x."""

    cosine: float
    norm_ratio: float
    sign_agreement: float  # fraction of components whose sign is right
    null_cosine: float  # what the guess "all components equal, signs of the majority" scores
    relative_error: float


def compare_gradients(gradient: np.ndarray, reference: np.ndarray) -> GradientComparison:
    """Cosine, norm ratio and sign agreement of `gradient` [n] with `reference` [n], beside a null guess."""
    gradient, reference = np.asarray(gradient, float), np.asarray(reference, float)
    return GradientComparison(
        cosine=cosine(gradient, reference),
        norm_ratio=float(np.linalg.norm(gradient) / _norm(reference)),
        sign_agreement=float(np.mean(np.sign(gradient) == np.sign(reference))),
        null_cosine=abs(cosine(np.ones_like(reference), reference)),
        relative_error=float(np.linalg.norm(gradient - reference) / _norm(reference)),
    )


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of the angle between two vectors; 0 if either vanishes."""
    return float(np.dot(a, b) / (_norm(a) * _norm(b)))


def _norm(vector: np.ndarray) -> float:
    return max(float(np.linalg.norm(vector)), np.finfo(float).tiny)


@dataclass(frozen=True)
class DifferenceSweep:
    """Central differences of J for a sweep of steps [s], per component [n], and the best against a gradient."""

    steps: np.ndarray
    gradients: np.ndarray  # [s, n]
    relative_errors: np.ndarray  # [s, n], each component against the gradient under test

    @property
    def best_errors(self) -> np.ndarray:
        """Smallest relative error of each component over the sweep [n]."""
        return self.relative_errors.min(axis=0)

    @property
    def best_steps(self) -> np.ndarray:
        """The step at which each component's error is smallest [n]."""
        return self.steps[self.relative_errors.argmin(axis=0)]

    @property
    def best_gradient(self) -> np.ndarray:
        """Finite differences at each component's best step [n]."""
        return np.take_along_axis(self.gradients, self.relative_errors.argmin(axis=0)[None], axis=0)[0]


def difference_sweep(
    value: Callable[[np.ndarray], float],
    x: np.ndarray,
    gradient: np.ndarray,
    steps: Sequence[float] = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5),
) -> DifferenceSweep:
    """Central finite differences of `value` at x for every step against `gradient`: 2·n·len(steps) calls.

    Too large a step shows curvature, too small a one rounding; an honest comparison shows the sweep.
    """
    gradients = np.array(
        [
            [(value(x + step * e) - value(x - step * e)) / (2.0 * step) for e in np.eye(len(x))]
            for step in steps
        ]
    )
    size = np.maximum(np.abs(gradient), np.finfo(float).tiny)
    return DifferenceSweep(np.asarray(steps, float), gradients, np.abs(gradients - gradient) / size)


def describe_sweep(sweep: DifferenceSweep, controls: ControlVector) -> str:
    """The sweep as a text table: one row per control, one column per step."""
    header = "control".ljust(28) + "".join(f"{step:>12.0e}" for step in sweep.steps)
    rows = [
        name.ljust(28) + "".join(f"{error:>12.2e}" for error in sweep.relative_errors[:, number])
        for number, name in enumerate(controls.names)
    ]
    return "\n".join([header, *rows])
