"""The initial temperature recovered from what became of it: a perturbed start, corrected by its exact gradient.

After Meunier et al. (2025, arXiv:2511.17427): a spun-up state, its temperature perturbed, some steps, the mean square
difference of temperature at the end. There 1000 steps of gradient descent; here L-BFGS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

if TYPE_CHECKING:
    from emulator.veros.model import VerosModel

KINDS = ("factor", "noise", "blob")


def perturbation(kind: str, temperature: np.ndarray, wet: np.ndarray, seed: int = 0) -> np.ndarray:
    """Change of temperature in °C [x, y, z]: 30 % of it, noise, or a Gaussian of 5 cells; the latter decay downward."""
    nx, ny, nz = temperature.shape
    downward = np.exp(-np.arange(nz)[::-1] / 3.0)
    if kind == "factor":
        change = 0.3 * temperature
    elif kind == "noise":
        change = np.random.default_rng(seed).normal(size=temperature.shape) * downward
    elif kind == "blob":
        x, y = np.meshgrid(np.arange(nx) - nx / 2, np.arange(ny) - ny / 2, indexing="ij")
        change = 2.0 * np.exp(-(x**2 + y**2) / (2 * 5.0**2))[..., None] * downward
    else:
        raise ValueError(f"expected one of {', '.join(KINDS)}, got {kind!r}")
    return change * wet


def correct(model: VerosModel, state: Any, kind: str, steps: int, evaluations: int) -> dict[str, Any]:
    """Losses by evaluation, and the mean square distance to the true initial temperature before and after."""
    from emulator.veros.gradient import GradientSweep

    wet = model.constant("maskT")
    wet = wet & (np.indices(wet.shape)[0] >= 2) & (np.indices(wet.shape)[0] < wet.shape[0] - 2)
    sweep = GradientSweep(model, lambda u, target: jnp.sum((u["temp"] - target)[wet] ** 2) / wet.sum())
    params = model.params()
    truth = np.asarray(state["temp"])
    end = dict(state)
    for _ in range(steps):
        end = sweep.step(end, params)
    start = truth + perturbation(kind, truth, wet)
    losses: list[float] = []

    def cost(x: np.ndarray) -> tuple[float, np.ndarray]:
        found = sweep.value_and_gradient(_with(model, state, x, wet), params, [end["temp"]], steps)
        losses.append(found.value)
        return wet.sum() * found.value, wet.sum() * np.asarray(found.state["temp"])[wet]

    best = minimize(
        cost, start[wet], jac=True, method="L-BFGS-B", options={"maxfun": evaluations, "maxcor": 20}
    )
    return {
        "losses": losses,
        "distance_before": float(np.mean((start - truth)[wet] ** 2)),
        "distance_after": float(np.mean((best.x - truth[wet]) ** 2)),
        "evaluations": len(losses),
    }


def _with(model: VerosModel, state: Any, temperature: np.ndarray, wet: np.ndarray) -> Any:
    """`state` with this temperature at `wet` points, continued across the seam of the grid."""
    field = np.array(state["temp"])
    field[wet] = temperature
    if model.settings.enable_cyclic_x:
        field[-2:], field[:2] = field[2:4], field[-4:-2]
    return {**state, "temp": jnp.asarray(field)}
