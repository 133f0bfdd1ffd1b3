"""Response surface: how observations answer to parameters, learned once from runs spread over the prior.

The misfits of the set-up runs are compressed to their empirical orthogonal functions (EOFs); the amplitude of each is
a smooth function of the scaled parameters, the mean of a Gaussian process. At x one real run gives the residual, the
surface its Jacobian there: g = J(x)ᵀ r(x). Once set up a gradient costs one run, whatever the number of parameters.

All components share the errors of J, so that it is the smallest ones whose relative errors are large: `probes` of them
are found by a perturbed run each instead.

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


@dataclass(frozen=True)
class SurfaceState:
    """Where the set-up runs are made, [N, P] (fixed by the seed), and the surface once they are."""

    design: np.ndarray
    surface: Surface | None = None


@dataclass(frozen=True)
class ResponseSurface:
    """`runs` set-up runs within `reach` prior standard deviations of the prior mean, as far as bounds allow.

    `neglected` is the share of the misfits' variance that EOFs may leave out. The columns of the `probes` smallest
    components of the gradient come from runs perturbed by `step` (prior standard deviations). No set-up run is nearer
    than `clearance` to one of the points `avoid`: for tests that must not know the answer.
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
        jacobian = self._probed(x, state.surface.jacobian(x))
        return evaluation_at(self.forward, x, from_matrix(jacobian), self.forward.runs - before), state

    def _probed(self, x: np.ndarray, jacobian: np.ndarray) -> np.ndarray:
        """`jacobian` [m, P] with the columns of the smallest components of the gradient from perturbed runs."""
        gradient = jacobian.T @ np.asarray(self.forward.observe(x).misfit)
        differences, directions = FiniteDifference(self.forward, self.step), np.eye(len(x))
        jacobian = jacobian.copy()
        for number in np.argsort(np.abs(gradient))[: self.probes]:
            jacobian[:, number] = differences.column(x, directions[number])
        return jacobian

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
