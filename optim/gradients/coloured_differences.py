"""Finite differences for maps: patches that are far apart are perturbed in the same run, and secants keep the Jacobian.

Within a short window a patch is felt within `reach` cells, so an observation belongs to the one patch of a run that it
can see, and a Jacobian costs as many runs as there are colours (`reach.py`): about (1 + 2 reach/side)² for patches of
`side` cells, whatever their number. Later points correct it row by row with the change of the misfit that their run
shows, among the controls that the row sees: Broyden's update for sparse Jacobians (Schubert 1970, Math. Comp. 24, 27).

What lies beyond the reach of all patches of a run and answers all the same is an error. It is measured in each of
these runs, and more than `most_beyond` of it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bridge.errors import ConfigurationError, ModelBlewUp
from emulator.tangent_linear import from_matrix
from optim.cost import Evaluation
from optim.forward import Forward
from optim.gradients.base import evaluation_at, value_at
from optim.gradients.reach import groups, pattern
from optim.patches import PatchControl
from optim.settings_check import Fraction, Index, NonNegativeOrInfinite, Positive

_SHORT = 1e-3  # share of a step in what a row sees below which its secant says more of other errors


@dataclass(frozen=True)
class ColouredState:
    """What each observation sees [m, P], the colours; and where the last evaluation was, with misfit and Jacobian.

    `centre` is where the differences were made, `beyond` the share of their response beyond the reach.
    """

    seen: np.ndarray
    colours: tuple[np.ndarray, ...]
    centre: np.ndarray | None = None
    x: np.ndarray | None = None
    misfit: np.ndarray | None = None
    jacobian: np.ndarray | None = None
    beyond: float = 0.0


@dataclass(frozen=True)
class ColouredDifferences:
    """`reach` in cells of the grid from the edge of a patch; `step` of the differences in units of x.

    Differences are made anew when a component of x has moved by more than `refresh` since. With `numbers_only` the
    patches have no derivative, and stand still.
    """

    forward: Forward
    reach: Index
    step: Positive = 0.1
    central: bool = False
    refresh: NonNegativeOrInfinite = float("inf")
    most_beyond: Fraction = 0.1
    numbers_only: bool = False

    def init(self, key: int) -> ColouredState:
        """The colours; ConfigurationError when no two controls can share a run."""
        grid, controls = self.forward.model.describe().grid, self.forward.controls
        seen = pattern(self.forward.cost, controls, grid, self.reach)
        colours = groups(seen)
        if self.numbers_only:
            seen = seen & ~np.array([isinstance(control, PatchControl) for control in controls.controls])
            colours = [colour for colour in colours if seen[:, colour].any()]
        if len(colours) == len(controls):
            raise ConfigurationError(
                f"[estimator]: with reach = {self.reach} some observation sees every two of the {len(controls)} "
                "controls, so none can share a run: shorten the window and with it the reach, or give "
                "finite-difference"
            )
        return ColouredState(seen, tuple(colours))

    def runs_needed(self, x: np.ndarray, state: ColouredState) -> int:
        """One for each colour (two if central) if differences are due, and one if x has not been run."""
        differences = len(state.colours) * (2 if self.central else 1)
        return differences * self._due(x, state) + (not self.forward.known(x))

    def evaluate(self, x: np.ndarray, state: ColouredState) -> tuple[Evaluation, ColouredState]:
        """Value at x; gradient and Jacobian from differences, or from those before and the secants since."""
        before = self.forward.runs
        plain = value_at(self.forward, x)
        if not plain.ok:
            return plain, state
        state = self._differences(x, state) if self._due(x, state) else self._secant(x, state)
        assert state.jacobian is not None
        runs = self.forward.runs - before
        return evaluation_at(self.forward, x, from_matrix(state.jacobian), runs), state

    def _due(self, x: np.ndarray, state: ColouredState) -> bool:
        return state.centre is None or bool(np.max(np.abs(x - state.centre)) > self.refresh)

    def _secant(self, x: np.ndarray, state: ColouredState) -> ColouredState:
        """The least change of the Jacobian, among what each row sees, that explains the run at x."""
        misfit = self.forward.observe(x).misfit
        assert state.x is not None and state.misfit is not None and state.jacobian is not None
        assert misfit is not None
        step = x - state.x
        felt = state.seen * step  # [m, P]
        length = np.sum(felt**2, axis=1)
        defect = misfit - state.misfit - state.jacobian @ step
        weight = defect / np.maximum(length, _SHORT * float(step @ step) + np.finfo(float).tiny)
        return replace(state, x=np.array(x), misfit=misfit, jacobian=state.jacobian + weight[:, None] * felt)

    def _differences(self, x: np.ndarray, state: ColouredState) -> ColouredState:
        """A run, or two, for each colour; ConfigurationError if too much is felt beyond the reach."""
        self.forward.observe_all(end for colour in state.colours for end in self._ends(x, colour))
        centre = self.forward.observe(x).misfit
        assert centre is not None
        jacobian = np.zeros(state.seen.shape)
        felt, beyond = 0.0, 0.0
        for colour in state.colours:
            change, lengths = self._response(x, colour)
            mine = state.seen[:, colour]
            jacobian[:, colour] = np.where(mine, change[:, None] / lengths, 0.0)
            felt += float(change @ change)
            beyond += float(np.sum(change[~mine.any(axis=1)] ** 2))
        share = float(np.sqrt(beyond / felt)) if felt > 0.0 else 0.0
        self._refuse_far(share)
        return replace(
            state, centre=np.array(x), x=np.array(x), misfit=centre, jacobian=jacobian, beyond=share
        )

    def _ends(self, x: np.ndarray, colour: np.ndarray) -> list[np.ndarray]:
        """x with the patches of a colour one step away; both ways if central, else inwards where a bound is near."""
        ahead = self._moved(x, colour, self.step)
        if self.central:
            return [ahead, self._moved(x, colour, -self.step)]
        stuck = colour[np.abs(ahead - x)[colour] < 0.5 * self.step]
        ahead[stuck] = x[stuck] - self.step
        return [ahead]

    def _moved(self, x: np.ndarray, colour: np.ndarray, step: float) -> np.ndarray:
        """x with a step in each component of the colour, as far as bounds allow."""
        end = np.array(x)
        end[colour] += step
        return self.forward.controls.project(end)

    def _response(self, x: np.ndarray, colour: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Change of the misfit [m] between two runs, and how far apart these are in each component of the colour."""
        ends = [x, *self._ends(x, colour)][-2:]
        if any(self.forward.observe(end).misfit is None for end in ends):
            ends = [x, self.forward.controls.project(2.0 * x - ends[-1])]  # the other way
        first, second = (self.forward.observe(end).misfit for end in ends)
        if first is None or second is None:
            names = ", ".join(self.forward.controls.names[number] for number in colour)
            raise ModelBlewUp(
                f"no run perturbed by ±{self.step} (scaled) in {names} completed; use a smaller step",
                self.forward.window.steps,
                self.forward.params(x),
            )
        lengths = (ends[1] - ends[0])[colour]
        return second - first, np.where(lengths == 0.0, np.inf, lengths)  # a bound on the other side

    def _refuse_far(self, share: float) -> None:
        if share > self.most_beyond:
            raise ConfigurationError(
                f"[estimator]: {share:.0%} of the response is felt more than reach = {self.reach} cells away (allowed: "
                f"most_beyond = {self.most_beyond:g}): enlarge the reach, shorten the window, observe what answers "
                "nearby (temperature rather than sea level or velocity), or give finite-difference"
            )
