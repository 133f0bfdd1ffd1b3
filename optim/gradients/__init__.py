"""Gradient estimators: how the derivative of the residual is obtained, one file each.

finite_difference   perturbed real runs, P+1 or 2P+1 of them
surrogate           one real run; tangent linear of a simplified twin at its recorded states
ensemble            regression over a handful of perturbed real runs
"""

from optim.gradients.base import GradientEstimator, evaluation_at
from optim.gradients.ensemble import Ensemble
from optim.gradients.finite_difference import FiniteDifference
from optim.gradients.surrogate import FieldSurrogate, SurrogateGradient

__all__ = [
    "Ensemble",
    "FieldSurrogate",
    "FiniteDifference",
    "GradientEstimator",
    "SurrogateGradient",
    "evaluation_at",
]
