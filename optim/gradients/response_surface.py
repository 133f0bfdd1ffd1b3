"""Response surface: how observations answer to parameters, learned once from runs spread over the prior.

The misfits of the set-up runs are compressed to their empirical orthogonal functions (EOFs); the amplitude of each is
a smooth function of the scaled parameters, the mean of a Gaussian process. At x one real run gives the residual, the
surface its Jacobian there: g = J(x)ᵀ r(x). Once set up a gradient costs one run, whatever the number of parameters.

The processes know how uncertain their slopes are. In the `probes` components that this makes most uncertain, relative
to their size, a perturbed run corrects the surface: the slope is the surface's, plus the difference of the two runs
less what the surface says of it. So the curvature between the runs does not enter, as in a one-sided difference, and
the step can be long where switches in single cells would pass for a slope.

The surface is smooth where the model is not. Where switches in single cells make the response rough, its slope is that
of the response over the distance between runs, not the one at a point.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bridge.errors import ConfigurationError, ModelBlewUp
from emulator.tangent_linear import from_matrix
from optim.cost import Evaluation
from optim.forward import Forward
from optim.gradients.base import evaluation_at, value_at
from optim.gradients.design import space_filling
from optim.gradients.finite_difference import FiniteDifference
from optim.gradients.gaussian_process import GaussianProcess, fit
from optim.settings_check import Count, Index, Positive

_NOTHING = 1e-3  # of a gradient's norm: what is smaller than that is not worth a run


@dataclass(frozen=True)
class Surface:
    """Misfit [m] ~ modes @ amplitudes(x), less a constant; `modes` [m, q], one process for each amplitude.

    `left_out` is the error of the misfits of runs that were left out, relative to their spread.
    """

    modes: np.ndarray
    amplitudes: tuple[GaussianProcess, ...]
    left_out: float

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """d(misfit)/dx [m, P]."""
        return self.modes @ np.array([amplitude.slope(x) for amplitude in self.amplitudes])

    def change(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Misfit at `second` less that at `first` [m]."""
        return self.modes @ np.array([amplitude(second) - amplitude(first) for amplitude in self.amplitudes])

    def gradient_error(self, x: np.ndarray, misfit: np.ndarray) -> np.ndarray:
        """Standard error of the gradient Jᵀ misfit [P] by that of the slopes, amplitudes taken as independent."""
        variances = np.array([amplitude.slope_variance(x) for amplitude in self.amplitudes])
        return np.sqrt((self.modes.T @ misfit) ** 2 @ variances)


@dataclass(frozen=True)
class SurfaceState:
    """Where the set-up runs are made, [N, P] (fixed by the seed), and the surface once they are."""

    design: np.ndarray
    surface: Surface | None = None


@dataclass(frozen=True)
class ResponseSurface:
    """`runs` set-up runs within `reach` prior standard deviations of the prior mean, as far as bounds allow.

    `neglected` is the share of the misfits' variance that EOFs may leave out. The columns of the `probes` least certain
    components of the gradient are corrected by runs perturbed by `step` (prior standard deviations). No set-up run is
    nearer than `clearance` to one of the points `avoid`: for tests that must not know the answer.
    """

    forward: Forward
    runs: Count = 96
    reach: Positive = 1.5
    neglected: Positive = 1e-7
    avoid: tuple[tuple[float, ...], ...] = ()
    clearance: Positive = 1.0
    probes: Index = 0
    step: Positive = 0.1

    def init(self, key: int) -> SurfaceState:
        """Choose where the set-up runs are made."""
        size = len(self.forward.controls)
        lower, upper = (
            self.forward.controls.project(np.full(size, side)) for side in (-self.reach, self.reach)
        )
        return SurfaceState(space_filling(self.runs, lower, upper, key, self.avoid, self.clearance))

    def runs_needed(self, x: np.ndarray, state: SurfaceState) -> int:
        """One, none if x has been run; the probes; and the set-up runs before the first gradient."""
        probes = min(self.probes, len(x))
        return (0 if state.surface else self.runs) + probes + (not self.forward.known(x))

    def evaluate(self, x: np.ndarray, state: SurfaceState) -> tuple[Evaluation, SurfaceState]:
        """Value from the real run at x, Jacobian from the surface and from probes."""
        before = self.forward.runs
        if state.surface is None:
            state = replace(state, surface=self._surface(state.design))
        assert state.surface is not None
        plain = value_at(self.forward, x)
        if not plain.ok:
            return replace(plain, runs=self.forward.runs - before), state
        jacobian = self._probed(x, state.surface)
        return evaluation_at(self.forward, x, from_matrix(jacobian), self.forward.runs - before), state

    def _probed(self, x: np.ndarray, surface: Surface) -> np.ndarray:
        """The surface's Jacobian [m, P], columns of the least certain components corrected by perturbed runs."""
        jacobian = surface.jacobian(x)
        differences, directions = FiniteDifference(self.forward, self.step), np.eye(len(x))
        for number in self._uncertain(x, surface, jacobian):
            direction = directions[number]
            first, second = differences.ends(x, direction)
            predicted = surface.change(first, second) / float((second - first) @ direction)
            jacobian[:, number] += differences.column(x, direction) - predicted
        return jacobian

    def _uncertain(self, x: np.ndarray, surface: Surface, jacobian: np.ndarray) -> np.ndarray:
        """Numbers of the components to probe: largest error relative to their size, `_NOTHING` of the norm at least."""
        if not self.probes:
            return np.zeros(0, int)
        misfit = np.asarray(self.forward.observe(x).misfit)
        gradient = jacobian.T @ misfit
        size = np.maximum(np.abs(gradient), _NOTHING * np.linalg.norm(gradient))
        return np.argsort(-surface.gradient_error(x, misfit) / np.maximum(size, np.finfo(float).tiny))[
            : self.probes
        ]

    def _surface(self, design: np.ndarray) -> Surface:
        """Make the set-up runs and fit; those that blew up are left out."""
        self.forward.observe_all(design)
        misfits = [self.forward.observe(x).misfit for x in design]
        there = np.array([misfit is not None for misfit in misfits])
        if there.sum() < 2 + design.shape[1]:
            raise ModelBlewUp(
                f"only {there.sum()} of {len(design)} set-up runs completed; use a smaller reach than {self.reach}",
                self.forward.window.steps,
                self.forward.params(design[0]),
            )
        points, values = design[there], np.array([misfit for misfit in misfits if misfit is not None])
        amplitudes, modes = eofs(values, self.neglected)
        try:
            fits = tuple(fit(points, amplitude) for amplitude in amplitudes.T)
        except ValueError as error:
            raise ConfigurationError(f"[estimator]: runs = {self.runs}: {error}") from error
        left_out = np.sum([process.left_out**2 for process in fits]) / np.sum(amplitudes**2)
        return Surface(modes, fits, float(np.sqrt(left_out)))


def eofs(values: np.ndarray, neglected: float) -> tuple[np.ndarray, np.ndarray]:
    """Amplitudes [N, q] and modes [m, q] of `values` [N, m] about their mean, but for that share of the variance."""
    left, size, right = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    variance = np.cumsum(size**2)
    kept = 1 + int(np.sum(variance < (1.0 - neglected) * variance[-1]))
    return left[:, :kept] * size[:kept], right[:kept].T
