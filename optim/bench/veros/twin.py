"""Twin experiments: parameters recovered from what the model itself produced with known ones.

The unknowns are logarithms of parameters, and the derivatives exact: L-BFGS-B with the gradient of the mean square
misfit by the reverse sweep, or least squares with the Jacobian of the misfits by the forward sweep, for few parameters.
Bounds are needed: a free search reaches a flat valley at 0.02 times the true viscosity of ACC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares, minimize

if TYPE_CHECKING:
    from emulator.veros.gradient import GradientSweep
    from emulator.veros.model import VerosModel
    from emulator.veros.tangent import TangentSweep

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


class _Search:
    """The logarithms x of the parameters of a twin experiment, their bounds, and what has been evaluated."""

    def __init__(self, others: Mapping[str, Any], twin: Twin) -> None:
        self.names = tuple(twin.truth)
        self.truth = np.log([twin.truth[name] for name in self.names])
        self.start = self.truth + np.log([twin.factors[name] for name in self.names])
        ends, reach = np.sort([self.start, self.truth], axis=0), np.log(_REACH)
        self.bounds = ends[0] - reach, ends[1] + reach
        self.history: list[dict[str, Any]] = []
        self._others = others

    def params(self, x: np.ndarray) -> dict[str, Any]:
        """The model's parameters at x."""
        own = zip(self.names, np.exp(x), strict=True)
        return {**self._others, **{name: jnp.asarray(value) for name, value in own}}

    def note(self, x: np.ndarray, loss: float) -> None:
        """An evaluation: the loss, and the parameters over the truth."""
        self.history.append(
            {"loss": loss, **dict(zip(self.names, np.exp(x - self.truth).tolist(), strict=True))}
        )

    def found(self) -> dict[str, Any]:
        """Errors at the evaluation of least loss."""
        best = min(self.history, key=lambda entry: entry["loss"])
        errors = {name: abs(best[name] - 1) for name in self.names}
        return {"errors": errors, "evaluations": len(self.history), "history": self.history}


def recover(
    sweep: GradientSweep, data: list[Any], state: Any, others: Mapping[str, Any], twin: Twin
) -> dict[str, Any]:
    """Relative errors of the parameters found, and the loss and the parameters over the truth at each evaluation.

    `sweep` has the cost `misfit`; the parameters found are those of the evaluation of least loss.
    """
    search = _Search(others, twin)
    scale = 1.0

    def cost(x: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal scale
        params = search.params(x)
        found = sweep.value_and_gradient(state, params, data, twin.every)
        if not search.history:
            scale = 1 / found.value
        search.note(x, found.value)
        slope = [float(found.params[name]) * float(params[name]) for name in search.names]
        return scale * found.value, scale * np.array(slope)

    options = {"maxfun": twin.evaluations, "ftol": 0.0, "gtol": 1e-13}
    bounds = np.stack(search.bounds, axis=1)
    minimize(cost, search.start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return search.found()


def recover_by_least_squares(
    sweep: TangentSweep, data: list[Any], state: Any, others: Mapping[str, Any], twin: Twin
) -> dict[str, Any]:
    """As `recover`. `sweep` observes what `data` holds, as vectors, and has the columns of the twin's parameters.

    An evaluation is a run; each of those that lowered the loss was followed by a forward sweep (`jacobians`).
    """
    search = _Search(others, twin)
    columns = [sweep.names.index(name) for name in search.names]
    datum = np.array(data)
    scale, jacobians = 1.0, 0

    def misfits(x: np.ndarray) -> np.ndarray:
        nonlocal scale
        seen = (sweep.observed(state, search.params(x), twin.records, twin.every) - datum).ravel()
        if not search.history:
            scale = 1 / float(np.linalg.norm(seen))
        search.note(x, float(np.mean(seen**2)))
        return scale * seen

    def jacobian(x: np.ndarray) -> np.ndarray:
        nonlocal jacobians
        jacobians += 1
        params = search.params(x)
        _, slopes = sweep.observed_and_jacobian(state, params, twin.records, twin.every)
        own = np.array([float(params[name]) for name in search.names])
        return scale * slopes[..., columns].reshape(-1, len(columns)) * own

    limits = {"max_nfev": twin.evaluations, "ftol": 1e-15, "xtol": 1e-10, "gtol": 1e-15}
    least_squares(misfits, search.start, jacobian, bounds=search.bounds, method="trf", **limits)
    return {**search.found(), "jacobians": jacobians}
