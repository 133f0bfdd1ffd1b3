"""Regression by a Gaussian process with a linear trend, and its derivative (Rasmussen & Williams 2006, ch. 2, 5).

    y(x) = (1, x)·b + f(x) + noise,   cov(f, f') = s² exp(−½ Σ_i (x_i − x'_i)²/l_i²),   var(noise) = s² g

Each variable has a length l_i of its own: the one along which y bends most gets the shortest, and those along which y
is straight cost no data. The lengths and the noise g maximise the likelihood in which b and s² have been eliminated.
With few points it has several maxima, of which some take a bend for noise: the highest one found is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

_LENGTHS = (0.5, 50.0)  # in the units of x; the longest is as good as a straight line
_NOISES = (1e-8, 1.0)
_STARTS = ((4.0, 1e-4), (1.5, 1e-6), (1.5, 1e-2))  # (length, noise) from which the likelihood is climbed
_MOST_ITERATIONS = 40


@dataclass(frozen=True)
class GaussianProcess:
    """The mean of the process given values at `points` [N, P]; `left_out` [N] are its errors at points left out.

    `variance` is s², `noise` g in the formula above.
    """

    points: np.ndarray
    lengths: np.ndarray
    trend: np.ndarray
    weights: np.ndarray
    noise: float
    variance: float
    left_out: np.ndarray

    def __call__(self, x: np.ndarray) -> float:
        """Mean at x [P]."""
        return float(_trend(x[None])[0] @ self.trend + self._correlations(x) @ self.weights)

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Derivative of the mean at x [P]."""
        pull = (self.points - x) / self.lengths**2
        return self.trend[1:] + pull.T @ (self._correlations(x) * self.weights)

    def slope_variance(self, x: np.ndarray) -> np.ndarray:
        """Variance of the derivative at x [P], that of the trend included (R & W, eq. 2.42 and section 9.4)."""
        trend = _trend(self.points)
        differences = (self.points[:, None] - self.points[None]) / self.lengths
        correlations = np.exp(-0.5 * np.sum(differences**2, axis=-1)) + self.noise * np.eye(len(trend))
        factor = cho_factor(correlations, lower=True)
        pull = (self.points - x) / self.lengths**2 * self._correlations(x)[:, None]
        known = cho_solve(factor, pull)
        rest = np.eye(trend.shape[1])[:, 1:] - trend.T @ known
        spread = np.linalg.solve(trend.T @ cho_solve(factor, trend), rest)
        unexplained = 1.0 / self.lengths**2 - np.sum(pull * known, axis=0) + np.sum(rest * spread, axis=0)
        return self.variance * np.maximum(unexplained, 0.0)

    def _correlations(self, x: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * np.sum(((self.points - x) / self.lengths) ** 2, axis=1))


def fit(points: np.ndarray, values: np.ndarray) -> GaussianProcess:
    """The process that explains `values` [N] at `points` [N, P] best.

    ValueError for fewer than P + 3 points, which leave nothing to learn from.
    """
    count, size = points.shape
    if count < size + 3:
        raise ValueError(f"{count} points are too few for {size} variables: at least {size + 3} are needed")
    scale = float(np.std(values)) or 1.0
    squares = (points[:, None] - points[None]) ** 2
    bounds = [tuple(np.log(_LENGTHS))] * size + [tuple(np.log(_NOISES))]
    data = squares, _trend(points), values / scale
    climbs = [
        minimize(
            _negative_likelihood,
            np.log([*[length] * size, noise]),
            data,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": _MOST_ITERATIONS},
        )
        for length, noise in _STARTS
    ]
    found = min(climbs, key=lambda climb: climb.fun)
    solved = _Solved.of(found.x, *data)
    left_out = scale * solved.weights / np.diag(solved.inverse)
    lengths, noise = np.exp(found.x[:-1]), float(np.exp(found.x[-1]))
    variance = scale**2 * solved.variance
    return GaussianProcess(
        points, lengths, scale * solved.trend, scale * solved.weights, noise, variance, left_out
    )


def _trend(points: np.ndarray) -> np.ndarray:
    """(1, x) [N, 1 + P]."""
    return np.column_stack([np.ones(len(points)), points])


@dataclass(frozen=True)
class _Solved:
    """With R the correlations with noise: R⁻¹, log det R, the trend b by generalised least squares, R⁻¹(y − trend)."""

    correlations: np.ndarray  # without noise
    inverse: np.ndarray
    log_determinant: float
    trend: np.ndarray
    weights: np.ndarray
    variance: float

    @classmethod
    def of(cls, logs: np.ndarray, squares: np.ndarray, design: np.ndarray, values: np.ndarray) -> _Solved:
        correlations = np.exp(-0.5 * squares @ np.exp(-2.0 * logs[:-1]))
        factor = cho_factor(correlations + np.exp(logs[-1]) * np.eye(len(values)), lower=True)
        inverse = cho_solve(factor, np.eye(len(values)))
        trend = np.linalg.lstsq(design.T @ inverse @ design, design.T @ (inverse @ values), rcond=None)[0]
        rest = values - design @ trend
        weights = inverse @ rest
        variance = max(float(rest @ weights) / len(values), np.finfo(float).tiny)
        determinant = 2.0 * float(np.sum(np.log(np.diag(factor[0]))))
        return cls(correlations, inverse, determinant, trend, weights, variance)


def _negative_likelihood(
    logs: np.ndarray, squares: np.ndarray, design: np.ndarray, values: np.ndarray
) -> tuple[float, np.ndarray]:
    """−log likelihood but for constants, and its derivative with respect to the logarithms of lengths and noise."""
    solved = _Solved.of(logs, squares, design, values)
    value = 0.5 * (len(values) * np.log(solved.variance) + solved.log_determinant)
    pressure = 0.5 * (solved.inverse - np.outer(solved.weights, solved.weights) / solved.variance)
    lengths = np.einsum("ij,ijp->p", pressure * solved.correlations, squares) * np.exp(-2.0 * logs[:-1])
    return value, np.append(lengths, np.exp(logs[-1]) * np.trace(pressure))
