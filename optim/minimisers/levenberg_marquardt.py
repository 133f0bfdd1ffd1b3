"""Gauss–Newton with Levenberg–Marquardt damping, on an approximate Jacobian that real runs correct.

At x_k: min_d ½|r_k + (S_k + B) d|² + ½ λ |D d|², D² = diag(JᵀJ). S_k comes from the estimator. B is the
multi-secant estimate of its bias from the runs already paid for: for each pair of runs with known Δx,

    defect = Δr − S̄ Δx,    S̄ = mean of the S at both ends where known,

and B = Σ fits the defects in weighted least squares with Tikhonov regularisation. It is exact (to curvature)
in the directions that were explored and zero elsewhere, where the surrogate is all there is; with one
pair it is Broyden's update. A run that blew up is data: the step is cut and the pair is not used.

A surrogate's bias can make a point look stationary that is not. With `verify`, a step that promises nothing,
or trials that gain next to nothing, first lead to short real runs along the directions of x in which no recent run has
checked the Jacobian; only a Jacobian that was checked everywhere may end the minimisation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from emulator.tangent_linear import to_matrix
from optim.cost import Evaluation
from optim.minimisers.base import (
    BudgetSpent,
    Ending,
    MinimiserState,
    Oracle,
    first_evaluation,
    solve_in_bounds,
)
from optim.settings_check import Count, Fraction, Index, NonNegative, Positive, PositiveOrInfinite

_LITTLE = 0.05  # relative decrease of J that does not count as progress
_ROUNDING = 1e-8  # a shorter step would read the model's rounding as a derivative
_ENOUGH = 0.1  # weight of the least known direction above which the Jacobian counts as checked


@dataclass(frozen=True)
class Memory:
    """Damping λ, trust radius, the Jacobian S at x, the secant pairs (Δx, defect), newest last."""

    damping: float
    radius: float
    jacobian: np.ndarray | None = None
    pairs: tuple[tuple[np.ndarray, np.ndarray], ...] = ()
    rejections: int = 0
    idle: int = 0  # trials in a row that lowered J by little or not at all


@dataclass(frozen=True)
class LevenbergMarquardt:
    """Settings, in units of x (prior standard deviations) where they are lengths.

    `secants` switches the multi-secant correction on; pairs longer than `secant_length` count less
    (curvature spoils them) and each newer pair discounts the older by `forget`. `verify` is the length of
    the verifying steps, 0 for none; they begin after `patience` trials that
    lower J by less than a twentieth. After `most_idle` of those in a row (0: any number) it ends as stalled.
    """

    damping: Positive = 1e-2
    radius: PositiveOrInfinite = 2.0
    secants: bool = True
    secant_length: PositiveOrInfinite = 0.5
    forget: Fraction = 0.7
    tikhonov: Positive = 1e-3
    step_tolerance: NonNegative = 1e-4
    cost_tolerance: NonNegative = 1e-6
    largest_damping: PositiveOrInfinite = 1e8
    most_rejections: Count = 8
    most_idle: Index = 0
    verify: NonNegative = 0.0
    patience: Index = 2

    def init(self, x: np.ndarray) -> MinimiserState:
        """State at x, nothing evaluated."""
        return MinimiserState(np.array(x, dtype=float), memory=Memory(self.damping, self.radius))

    def step(self, oracle: Oracle, state: MinimiserState) -> MinimiserState:
        """One trial: one real run, and the derivative at the new point if it is accepted."""
        memory: Memory = state.memory
        if state.evaluation is None:
            started = first_evaluation(oracle, state)
            jacobian = _jacobian(started.evaluation)
            return replace(started, memory=replace(memory, jacobian=jacobian))
        here = state.evaluation
        jacobian = self.corrected(memory)
        step, predicted = self._propose(oracle, here, jacobian, memory)
        promising = (
            predicted > self.cost_tolerance * here.value and np.linalg.norm(step) > self.step_tolerance
        )
        if promising and 0 < self.most_idle <= memory.idle:
            message = f"{memory.idle} trials in a row lowered J by little or not at all"
            return replace(state, predicted=predicted, ending=Ending.STALLED, message=message)
        direction = self._unverified(memory)
        if direction is not None and (memory.idle >= self.patience or not promising):
            return self._verify(oracle, state, here, direction, memory)
        if not promising:
            message = f"the next step promises {predicted:.3g} of J = {here.value:.6g}"
            return replace(state, predicted=predicted, ending=Ending.CONVERGED, message=message)
        trial = oracle.probe(here.x + step)
        if trial.ok and trial.value < here.value:
            return self._accept(oracle, here, trial, predicted, memory)
        return self._reject(state, here, trial, step, predicted, memory)

    def corrected(self, memory: Memory) -> np.ndarray:
        """S + B [m, n]."""
        assert memory.jacobian is not None
        if not (self.secants and memory.pairs):
            return memory.jacobian
        directions, weights, lengths = self._weighted(memory)
        defects = np.array([defect for _, defect in memory.pairs])  # [q, m]
        gram = (directions * weights[:, None]).T @ directions + self.tikhonov * np.eye(directions.shape[1])
        bias = np.linalg.solve(gram, (directions * weights[:, None]).T @ (defects / lengths[:, None]))
        return memory.jacobian + bias.T

    def _weighted(self, memory: Memory) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Unit directions [q, n] of the secant pairs, their weights [q] (largest 1) and lengths [q]."""
        steps = np.array([step for step, _ in memory.pairs])
        lengths = np.linalg.norm(steps, axis=1)
        age = np.arange(len(lengths))[::-1]
        weights = self.forget**age / (1.0 + (lengths / self.secant_length) ** 2)
        return steps / lengths[:, None], weights / weights.max(), lengths

    def _unverified(self, memory: Memory) -> np.ndarray | None:
        """The unit direction [n] in which recent pairs say least of the Jacobian; None where they all say enough."""
        if self.verify <= 0.0 or memory.jacobian is None:
            return None
        n = memory.jacobian.shape[1]
        if not memory.pairs:
            return np.eye(n)[0]
        directions, weights, _ = self._weighted(memory)
        values, vectors = np.linalg.eigh((directions * weights[:, None]).T @ directions)
        return vectors[:, 0] if values[0] < _ENOUGH else None

    def _verify(
        self, oracle: Oracle, state: MinimiserState, here: Evaluation, direction: np.ndarray, memory: Memory
    ) -> MinimiserState:
        """A short real run along `direction`; its pair repairs the Jacobian, and damping starts anew."""
        assert memory.jacobian is not None and here.residual is not None
        trial = self._verifying_run(oracle, here, direction)
        if trial.ok and np.linalg.norm(trial.x - here.x) >= _ROUNDING:
            pairs = self._with_pair(memory, here, trial, memory.jacobian)
        else:  # nothing was learnt; without a pair the same direction would be tried for ever
            pairs = (*memory.pairs, (self.verify * direction, np.zeros_like(here.residual)))
        repaired = replace(memory, damping=self.damping, radius=self.radius, pairs=pairs)
        if trial.ok and trial.value < here.value:
            try:
                accepted = oracle.evaluate(trial.x)
            except BudgetSpent as spent:
                return _unaffordable(trial, None, memory, spent)
            moved = replace(repaired, jacobian=_jacobian(accepted), rejections=0)
            if self._unverified(moved) is None:
                moved = replace(moved, idle=0)
            return MinimiserState(accepted.x, accepted, accepted, True, None, memory=moved)
        checked = self._unverified(repaired) is None
        repaired = replace(repaired, rejections=0, idle=0 if checked else memory.idle)
        return replace(state, trial=trial, accepted=False, predicted=None, memory=repaired)

    def _verifying_run(self, oracle: Oracle, here: Evaluation, direction: np.ndarray) -> Evaluation:
        """A run a short way along `direction`: downhill, or where there is more room; the other way if it fails."""
        assert here.grad is not None
        downhill = -direction if here.grad @ direction > 0.0 else direction
        candidates = [oracle.project(here.x + sign * self.verify * downhill) for sign in (1.0, -1.0)]
        candidates.sort(key=lambda x: -round(float(np.linalg.norm(x - here.x)), 9))
        trial = oracle.probe(candidates[0])
        if trial.ok or np.linalg.norm(candidates[1] - here.x) < _ROUNDING:
            return trial
        return oracle.probe(candidates[1])

    def _propose(
        self, oracle: Oracle, here: Evaluation, jacobian: np.ndarray, memory: Memory
    ) -> tuple[np.ndarray, float]:
        """Damped Gauss–Newton step within radius and bounds, and the reduction of J that it promises."""
        assert here.residual is not None
        hessian, gradient = jacobian.T @ jacobian, jacobian.T @ here.residual
        diagonal = np.diag(hessian)
        floor = 1e-12 * max(float(diagonal.max()), np.finfo(float).tiny)
        step = solve_in_bounds(
            oracle.project, here.x, hessian + memory.damping * np.diag(diagonal + floor), gradient
        )
        length = float(np.linalg.norm(step))
        if length > memory.radius:
            step = step * (memory.radius / length)
        predicted = -float(gradient @ step) - 0.5 * float(step @ hessian @ step)
        return step, predicted

    def _accept(
        self, oracle: Oracle, here: Evaluation, trial: Evaluation, predicted: float, memory: Memory
    ) -> MinimiserState:
        try:
            accepted = oracle.evaluate(trial.x)
        except BudgetSpent as spent:  # the better point counts all the same
            return _unaffordable(trial, predicted, memory, spent)
        jacobian = _jacobian(accepted)
        assert memory.jacobian is not None and jacobian is not None
        pairs = self._with_pair(memory, here, trial, 0.5 * (memory.jacobian + jacobian))
        gain = (here.value - trial.value) / predicted
        damping = memory.damping * (0.2 if gain > 0.75 else 3.0 if gain < 0.25 else 1.0)
        length = float(np.linalg.norm(trial.x - here.x))
        radius = min(max(memory.radius, 2.0 * length), self.radius) if gain > 0.75 else memory.radius
        kept = replace(memory, damping=max(damping, 1e-9), radius=radius, jacobian=jacobian, pairs=pairs)
        little = here.value - trial.value < _LITTLE * here.value
        kept = replace(kept, rejections=0, idle=memory.idle + 1 if little else 0)
        return MinimiserState(accepted.x, accepted, accepted, True, predicted, memory=kept)

    def _reject(
        self,
        state: MinimiserState,
        here: Evaluation,
        trial: Evaluation,
        step: np.ndarray,
        predicted: float,
        memory: Memory,
    ) -> MinimiserState:
        length = float(np.linalg.norm(step))
        assert memory.jacobian is not None
        if trial.ok:
            pairs = self._with_pair(memory, here, trial, memory.jacobian)
            changed = replace(memory, damping=memory.damping * 5.0, radius=0.5 * length, pairs=pairs)
        else:
            changed = replace(memory, damping=memory.damping * 10.0, radius=0.25 * length)
        changed = replace(changed, rejections=memory.rejections + 1, idle=memory.idle + 1)
        rejected = replace(state, trial=trial, accepted=False, predicted=predicted, memory=changed)
        if changed.damping > self.largest_damping or changed.rejections >= self.most_rejections:
            message = f"{changed.rejections} trials in a row did not lower J along the approximate Jacobian"
            return replace(rejected, ending=Ending.STALLED, message=message)
        return rejected

    def _with_pair(
        self, memory: Memory, here: Evaluation, trial: Evaluation, jacobian: np.ndarray
    ) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        step = trial.x - here.x
        if np.linalg.norm(step) < _ROUNDING:
            return memory.pairs
        assert trial.residual is not None and here.residual is not None
        defect = trial.residual - here.residual - jacobian @ step
        return (*memory.pairs, (step, defect))


def _unaffordable(
    trial: Evaluation, predicted: float | None, memory: Memory, spent: BudgetSpent
) -> MinimiserState:
    """The end at a better point whose derivative the budget does not allow."""
    return MinimiserState(trial.x, trial, trial, True, predicted, Ending.BUDGET_SPENT, str(spent), memory)


def _jacobian(evaluation: Evaluation | None) -> np.ndarray | None:
    if evaluation is None or evaluation.tangent is None:
        return None
    return to_matrix(evaluation.tangent, evaluation.x.size)
