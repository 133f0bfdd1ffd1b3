"""Minimisers: frozen settings, explicit state, `init` and `step`; one file each.

adam                 optax's Adam on the gradient
lbfgs                optax's L-BFGS direction with a backtracking line search
levenberg_marquardt  Gauss–Newton on the residual, with multi-secant correction of the Jacobian
"""

from optim.minimisers.adam import Adam
from optim.minimisers.base import BudgetSpent, Ending, Minimiser, MinimiserState, Oracle
from optim.minimisers.lbfgs import LBFGS
from optim.minimisers.levenberg_marquardt import LevenbergMarquardt

__all__ = [
    "LBFGS",
    "Adam",
    "BudgetSpent",
    "Ending",
    "LevenbergMarquardt",
    "Minimiser",
    "MinimiserState",
    "Oracle",
]
