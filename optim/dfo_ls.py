"""DFO-LS, beside which a tuning is judged: least squares without derivatives, in a model of linear interpolation.

Cartis, Fiala, Marteau and Roberts 2019, ACM Trans. Math. Softw. 45, 32. The program is theirs (package DFO-LS, GPL),
and installed only when asked for: `pip install "nemo-bridge[dfo-ls]"`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bridge.errors import ConfigurationError
from optim.cost import Evaluation
from optim.forward import Forward
from optim.gradients.base import value_at
from optim.minimise import Iteration, Solution, iteration
from optim.minimisers.base import Ending

_FAR = 1e20  # what DFO-LS takes for no bound
_PENALTY = 1e3  # residual of a failed run, in units of the one at the start


def require_dfo_ls() -> None:
    """ConfigurationError unless the package is there."""
    try:
        import dfols  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            '[compare]: dfo_ls = true needs the package DFO-LS: pip install "nemo-bridge[dfo-ls]"'
        ) from error


def minimise_by_dfo_ls(
    forward: Forward,
    x: np.ndarray,
    *,
    budget: int,
    step: float,
    directions: int = 0,
    key: int = 0,
    progress: Callable[[Iteration], None] = lambda trial: None,
) -> Solution:
    """Minimise J from x with at most `budget` runs, each of them an `Iteration`.

    `step` is the first trust radius (units of x); `directions` that are tried before the first step, 0: all n.
    """
    require_dfo_ls()
    import dfols

    first_run = forward.runs
    history: list[Iteration] = []
    best: Evaluation | None = None
    scale = 1.0

    def residual(point: np.ndarray) -> np.ndarray:
        nonlocal best, scale
        found = value_at(forward, forward.controls.project(point))
        better = found.ok and (best is None or found.value < best.value)
        best = found if better else best
        value = best.value if best is not None else np.inf
        history.append(iteration(len(history), forward, found, value, better, forward.runs - first_run))
        progress(history[-1])
        if found.residual is None:
            return np.full(_rows(forward, x), _PENALTY * scale)
        scale = float(np.max(np.abs(found.residual))) if len(history) == 1 else scale
        return found.residual

    bounds = np.array([control.scaled_bounds() for control in forward.controls.controls]).T
    settings = {"growing.ndirs_initial": directions} if directions else None
    state = np.random.get_state()  # DFO-LS draws from numpy's global generator
    np.random.seed(key)
    try:
        found = dfols.solve(
            residual, x, bounds=np.clip(bounds, -_FAR, _FAR), rhobeg=step, rhoend=1e-6, maxfun=budget,
            user_params=settings, do_logging=False,
        )  # fmt: skip
    finally:
        np.random.set_state(state)
    spent = found.flag == found.EXIT_MAXFUN_WARNING
    ending = Ending.BUDGET_SPENT if spent else Ending.CONVERGED if found.flag == 0 else Ending.STALLED
    end = best.x if best is not None else x
    return Solution(end, best, ending, found.msg, tuple(history), forward.runs - first_run)


def _rows(forward: Forward, x: np.ndarray) -> int:
    """Length of the residual."""
    cost = forward.cost
    return sum(block.operator.size for block in cost.blocks) + (x.size if cost.prior else 0)
