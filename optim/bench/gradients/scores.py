"""How good an approximate gradient is beside the exact one, and what a guess would have scored.

Both gradients are with respect to scaled parameters (prior standard deviations), so that no choice of units decides
which parameter counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from optim.check import cosine


@dataclass(frozen=True)
class Scores:
    """Of one gradient: 1, 1, 1 and 0 are best."""

    cosine: float
    norm_ratio: float
    sign: float  # share of components with the right sign, among those that have one
    worst_relative_error: float  # largest |g~i - gi|/|gi|


def score(estimate: np.ndarray, exact: np.ndarray, noise: np.ndarray | float = 0.0) -> Scores:
    """Scores of `estimate` [P] beside `exact` [P]; an error of at most `noise` (|g~i - gi|) counts as none."""
    estimate, exact = np.asarray(estimate, float), np.asarray(exact, float)
    if estimate.shape != exact.shape:
        raise ValueError(f"expected gradients of one shape, got {estimate.shape} beside {exact.shape}")
    if not np.all(np.isfinite(estimate)):
        return Scores(0.0, np.inf, 0.0, np.inf)
    return Scores(
        cosine(estimate, exact),
        float(np.linalg.norm(estimate) / max(np.linalg.norm(exact), np.finfo(float).tiny)),
        float(np.mean((np.sign(estimate) == np.sign(exact)) | (exact == 0.0))),
        float(np.max(relative_errors(estimate, exact, noise))),
    )


def relative_errors(estimate: np.ndarray, exact: np.ndarray, noise: np.ndarray | float = 0.0) -> np.ndarray:
    """|g~i - gi|/|gi| [P]; 0 where the error is at most `noise`.

    A component that is exactly 0 (the parameter does not act within the window) is judged by the norm |g|.
    """
    error = np.abs(estimate - exact)
    size = np.where(exact == 0.0, np.linalg.norm(exact), np.abs(exact))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error <= noise, 0.0, error / size)


@dataclass(frozen=True)
class NullScores:
    """What guesses score: a random direction (in the mean), and the better of all + and all -."""

    random_cosine: float
    same_sign_cosine: float
    random_sign: float
    same_sign: float


def null_scores(exact: np.ndarray) -> NullScores:
    """Scores of guesses at the gradient `exact` [P]."""
    exact = np.asarray(exact, float)
    positive = float(np.mean(exact > 0.0))
    return NullScores(
        mean_random_cosine(exact.size),
        abs(cosine(np.ones(exact.size), exact)),
        0.5,
        max(positive, 1.0 - positive),
    )


def mean_random_cosine(size: int) -> float:
    """Mean of |cos| between a random direction in `size` dimensions and any other: G(n/2)/(sqrt(pi) G((n+1)/2))."""
    return float(np.exp(gammaln(0.5 * size) - gammaln(0.5 * (size + 1))) / np.sqrt(np.pi))


def largest_share(exact: np.ndarray) -> float:
    """Share of the norm of the gradient that its largest component holds, |g|_max/|g|."""
    exact = np.asarray(exact, float)
    return float(np.max(np.abs(exact)) / max(np.linalg.norm(exact), np.finfo(float).tiny))


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, least and largest."""
    array = np.asarray(values, float)
    return float(np.median(array)), float(array.min()), float(array.max())
