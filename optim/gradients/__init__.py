"""Gradient estimators: how the derivative of the residual is obtained, one file each.

finite_difference   perturbed real runs, P+1 or 2P+1 of them
coloured_differences  the same for maps: patches that are far apart share a run, secants keep the Jacobian
surrogate           one real run; tangent linear of a simplified twin at its recorded states
ensemble            regression over a handful of perturbed real runs
spsa                two real runs along random signs of all parameters at once
response_surface    one real run; a smooth surface fitted once to runs spread over the prior
coupled_window      a closure in Python that takes part in a real run: the gradient by its weights
"""

from optim.gradients.base import GradientEstimator, evaluation_at
from optim.gradients.coloured_differences import ColouredDifferences
from optim.gradients.coupled_window import CoupledWindow
from optim.gradients.ensemble import Ensemble
from optim.gradients.finite_difference import FiniteDifference
from optim.gradients.response_surface import ResponseSurface
from optim.gradients.spsa import Spsa
from optim.gradients.surrogate import FieldSurrogate, SurrogateGradient

__all__ = [
    "ColouredDifferences",
    "CoupledWindow",
    "Ensemble",
    "FieldSurrogate",
    "FiniteDifference",
    "GradientEstimator",
    "ResponseSurface",
    "Spsa",
    "SurrogateGradient",
    "evaluation_at",
]
