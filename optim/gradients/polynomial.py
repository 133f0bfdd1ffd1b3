"""Ridge regression on all monomials up to a degree, with derivatives; the degree chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np


@dataclass(frozen=True)
class Basis:
    """Monomials of P variables, the constant first; each is a row of `powers` [terms, P]."""

    powers: np.ndarray

    @classmethod
    def of(cls, variables: int, degree: int) -> Basis:
        """All monomials up to `degree`."""
        powers = [np.zeros(variables, int)]
        for order in range(1, degree + 1):
            for chosen in combinations_with_replacement(range(variables), order):
                powers.append(np.bincount(chosen, minlength=variables))
        return cls(np.array(powers))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Values [N, terms] at `points` [N, P]."""
        return np.prod(points[:, None, :] ** self.powers[None], axis=-1)

    def slopes(self, point: np.ndarray) -> np.ndarray:
        """Derivatives [P, terms] at one point [P]."""
        rows = []
        for variable in range(len(point)):
            factor = self.powers[:, variable]
            lowered = self.powers.copy()
            lowered[:, variable] = np.maximum(factor - 1, 0)
            rows.append(factor * np.prod(point[None, :] ** lowered, axis=-1))
        return np.array(rows)


@dataclass(frozen=True)
class Polynomial:
    """y(x) ~ basis(x/reach) @ coefficients [terms, q]."""

    basis: Basis
    reach: float
    coefficients: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Values [N, q]."""
        return self.basis(np.atleast_2d(points) / self.reach) @ self.coefficients

    def jacobian(self, point: np.ndarray) -> np.ndarray:
        """dy/dx [q, P]."""
        return (self.basis.slopes(np.asarray(point) / self.reach) @ self.coefficients).T / self.reach


def fit(points: np.ndarray, values: np.ndarray, reach: float, degree: int, ridge: float) -> Polynomial:
    """Least squares of `values` [N, q] at `points` [N, P], `ridge` times N being added to the normal matrix.

    The constant is not shrunk. `reach` is the size of the points' region: monomials are of x/reach.
    """
    basis = Basis.of(points.shape[1], degree)
    design = basis(points / reach)
    shrink = ridge * len(points) * np.eye(len(basis.powers))
    shrink[0, 0] = 0.0
    return Polynomial(basis, reach, np.linalg.solve(design.T @ design + shrink, design.T @ values))


def left_out_errors(
    points: np.ndarray, values: np.ndarray, reach: float, degree: int, ridge: float
) -> np.ndarray:
    """Error [N, q] at each point of the fit to all others, from one factorisation (e_i/(1 - h_ii))."""
    design = Basis.of(points.shape[1], degree)(points / reach)
    shrink = ridge * len(points) * np.eye(design.shape[1])
    shrink[0, 0] = 0.0
    hat = design @ np.linalg.solve(design.T @ design + shrink, design.T)
    return (values - hat @ values) / np.maximum(1.0 - np.diag(hat), 1e-9)[:, None]


def choose(
    points: np.ndarray, values: np.ndarray, reach: float, degrees: Iterable[int], ridges: Iterable[float]
) -> list[tuple[int, float, float]]:
    """For each column of `values` the degree and ridge with the least leave-one-out error, and its sum of squares.

    ValueError if the points are too few for any degree.
    """
    settings, errors = [], []
    ridges = tuple(ridges)
    for degree in degrees:
        if len(Basis.of(points.shape[1], degree).powers) < len(points):
            for ridge in ridges:
                settings.append((degree, ridge))
                errors.append(np.sum(left_out_errors(points, values, reach, degree, ridge) ** 2, axis=0))
    if not settings:
        raise ValueError(f"{len(points)} points are too few for a polynomial of {points.shape[1]} variables")
    best = np.argmin(errors, axis=0)
    return [(*settings[row], float(errors[row][column])) for column, row in enumerate(best)]
