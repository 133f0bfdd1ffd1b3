"""How maps are tuned: numbers that hold everywhere first, then all together, and out of wrong minima by leaps.

While a number is wrong, what it does to every column hides what each patch does, and patches that follow all the same
end at their bounds, where nothing answers any more. And where a column switches, a patch can be at rest on the wrong
side (`leaps.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from optim.cost import Evaluation
from optim.gradients import ColouredDifferences
from optim.leaps import best_start
from optim.minimise import Iteration, Solution, iteration, minimise
from optim.minimisers import LevenbergMarquardt, Minimiser
from optim.minimisers.base import BudgetSpent, Ending
from optim.patches import PatchControl
from optim.settings_check import Count, NonNegative, Positive

_ENDS = (Ending.CONVERGED, Ending.STALLED)
_ROUGHLY = 1e-2  # what a step must promise of J while the patches stand still
_PROGRESS = 0.95  # a part that lowers J to less than this share may be followed by another

Progress = Callable[[Iteration], None]


@dataclass(frozen=True)
class MapSettings:
    """The `[maps]` table: numbers before patches; how far patches leap both ways, units of x (none: []).

    A leap has to lower J by `least_gain` and by a thousandth of J. Leaps are tried when nothing more is promised, or
    after `patience` trials in a row that lower J by less than a twentieth.
    """

    numbers_first: bool = True
    patience: Count = 4
    leaps: tuple[Positive, ...] = (1.0, 2.0)
    least_gain: NonNegative = 1.0


def tune_maps(
    estimator: ColouredDifferences,
    minimiser: Minimiser,
    x: np.ndarray,
    settings: MapSettings,
    *,
    budget: int,
    key: int = 0,
    progress: Progress = lambda trial: None,
) -> Solution:
    """Minimise J from x in parts, as one solution with all their trials and runs."""
    parts = _Parts(estimator, budget, key, progress)
    patches = [isinstance(control, PatchControl) for control in estimator.forward.controls.controls]
    if settings.numbers_first and not all(patches):
        parts.add(_rough(minimiser), x, replace(estimator, numbers_only=True))
        x = parts.whole.x
    if parts.open:
        patient = _patient(minimiser, settings.patience) if settings.leaps else minimiser
        parts.add(patient, x, estimator)
    later = replace(estimator, most_beyond=1.0)  # refused once, at the beginning
    while parts.open and settings.leaps:
        start = parts.leap(settings)
        if start is not None:
            parts.add(patient, start.x, later, start)
        elif parts.open and parts.worth_repeating:
            parts.add(patient, parts.whole.x, later)
        else:
            break
    return parts.whole


def _rough(minimiser: Minimiser) -> Minimiser:
    """Gauss–Newton that ends with the first trial that is no better: what is left may be the maps'."""
    if not isinstance(minimiser, LevenbergMarquardt):
        return minimiser
    return replace(minimiser, cost_tolerance=max(minimiser.cost_tolerance, _ROUGHLY), most_rejections=1)


def _patient(minimiser: Minimiser, patience: int) -> Minimiser:
    """Gauss–Newton that gives way to leaps and new differences where it is stuck, unless it says when itself."""
    if not isinstance(minimiser, LevenbergMarquardt) or minimiser.most_idle:
        return minimiser
    return replace(minimiser, most_idle=patience)


class _Parts:
    """Minimisations one after the other within one budget, and `whole`, the solution so far."""

    def __init__(self, estimator: ColouredDifferences, budget: int, key: int, progress: Progress) -> None:
        self.estimator, self.key, self.progress = estimator, key, progress
        self.budget, self.first_run = budget, estimator.forward.runs
        self.whole = Solution(np.zeros(0), None, Ending.CONVERGED, "", (), 0)
        self.from_value = np.inf  # J where the last part began

    @property
    def runs(self) -> int:
        """Model runs so far."""
        return self.estimator.forward.runs - self.first_run

    @property
    def open(self) -> bool:
        """True while there may be more to find."""
        return self.whole.ending in _ENDS

    @property
    def worth_repeating(self) -> bool:
        """True if the last part was stuck after it had come on: new differences may see the way."""
        return self.whole.ending is Ending.STALLED and self.whole.value < _PROGRESS * self.from_value

    def add(
        self,
        minimiser: Minimiser,
        x: np.ndarray,
        estimator: ColouredDifferences,
        start: Evaluation | None = None,
    ) -> None:
        """Minimise from x, and put the result at the end of the whole; `start` is the run at x if it is better."""
        before, runs = self.whole, self.runs
        part = minimise(
            estimator,
            minimiser,
            x,
            budget=self.budget - runs,
            key=self.key,
            progress=lambda trial: self.progress(_continued(trial, before, runs)),
        )
        history = [*before.history, *(_continued(trial, before, runs) for trial in part.history)]
        if part.evaluation is None:  # not even a gradient fits: what was best before stays best
            best = start or before.evaluation
            part = replace(part, evaluation=best, x=x if best is None else best.x, state=None)
        if part.history == () and start is not None:
            history.append(
                iteration(len(history), self.estimator.forward, start, start.value, True, self.runs)
            )
        self.from_value = start.value if start is not None else before.value
        self.whole = replace(part, history=tuple(history), runs=self.runs)

    def leap(self, settings: MapSettings) -> Evaluation | None:
        """The run from which to go on, None where there is none or the budget is spent."""
        assert self.whole.evaluation is not None
        try:
            return best_start(
                self.estimator,
                self.whole.evaluation,
                settings.leaps,
                settings.least_gain,
                self.budget - self.runs,
            )
        except BudgetSpent as spent:
            self.whole = replace(self.whole, ending=Ending.BUDGET_SPENT, message=str(spent))
            return None
        finally:
            self.whole = replace(self.whole, runs=self.runs)


def _continued(trial: Iteration, before: Solution, runs: int) -> Iteration:
    """A trial of a further part, counted from the beginning."""
    return replace(
        trial,
        number=trial.number + len(before.history),
        runs=trial.runs + runs,
        best_value=min(trial.best_value, before.value),
    )
