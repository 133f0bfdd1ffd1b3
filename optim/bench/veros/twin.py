"""Twin experiments: parameters recovered from what the model itself produced with known ones.

L-BFGS-B on the logarithms of the parameters, with the exact gradient of the mean square misfit by the reverse sweep.
Bounds are needed: a free search reaches a flat valley at 0.02 times the true viscosity of ACC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

if TYPE_CHECKING:
    from emulator.veros.gradient import GradientSweep
    from emulator.veros.model import VerosModel

#: the search may leave the range between start and truth by this factor
_REACH = 1.75


@dataclass(frozen=True)
class Twin:
    """Recover `truth`, from `factors` times it, with `records` observations `every` steps apart."""

    truth: Mapping[str, float]
    factors: Mapping[str, float]
    records: int
    every: int
    evaluations: int = 25


def observation(model: VerosModel, name: str) -> Callable[[Any], Any]:
    """Streamfunction in Sv, temperature in °C, or mixed-layer depth in 100 m, on the grid's interior."""
    from emulator.veros.observed import interior, mixed_layer_depth, streamfunction

    known: dict[str, Callable[[Any], Any]] = {
        "psi": streamfunction,
        "temp": lambda state: interior(state["temp"]),
        "mld": lambda state: mixed_layer_depth(model, state) / 100,
    }
    if name not in known:
        raise ValueError(f"expected one of {', '.join(known)} to be observed, got {name!r}")
    return known[name]


def misfit(observe: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Mean square difference of a state's observation and a datum."""
    return lambda state, datum: jnp.mean((observe(state) - datum) ** 2)


def observed(step: Callable, observe: Callable, state: Any, params: Any, twin: Twin) -> list[Any]:
    """What a run shows at each record."""
    records = []
    for _ in range(twin.records):
        for _ in range(twin.every):
            state = step(state, params)
        records.append(observe(state))
    return records


def recover(
    sweep: GradientSweep, data: list[Any], state: Any, others: Mapping[str, Any], twin: Twin
) -> dict[str, Any]:
    """Relative errors of the parameters found, and the loss and the parameters over the truth at each evaluation.

    `sweep` has the cost `misfit`; the parameters found are those of the evaluation of least loss.
    """
    names = tuple(twin.truth)
    truth = np.log([twin.truth[name] for name in names])
    start = truth + np.log([twin.factors[name] for name in names])
    history: list[dict[str, Any]] = []
    scale = 1.0

    def cost(x: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal scale
        values = dict(zip(names, np.exp(x), strict=True))
        params = {**others, **{name: jnp.asarray(value) for name, value in values.items()}}
        found = sweep.value_and_gradient(state, params, data, twin.every)
        if not history:
            scale = 1 / found.value
        history.append({"loss": found.value, **dict(zip(names, np.exp(x - truth).tolist(), strict=True))})
        return scale * found.value, scale * np.array([float(found.params[n]) * values[n] for n in names])

    reach = np.log(_REACH)
    bounds = np.stack([np.minimum(start, truth) - reach, np.maximum(start, truth) + reach], axis=1)
    options = {"maxfun": twin.evaluations, "ftol": 0.0, "gtol": 1e-13}
    minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    best = min(history, key=lambda entry: entry["loss"])
    errors = {name: abs(best[name] - 1) for name in names}
    return {"errors": errors, "evaluations": len(history), "history": history}
