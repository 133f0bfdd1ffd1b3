"""A learned step as a linearisation: it learns a model from runs with several parameters, and resumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emulator import lorenz
from emulator.tangent_linear import dot_product_error
from optim.gradients.layout import Layout
from optim.gradients.linearisation import RecordedRun, linearise
from optim.gradients.network import StencilNetwork, network
from optim.gradients.network_training import Pairs, Training, pairs
from optim.gradients.other_step import OtherStep
from optim.gradients.stencil import box, grid_stencil
from optim.gradients.step_function import FunctionStepModel
from optim.gradients.trajectory_adjoint import gradient, tangent_linear

SIZE, STEPS = 12, 40
SPREADS = {"coarse/forcing": (8.0, 2.0), "closure/a1": (0.0, 0.3)}
FIXED = {"closure/offset": np.zeros(SIZE), "closure/a0": 0.0, "closure/a2": 0.0, "closure/a3": 0.0}
step = lorenz.runge_kutta(lorenz.one_scale_lorenz96, 0.01)


def a_run(model: FunctionStepModel, forcing: float, damping: float, steps: int = STEPS) -> RecordedRun:
    params = {**FIXED, "coarse/forcing": forcing, "closure/a1": damping}
    random = np.random.default_rng(int(10 * forcing))
    start = lorenz.spun_up(step, {"x": forcing + random.standard_normal((1, SIZE))}, params, 300)
    return RecordedRun.of(model, {"x": np.asarray(start["x"])}, params, steps, tuple(SPREADS))


@pytest.fixture(scope="module")
def model() -> FunctionStepModel:
    return FunctionStepModel(step)


@pytest.fixture(scope="module")
def learned(model: FunctionStepModel) -> tuple[StencilNetwork, Pairs]:
    """An untrained network for Lorenz-96, and pairs with responses from runs around two backgrounds."""
    runs = [a_run(model, forcing, damping) for forcing in (6.0, 8.0, 10.0) for damping in (-0.3, 0.3)]
    layout = Layout.of(runs[0].states[0])
    stencil = grid_stencil(layout, layout, {"x": box(0, 2)}, (False, True))
    states = [layout.flat(u) for u in runs[0].states]
    blank = network(stencil, layout, SPREADS, states[:-1], list(np.diff(states, axis=0)), width=16)
    random = np.random.default_rng(0)
    moves = [[{"x": 0.1 * random.standard_normal((1, SIZE))} for _ in range(STEPS)] for _ in runs]
    return blank, pairs(blank, runs, model, moves)


def test_responses_teach_the_derivative(
    model: FunctionStepModel, learned: tuple[StencilNetwork, Pairs]
) -> None:
    """The gradient of a state 20 steps on (0.2 time units), at parameters and states it has not seen."""
    blank, data = learned
    training = Training(steps=400, batch=8, rate=1e-2, tangent_weight=1.0)
    done = training.go_on(training.begin(blank), data)
    assert done.loss < 0.05  # of 2: values and responses unexplained
    run = a_run(model, 7.0, 0.1, 20)
    weights = [None] * 20 + [{"x": np.random.default_rng(1).standard_normal((1, SIZE))}]
    kind, exact = done.network.kind(), OtherStep(step)
    found, wanted = (gradient(linearise(k, k, run), run, weights) for k in (kind, exact))
    a, b = found.initial["x"].ravel(), wanted.initial["x"].ravel()
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.98
    for name in SPREADS:
        assert found.parameters[name] * wanted.parameters[name] > 0.0
    tangent = tangent_linear(linearise(kind, kind, run), run)
    change = {"parameters": {name: np.array(1.0) for name in SPREADS}, "initial": {"x": np.ones((1, SIZE))}}
    forcing = [{"x": np.full((1, SIZE), 0.1 * k)} for k in range(21)]
    assert dot_product_error(tangent, change, forcing) < 1e-13


def test_a_training_that_was_interrupted_goes_on_to_the_same_weights(
    learned: tuple[StencilNetwork, Pairs], tmp_path: Path
) -> None:
    blank, data = learned
    training = Training(steps=6, batch=4)
    whole = training.go_on(training.begin(blank), data)
    training.go_on(training.begin(blank), data, until=3).save(tmp_path / "half.eqx")
    half = training.begin(blank).load(tmp_path / "half.eqx")
    assert half.batches == 3
    rest = training.go_on(half, data)
    assert rest.batches == 6
    np.testing.assert_array_equal(rest.network.layers.layers[0].weight, whole.network.layers.layers[0].weight)
    assert not np.array_equal(rest.network.layers.layers[0].weight, blank.layers.layers[0].weight)
    np.testing.assert_array_equal(rest.network.centre, blank.centre)  # scales are not trained
    whole.network.save(tmp_path / "network.eqx")
    loaded = blank.load(tmp_path / "network.eqx")
    vector = np.ones(SIZE)
    np.testing.assert_array_equal(
        loaded.changes(vector, np.array([8.0, 0.0])), whole.network.changes(vector, np.array([8.0, 0.0]))
    )


def test_a_tangent_weight_needs_responses(learned: tuple[StencilNetwork, Pairs]) -> None:
    blank, data = learned
    training = Training(steps=2, tangent_weight=1.0)
    without = data._replace(displacements=data.displacements[:0], responses=data.responses[:0])
    with pytest.raises(ValueError, match="no responses"):
        training.go_on(training.begin(blank), without)
