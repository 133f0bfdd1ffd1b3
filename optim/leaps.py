"""Out of a wrong minimum of a map, patch by patch: where a column switches, no slope leads to the other side.

Mixing and convection switch in single columns, so the misfit of a map jumps, and a patch can be at rest on the wrong
side of a jump. What a patch does is seen by the observations near it, so all patches of a colour (`reach.py`) leap in
one run, and each is judged by what it is seen by: ½ Σ (r + a d)² over its rows after the leap, where a is its column of
the Jacobian and d the step that follows. Where that is less than before, and J is too once the step is made, the tuning
goes on from there. Leaps out of minima are those of basin hopping (Wales and Doye 1997, J. Phys. Chem. A 101, 5111),
here tried in parallel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from emulator.tangent_linear import to_matrix
from optim.cost import Evaluation
from optim.gradients import ColouredDifferences
from optim.gradients.base import value_at
from optim.minimisers.base import BudgetSpent

_NEGLIGIBLE = 1e-3  # share of J
_STEPS = 3  # from where patches leapt until J has to be lower


@dataclass(frozen=True)
class Leap:
    """One patch `change` away from where it was (units of x), and the misfit of the `rows` [q] that see it there.

    `slope` is their derivative [q], `before` their part of J at the start.
    """

    control: int
    change: float
    rows: np.ndarray
    misfit: np.ndarray
    slope: np.ndarray
    longest_step: float
    before: float

    @property
    def step(self) -> float:
        """From here to the least misfit along the slope, in units of x; not farther than half way back."""
        best = -float(self.slope @ self.misfit) / max(float(self.slope @ self.slope), np.finfo(float).tiny)
        return float(np.clip(best, -self.longest_step, self.longest_step))

    @property
    def gain(self) -> float:
        """What the patch's part of J was before, less what it would be after the step."""
        return self.before - 0.5 * float(np.sum((self.misfit + self.slope * self.step) ** 2))

    def stepped(self, misfit: np.ndarray) -> Leap:
        """After the step, with the misfit [m] of that run; its slope is the secant's."""
        slope = (misfit[self.rows] - self.misfit) / self.step if self.step else self.slope
        return replace(self, change=self.change + self.step, misfit=misfit[self.rows], slope=slope)


def best_start(
    estimator: ColouredDifferences, here: Evaluation, lengths: Sequence[float], least_gain: float, budget: int
) -> Evaluation | None:
    """A run by leaps from `here` that lowers J by `least_gain` and a thousandth of J, to go on from; None if none does.

    Patches leap both ways by the first of `lengths` (units of x) that helps. BudgetSpent where `budget` runs of the
    model do not suffice.
    """
    last_run = estimator.forward.runs + budget
    least = max(least_gain, _NEGLIGIBLE * here.value)
    for length in lengths:
        leaps = _compatible(_leaps(estimator, here, length, least, last_run))
        for chosen in (leaps, leaps[:1])[: len(leaps)]:  # all together, else the best alone
            landed = _landed(estimator, here, chosen, least, last_run)
            if landed is not None:
                return landed
    return None


def _landed(
    estimator: ColouredDifferences, here: Evaluation, leaps: list[Leap], least: float, last_run: int
) -> Evaluation | None:
    """The first of a few runs that lowers J enough, each a step of all patches from where they leapt."""
    forward = estimator.forward
    for _ in range(_STEPS):
        x = np.array(here.x)
        for leap in leaps:
            x[leap.control] += leap.change + leap.step
        x = forward.controls.project(x)
        _require(last_run - forward.runs, int(not forward.known(x)))
        trial = value_at(forward, x)
        if trial.residual is None:
            return None
        if here.value - trial.value > least:
            return trial
        leaps = [leap.stepped(trial.residual) for leap in leaps]
    return None


def _leaps(
    estimator: ColouredDifferences, here: Evaluation, length: float, least: float, last_run: int
) -> list[Leap]:
    """The better of both ways for each patch that gains, best first: two runs for each colour of patches."""
    forward, state = estimator.forward, estimator.init(0)
    assert here.residual is not None and here.tangent is not None
    jacobian = to_matrix(here.tangent, here.x.size)
    local = 0.5 * state.seen.T @ here.residual[: len(state.seen)] ** 2  # what sees a patch, [P]
    worth = [
        colour[local[colour] > least] for colour in state.colours if not state.seen[:, colour[0]].all()
    ]  # a number that holds everywhere has nothing of its own to be judged by
    trials = [(c, _moved(estimator, here.x, c, sign * length)) for c in worth if c.size for sign in (1, -1)]
    _require(last_run - forward.runs, sum(not forward.known(x) for _, x in trials))
    forward.observe_all(x for _, x in trials)
    best: dict[int, Leap] = {}
    for colour, x in trials:
        after = forward.observe(x).misfit
        if after is None:
            continue
        for control in map(int, colour):
            rows = np.flatnonzero(state.seen[:, control])
            change, before = float(x[control] - here.x[control]), float(local[control])
            slope = jacobian[rows, control]
            leap = Leap(control, change, rows, after[rows], slope, 0.5 * length, before)
            if leap.gain > max(least, best[control].gain if control in best else 0.0):
                best[control] = leap
    return sorted(best.values(), key=lambda leap: -leap.gain)


def _moved(estimator: ColouredDifferences, x: np.ndarray, colour: np.ndarray, change: float) -> np.ndarray:
    """x with the patches of a colour moved, within the bounds."""
    end = np.array(x)
    end[colour] += change
    return estimator.forward.controls.project(end)


def _compatible(leaps: list[Leap]) -> list[Leap]:
    """Those, best first, of which no observation sees two: their gains add up."""
    chosen: list[Leap] = []
    for leap in leaps:
        if not any(np.intersect1d(leap.rows, other.rows).size for other in chosen):
            chosen.append(leap)
    return chosen


def _require(left: int, runs: int) -> None:
    """BudgetSpent if there are not so many runs left."""
    if runs > left:
        raise BudgetSpent(f"{left} model runs left, {runs} needed to try leaps")
