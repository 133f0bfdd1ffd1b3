"""Linearisations of the step map in the place of a field surrogate: the same gradients, and a tuning that converges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emulator.tangent_linear import dot_product_error
from optim.gradients import SurrogateGradient
from optim.gradients.euler import Static
from optim.gradients.other_step import OtherStep
from optim.gradients.probes import OneStepProbes
from optim.gradients.step_function import FunctionStepModel
from optim.gradients.trajectory_surrogate import TrajectorySurrogate
from optim.minimise import minimise
from optim.minimisers import LevenbergMarquardt

NAMES = ("namtest/forcing", "namtest/damping", "namtest/closure")


def lorenz_step(state: Any, params: Any) -> Any:
    """The model of `lorenz` as a step map: Runge-Kutta on (roll(-1) - roll(2)) roll(1) - d x + f - c x^2."""
    import jax.numpy as jnp

    force, damping, closure = (params[name] for name in NAMES)

    def tendency(x: Any) -> Any:
        x1, x2, x3 = jnp.roll(x, 1, -1), jnp.roll(x, 2, -1), jnp.roll(x, -1, -1)
        return (x3 - x2) * x1 - damping * x + force - closure * x**2

    x, h = state["x"], 0.01
    k1 = tendency(x)
    k2 = tendency(x + 0.5 * h * k1)
    k3 = tendency(x + 0.5 * h * k2)
    k4 = tendency(x + h * k3)
    return {"x": x + h / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)}


@pytest.fixture
def surrogates(lorenz) -> tuple[Any, dict[str, TrajectorySurrogate]]:
    case = lorenz()
    start = {"x": np.asarray(case.model.initial)[None]}
    exact, model = OtherStep(lorenz_step), FunctionStepModel(lorenz_step)
    probes = OneStepProbes(model, dict.fromkeys(NAMES, 1e-5))
    return case, {
        "exact": TrajectorySurrogate("exact", exact, exact, start),
        "probed": TrajectorySurrogate("probed", exact, probes, start),
        "static": TrajectorySurrogate("static", Static(), probes, start),
    }


def test_gradients_are_those_of_the_model_where_the_linearisation_is_exact(surrogates) -> None:
    case, made = surrogates
    x = np.array([0.3, 0.2, 0.1])
    estimates = {
        name: SurrogateGradient(case.forward, s).evaluate(x, None)[0].grad for name, s in made.items()
    }
    central = [
        (cost_at(case, x + 1e-4 * d) - cost_at(case, x - 1e-4 * d)) / 2e-4 for d in np.eye(3)
    ]  # curvature and rounding leave 1e-6
    np.testing.assert_allclose(estimates["exact"], central, rtol=1e-4)
    np.testing.assert_allclose(estimates["probed"], estimates["exact"], rtol=1e-4)
    assert np.linalg.norm(estimates["static"] - estimates["exact"]) > 0.05 * np.linalg.norm(
        estimates["exact"]
    )


def cost_at(case: Any, x: np.ndarray) -> float:
    misfit = case.forward.observe(x).misfit
    return 0.5 * float(misfit @ misfit)


def test_both_modes_are_transposes(surrogates) -> None:
    case, made = surrogates
    trajectory = case.forward.trajectory(np.zeros(3))
    tangent = made["static"].linearise(trajectory, NAMES, ("x",))
    random = np.random.default_rng(0)
    weights = {"x": random.standard_normal(trajectory.fields["x"].shape)}
    assert dot_product_error(tangent, random.standard_normal(3), weights) < 1e-13


def test_gauss_newton_with_probed_columns_finds_the_truth(surrogates) -> None:
    case, made = surrogates
    estimator = SurrogateGradient(case.forward, made["probed"])
    solution = minimise(estimator, LevenbergMarquardt(), np.zeros(3), budget=12)
    found = case.controls.to_params(solution.x)["namtest"]
    for name, value in case.truth["namtest"].items():
        assert found[name] == pytest.approx(value, rel=1e-3)
