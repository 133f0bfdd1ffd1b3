"""Sensitivities along a recorded trajectory: both modes, every kind of linearisation, live models."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bridge.errors import ModelBlewUp
from emulator import lorenz
from emulator.tangent_linear import dot_product_error
from optim.gradients.euler import Damped, Static, euler
from optim.gradients.linearisation import RecordedRun, linearise
from optim.gradients.other_step import OtherStep
from optim.gradients.probes import OneStepProbes
from optim.gradients.step_function import FunctionStepModel
from optim.gradients.step_model import step_each
from optim.gradients.trajectory_adjoint import gradient, tangent_linear

STEP = 0.01
PARAMS = {"closure/a": 0.1, "closure/b": 0.1, "closure/c": 2.0}
START = {"x": np.array([[1.0, 2.0, 20.0], [-3.0, -2.0, 15.0]])}
lorenz63 = lorenz.runge_kutta(lorenz.lorenz63, STEP)


@pytest.fixture
def model() -> FunctionStepModel:
    return FunctionStepModel(lorenz63)


@pytest.fixture
def run(model: FunctionStepModel) -> RecordedRun:
    return RecordedRun.of(model, START, PARAMS, 20, tuple(PARAMS))


def kinds(model: FunctionStepModel) -> dict[str, tuple[Any, Any]]:
    """Flow and forcing of every kind."""
    closure, everything = euler(lorenz.lorenz63_closure, STEP), euler(lorenz.lorenz63, STEP)
    exact = OtherStep(lorenz63)
    probes = OneStepProbes(model, dict.fromkeys(PARAMS, 1e-4))
    return {
        "static": (Static(), closure),
        "straight-through": (closure, closure),
        "euler-jacobian": (everything, closure),
        "damped": (Damped(everything, 2.0, STEP), closure),
        "wrong twin": (exact, exact),
        "probes": (exact, probes),
        "sparse probes": (exact, OneStepProbes(model, dict.fromkeys(PARAMS, 1e-4), every=3, central=True)),
    }


def last_state(run: RecordedRun) -> list[Any]:
    """dJ/du for J = half the squared last state."""
    return [None] * run.steps + [{"x": run.states[-1]["x"]}]


def exact_gradient(steps: int) -> tuple[Any, Any]:
    def cost(state: Any, params: Any) -> Any:
        for _ in range(steps):
            state = lorenz63(state, params)
        return 0.5 * jnp.sum(state["x"] ** 2)

    return jax.grad(cost, (0, 1))(START, {name: jnp.asarray(value) for name, value in PARAMS.items()})


@pytest.mark.parametrize("kind", kinds(FunctionStepModel(lorenz63)))
def test_both_modes_are_transposes(model: FunctionStepModel, run: RecordedRun, kind: str) -> None:
    tangent = tangent_linear(linearise(*kinds(model)[kind], run), run)
    random = np.random.default_rng(0)
    change = {
        "parameters": {name: np.array(random.standard_normal()) for name in PARAMS},
        "initial": {"x": random.standard_normal((2, 3))},
    }
    weights = [{"x": random.standard_normal((2, 3))} for _ in run.states]
    assert dot_product_error(tangent, change, weights) < 1e-14


def test_with_the_exact_step_the_gradient_is_exact(run: RecordedRun) -> None:
    exact = OtherStep(lorenz63)
    found = gradient(linearise(exact, exact, run), run, last_state(run))
    initial, parameters = exact_gradient(run.steps)
    np.testing.assert_allclose(found.initial["x"], initial["x"], rtol=1e-12)
    for name in PARAMS:
        np.testing.assert_allclose(found.parameters[name], parameters[name], rtol=1e-12)


def test_tangents_follow_the_model_to_second_order(model: FunctionStepModel, run: RecordedRun) -> None:
    exact = OtherStep(lorenz63)
    direction = {
        "parameters": {"closure/c": np.array(0.3)},
        "initial": {"x": np.full((2, 3), 0.1)},
    }
    last = tangent_linear(linearise(exact, exact, run), run).mv(direction)[-1]["x"]

    def remainder(size: float) -> float:
        moved = {"x": START["x"] + size * direction["initial"]["x"]}
        params = {**PARAMS, "closure/c": PARAMS["closure/c"] + 0.3 * size}
        change = model.roll(moved, params, run.steps)[-1]["x"] - run.states[-1]["x"]
        return float(np.linalg.norm(change - size * last))

    slope = np.log10(remainder(1e-2) / remainder(1e-3))
    assert slope == pytest.approx(2.0, abs=0.05)  # the third order contributes a few per cent


def test_probes_cost_what_they_say_and_err_with_their_spread(
    model: FunctionStepModel, run: RecordedRun
) -> None:
    exact = OtherStep(lorenz63)
    _, wanted = exact_gradient(run.steps)
    for every, central, tolerance in ((1, False, 1e-4), (3, False, 2e-2), (1, True, 1e-8)):
        probes = OneStepProbes(model, dict.fromkeys(PARAMS, 1e-4), every, central)
        before = model.steps_spent
        found = gradient(linearise(exact, probes, run), run, last_state(run))
        assert model.steps_spent - before == probes.steps_per_run(run)
        for name in PARAMS:
            np.testing.assert_allclose(found.parameters[name], wanted[name], rtol=tolerance)


def test_euler_error_falls_with_the_step_at_a_fixed_number_of_steps() -> None:
    """First order in h: ten times smaller steps leave a tenth of the error (Ouala et al. 2024, theorem 2.1)."""
    errors = []
    for size in (1e-3, 1e-4):
        step = lorenz.runge_kutta(lorenz.lorenz63, size)
        run = RecordedRun.of(FunctionStepModel(step), START, PARAMS, 10, tuple(PARAMS))
        exact, closure = OtherStep(step), euler(lorenz.lorenz63_closure, size)
        wanted = gradient(linearise(exact, exact, run), run, last_state(run)).parameters["closure/c"]
        found = gradient(linearise(Static(), closure, run), run, last_state(run)).parameters["closure/c"]
        errors.append(abs(found / wanted - 1.0))
    assert errors[1] / errors[0] == pytest.approx(0.1, rel=0.2)


def test_damping_scales_every_step(run: RecordedRun) -> None:
    closure = euler(lorenz.lorenz63_closure, STEP)
    plain = gradient(linearise(Static(), closure, run), run, last_state(run)).initial["x"]
    damped = gradient(linearise(Damped(Static(), 5.0, STEP), closure, run), run, last_state(run)).initial["x"]
    np.testing.assert_allclose(damped, plain * 0.95**run.steps, rtol=1e-12)
    with pytest.raises(ValueError, match="rate"):
        Damped(Static(), 200.0, STEP)


def test_many_steps_at_once_are_those_made_one_by_one(model: FunctionStepModel) -> None:
    states = [{"x": START["x"] + shift} for shift in (0.0, 0.5, 1.0)]
    params = [{**PARAMS, "closure/c": 2.0 + shift} for shift in (0.0, 0.5, 1.0)]
    together = step_each(model, states, params)
    for state, values, after in zip(states, params, together, strict=True):
        np.testing.assert_allclose(after["x"], model.step(state, values)["x"], rtol=1e-14)
    assert model.steps_spent == 6


def test_a_run_that_blows_up_is_an_error(model: FunctionStepModel) -> None:
    with pytest.raises(ModelBlewUp, match="x is not finite"):
        model.roll({"x": np.full((1, 3), 1e200)}, PARAMS, 3)


def test_what_a_parameter_or_record_must_be_is_said(model: FunctionStepModel, run: RecordedRun) -> None:
    exact = OtherStep(lorenz63)
    with pytest.raises(ValueError, match="21 states"):
        gradient(linearise(exact, exact, run), run, [None])
    with pytest.raises(ValueError, match="closure/b"):
        OneStepProbes(model, {"closure/a": 1e-4}).forcing(run)
    with pytest.raises(KeyError, match="got 'y'"):
        gradient(linearise(exact, exact, run), run, [None] * 20 + [{"y": np.zeros(3)}])
