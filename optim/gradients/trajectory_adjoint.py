"""Sensitivities along a recorded real trajectory, for any linearisation of the step map.

    tangent    du_{k+1} = A_k du_k + B_k dtheta,        du_0 given
    adjoint    lambda_n = w_n;   g += B_kᵀ lambda_{k+1};   lambda_k = A_kᵀ lambda_{k+1} + w_k

with w_k = dJ/du_k at the recorded states. At the end g = dJ/dtheta and lambda_0 = dJ/du_0. One pass backwards gives
the gradient with respect to any number of parameters, maps and initial fields, and asks for no step of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emulator.tangent_linear import TangentLinear
from optim.gradients.linearisation import Linearisation, ParameterVector, RecordedRun
from optim.gradients.step_model import State

#: {"parameters": ParameterVector, "initial": {field: array}}; an absent part is zero
Input = Mapping[str, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Gradient:
    """dJ/dtheta by name and dJ/du_0 by field, in the units of J over theirs."""

    parameters: ParameterVector
    initial: State


def gradient(
    linearisation: Linearisation, run: RecordedRun, weights: Sequence[Mapping[str, np.ndarray] | None]
) -> Gradient:
    """Gradient of J from `weights`, dJ/du_k for k = 0 … n; None, or a field left out, stands for zero."""
    if len(weights) != run.steps + 1:
        raise ValueError(
            f"expected dJ/du at the {run.steps + 1} states of the run, its start included; got {len(weights)}"
        )
    sensitivity = _sum(run.no_change(), weights[-1])
    total = run.no_tangent()
    for k in reversed(range(run.steps)):
        earlier, share = linearisation.adjoint(k, sensitivity)
        total, sensitivity = _sum(total, share), _sum(earlier, weights[k])
    return Gradient(total, sensitivity)


def tangents(linearisation: Linearisation, run: RecordedRun, change: Input) -> Iterator[State]:
    """du_0, du_1, …, du_n for a change of parameters, initial fields or both."""
    parameters = _sum(run.no_tangent(), change.get("parameters"))
    state = _sum(run.no_change(), change.get("initial"))
    yield state
    for k in range(run.steps):
        state = linearisation.tangent(k, state, parameters)
        yield state


def tangent_linear(linearisation: Linearisation, run: RecordedRun) -> TangentLinear:
    """Change of parameters and initial fields (`Input`) -> list of the changes of states 0 … n, and its transpose."""

    def rmv(weights: Sequence[Mapping[str, np.ndarray] | None]) -> dict[str, Mapping[str, np.ndarray]]:
        found = gradient(linearisation, run, weights)
        return {"parameters": found.parameters, "initial": found.initial}

    return TangentLinear(mv=lambda change: list(tangents(linearisation, run, change)), rmv=rmv)


def _sum(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray] | None) -> dict[str, np.ndarray]:
    """Entry by entry; what `second` does not name stays. KeyError for a name that `first` does not have."""
    total = dict(first)
    for name, value in (second or {}).items():
        if name not in total:
            raise KeyError(f"expected one of {', '.join(total) or 'no names'}, got {name!r}")
        total[name] = total[name] + value
    return total
