"""Ensemble tangent linear: the misfit regressed on the controls over a handful of perturbed real runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bridge.errors import ModelBlewUp
from emulator.tangent_linear import from_matrix
from optim.cost import Evaluation
from optim.forward import Forward
from optim.gradients.base import evaluation_at, value_at
from optim.settings_check import Count, NonNegativeOrInfinite, Positive


@dataclass(frozen=True)
class EnsembleState:
    """Offsets of the members [E, P] (fixed by the seed) and the last regression: where, Jacobian, its error."""

    offsets: np.ndarray
    centre: np.ndarray | None = None
    jacobian: np.ndarray | None = None
    error_variance: np.ndarray | None = None


@dataclass(frozen=True)
class Ensemble:
    """`members` runs around x, perturbed by about `spread` (units of x); refreshed when x moves by `refresh`.

    Fewer members than controls give the Jacobian within the subspace they span. `refresh = 0` makes a new
    ensemble at every x.
    """

    forward: Forward
    members: Count
    spread: Positive = 0.3
    refresh: NonNegativeOrInfinite = 1.0
    ridge: Positive = 1e-6

    def init(self, key: int) -> EnsembleState:
        """Draw the members' directions: orthogonal as far as their number allows, random signs and rotation."""
        size = len(self.forward.controls)
        random = np.random.default_rng(key)
        blocks: list[np.ndarray] = []
        while len(blocks) * size < self.members:
            rotation, _ = np.linalg.qr(random.standard_normal((size, size)))
            blocks.append(rotation if not blocks or len(blocks) % 2 == 0 else -blocks[-1])
        return EnsembleState(self.spread * np.concatenate(blocks)[: self.members])

    def runs_needed(self, x: np.ndarray, state: EnsembleState) -> int:
        """The members if the ensemble is due, and one if x has not been run."""
        return self.members * self._due(x, state) + (not self.forward.known(x))

    def evaluate(self, x: np.ndarray, state: EnsembleState) -> tuple[Evaluation, EnsembleState]:
        """Value at x, gradient and Jacobian from the regression around the ensemble's centre."""
        before = self.forward.runs
        plain = value_at(self.forward, x)
        if not plain.ok:
            return plain, state
        if self._due(x, state):
            state = self._regress(x, state)
        assert state.jacobian is not None and state.error_variance is not None and plain.residual is not None
        misfit = plain.residual[: state.jacobian.shape[0]]
        standard_error = np.sqrt(state.error_variance) * np.linalg.norm(misfit)
        runs = self.forward.runs - before
        return evaluation_at(self.forward, x, from_matrix(state.jacobian), runs, standard_error), state

    def _due(self, x: np.ndarray, state: EnsembleState) -> bool:
        if state.centre is None:
            return True
        distance = float(np.linalg.norm(x - state.centre))
        return distance > self.refresh or (self.refresh == 0.0 and distance > 0.0)

    def _regress(self, x: np.ndarray, state: EnsembleState) -> EnsembleState:
        centre = self.forward.observe(x).misfit
        assert centre is not None
        inputs, outputs = [], []
        members = [self.forward.controls.project(x + offset) for offset in state.offsets]
        self.forward.observe_all(members)
        for member in members:
            misfit = self.forward.observe(member).misfit
            if misfit is not None:  # a member that blew up is dropped; the others still span a subspace
                inputs.append(member - x)
                outputs.append(misfit - centre)
        if not inputs:
            raise ModelBlewUp(
                f"all {self.members} ensemble members blew up; use a smaller spread than {self.spread}",
                self.forward.window.steps,
                self.forward.params(x),
            )
        design, response = np.array(inputs), np.array(outputs)  # [E, P], [E, m]
        gram = design.T @ design + self.ridge * self.spread**2 * np.eye(len(x))
        solution = np.linalg.solve(gram, design.T @ response)  # [P, m]
        left_over = response - design @ solution
        freedom = max(len(inputs) - len(x), 1)
        noise = float(np.mean(np.sum(left_over**2, axis=0))) / freedom  # variance per component of the misfit
        variance = noise * np.diag(np.linalg.inv(gram))
        return replace(state, centre=np.array(x), jacobian=solution.T, error_variance=variance)
