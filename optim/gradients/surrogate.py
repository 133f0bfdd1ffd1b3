"""Real forward, surrogate derivative: one real run per value and gradient.

The surrogate is linearised at the states that the *real* model recorded, never about its own rollout
(measured in the project: with the real forward the cosine stays at 1 where the surrogate's own gradient
has lost the direction).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bridge.model import Recording, Trajectory
from emulator.tangent_linear import TangentLinear, from_matrix
from optim.cost import Evaluation
from optim.forward import Forward
from optim.gradients.base import evaluation_at, value_at

_DENSE_UP_TO = 64  # with more controls, products are kept instead of a matrix


class FieldSurrogate(Protocol):
    """Something differentiable that stands in for the model's derivative."""

    @property
    def name(self) -> str:
        """Name and version, part of the key of cached Jacobians."""
        ...

    @property
    def recording(self) -> Recording:
        """What it has to see of a real run."""
        ...

    def linearise(self, trajectory: Trajectory, names: Sequence[str], fields: Sequence[str]) -> TangentLinear:
        """Tangents [P] of the named parameters (physical units) -> {field: tangents at the records}."""
        ...


@dataclass(frozen=True)
class SurrogateGradient:
    """Estimator `surrogate`: the value from one real run, the Jacobian from `surrogate` along that run."""

    forward: Forward
    surrogate: FieldSurrogate

    def init(self, key: int) -> None:
        """Nothing is random and nothing is remembered."""
        return None

    def runs_needed(self, x: np.ndarray, state: None) -> int:
        """One, none if x has been run."""
        return int(not self.forward.known(x))

    def evaluate(self, x: np.ndarray, state: None) -> tuple[Evaluation, None]:
        """Value, gradient and Jacobian products at x for exactly one real run (none if x has been run)."""
        before = self.forward.runs
        expected = self.runs_needed(x, state)
        plain = value_at(self.forward, x)
        if not plain.ok:
            return plain, None
        tangent = self._misfit_tangent(x)
        runs = self.forward.runs - before
        if runs != expected:
            raise AssertionError(
                f"the surrogate estimator must ask for {expected} real run(s), it asked for {runs}"
            )
        return evaluation_at(self.forward, x, tangent, runs), None

    def _misfit_tangent(self, x: np.ndarray) -> TangentLinear:
        """Tangent linear of the misfit; its matrix is cached in the ledger when there are few controls."""
        if len(x) > _DENSE_UP_TO:
            return self._products(x)
        ledger, key = self.forward.ledger, self.forward.key(x)
        name = f"misfit-jacobian-{self.surrogate.name}-{self.forward.fingerprint()}"
        matrix = ledger.artifact(key, name) if ledger is not None else None
        if matrix is None:
            matrix = np.asarray(self._products(x).columns(np.eye(len(x)))).T
            if ledger is not None:
                ledger.store_artifact(key, name, matrix)
        if not np.all(np.isfinite(matrix)):
            raise FloatingPointError(
                f"the tangent linear of surrogate {self.surrogate.name!r} is not finite at {self.forward.params(x)}"
            )
        return from_matrix(matrix)

    def _products(self, x: np.ndarray) -> TangentLinear:
        cost, controls = self.forward.cost, self.forward.controls
        slopes = controls.slopes(x)
        trajectory = self.forward.trajectory(x)
        fields = self.surrogate.linearise(trajectory, controls.names, cost.fields)
        shapes = {name: trajectory.fields[name].shape for name in cost.fields}

        def mv_many(directions: np.ndarray) -> np.ndarray:
            batch = fields.columns(np.asarray(directions) * slopes)
            return np.stack([cost.misfit_tangent(_member(batch, q)) for q in range(len(directions))])

        return TangentLinear(
            mv=lambda v: cost.misfit_tangent(fields.mv(v * slopes)),
            rmv=lambda w: np.asarray(fields.rmv(cost.misfit_adjoint(w, shapes))) * slopes,
            mv_many=mv_many,
        )


def _member(batch: dict[str, Any], number: int) -> dict[str, np.ndarray]:
    return {name: np.asarray(values[number]) for name, values in batch.items()}
