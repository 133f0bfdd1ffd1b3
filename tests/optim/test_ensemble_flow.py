"""The flow from an ensemble: exact where the model is linear and its stencil suffices, localised, resumable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from emulator import lorenz
from emulator.tangent_linear import dot_product_error
from optim.gradients.ensemble_flow import Ensemble, EnsembleFlow, FittedFlow, Modes, Regression, unexplained
from optim.gradients.euler import Static, euler
from optim.gradients.layout import Layout, itself, level_sum, sum_above
from optim.gradients.linearisation import RecordedRun, linearise
from optim.gradients.local_regression import LocalOperator, fit
from optim.gradients.other_step import OtherStep
from optim.gradients.stencil import NOTHING, box, cross, grid_stencil
from optim.gradients.step_function import FunctionStepModel
from optim.gradients.trajectory_adjoint import gradient, tangent_linear

LEVELS, POINTS = 3, 8


def channel(state: Any, params: Any) -> Any:
    """A linear periodic channel: tracer "t" [k, 1, i] mixes with its neighbours and is carried by "h" [1, i],
    whose step couples all points, as a free surface that is solved implicitly."""
    t, h = state["t"], state["h"]
    wave = h + 0.5 * (jnp.roll(h, 1, -1) + jnp.mean(h)) + 0.1 * t.mean(0)
    column = jnp.cumsum(t, axis=0) - 0.5 * t
    mixed = 0.8 * t + 0.1 * (jnp.roll(t, 1, -1) + jnp.roll(t, -1, -1)) + 0.05 * column
    return {"t": mixed + 0.3 * (jnp.roll(wave, -1, -1) - wave), "h": wave}


@pytest.fixture
def run() -> RecordedRun:
    random = np.random.default_rng(3)
    start = {"t": random.standard_normal((LEVELS, 1, POINTS)), "h": random.standard_normal((1, POINTS))}
    return RecordedRun.of(FunctionStepModel(channel), start, {}, 4)


def channel_kind(run: RecordedRun, members: int, pool: int = 4, ridge: float = 1e-10) -> EnsembleFlow:
    layout = Layout.of(run.states[0])
    features = (sum_above(layout, "t", np.ones(LEVELS), "pressure"),)
    mean = level_sum(layout, "t", np.full(LEVELS, 1.0 / LEVELS), "mean")
    modes = Modes((itself(layout, "h"), mean), (itself(layout, "h").named("h after"),), ridge)
    inputs = Regression.extended(layout, features, modes)
    offsets = {"t": cross(0, 0, 1), "h": cross(0, 0), "pressure": cross(0, 0, 0), "h after": cross(0, 1)}
    stencil = grid_stencil(inputs, layout, offsets, (False, False, True))
    ensemble = Ensemble(members, {"t": 1e-3, "h": 1e-3}, pool, seed=5)
    return EnsembleFlow(FunctionStepModel(channel), ensemble, Regression(stencil, features, modes, ridge))


def random_change(run: RecordedRun, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {name: random.standard_normal(value.shape) for name, value in run.states[0].items()}


def test_a_linear_model_with_a_global_mode_is_found_exactly(run: RecordedRun) -> None:
    """Members: 10 x 4 steps for 16 + 8 inputs of the mode and fewer in each cell. Coefficients are float32."""
    kind = channel_kind(run, 10)
    before = kind.model.steps_spent
    flow = kind.flow(run)
    assert kind.model.steps_spent - before == kind.steps_per_run(run) == 40
    change = random_change(run, 0)
    expected = channel(change, {})
    for name, value in flow.tangent(2, change).items():
        np.testing.assert_allclose(value, expected[name], atol=2e-5)
    missed = unexplained(flow, run, kind.model, Ensemble(5, kind.ensemble.spread, seed=6), 0)
    assert max(missed.values()) < 1e-8


def test_both_modes_are_transposes(run: RecordedRun) -> None:
    flow = channel_kind(run, 3, pool=2, ridge=1e-2).flow(run)  # fewer members than inputs: the ridge decides
    static = euler(lambda state, params: {}, 1.0)
    tangent = tangent_linear(
        linearise(type("Kind", (), {"flow": lambda self, run: flow})(), static, run), run
    )
    weights = [random_change(run, 10 + k) for k in range(5)]
    assert dot_product_error(tangent, {"parameters": {}, "initial": random_change(run, 1)}, weights) < 1e-13


def test_what_the_base_explains_needs_no_members(run: RecordedRun) -> None:
    """With the model's own step as the base nothing is left over, whatever the ensemble."""
    kind = channel_kind(run, 1)
    exact = EnsembleFlow(kind.model, kind.ensemble, kind.regression, OtherStep(channel))
    change = random_change(run, 0)
    for name, value in exact.flow(run).adjoint(1, change).items():
        expected = OtherStep(channel).flow(run).adjoint(1, change)[name]
        np.testing.assert_allclose(value, expected, atol=1e-6)  # rounding over the perturbation of 1e-3


def test_fields_that_are_not_regressed_are_left_to_the_base(run: RecordedRun) -> None:
    """The tracer alone, given what the base knows of "h": exact for the one, the identity for the other."""
    layout = Layout.of({"t": run.states[0]["t"]})
    stencil = grid_stencil(layout, layout, {"t": box(0, 0, 3)}, (False, False, True), ("t",))
    kind = EnsembleFlow(
        FunctionStepModel(channel),
        Ensemble(60, {"t": 1e-3}, 4),
        Regression(stencil, ridge=1e-8),
        fields=("t",),
    )
    flow, change = kind.flow(run), random_change(run, 4)
    moved = flow.tangent(0, {**change, "h": 0.0 * change["h"]})
    assert not np.any(moved["h"])
    np.testing.assert_array_equal(flow.tangent(0, {**change, "t": 0.0 * change["t"]})["h"], change["h"])
    pulled = flow.adjoint(0, {"t": change["t"], "h": 0.0 * change["h"]})
    assert np.vdot(pulled["t"], change["t"]) == pytest.approx(np.vdot(change["t"], moved["t"]), rel=1e-12)
    missed = unexplained(flow, run, kind.model, Ensemble(5, {"t": 1e-3}, seed=6), 0)
    assert missed.keys() == {"t"} and missed["t"] < 1e-2


def test_a_pool_leaves_out_steps_that_throw_a_switch() -> None:
    """A step whose response is 1e4 times the usual in one cell spoils that cell's regression, unless it is left out."""
    random = np.random.default_rng(0)
    layout = Layout({"t": (1, 5)})
    stencil = grid_stencil(layout, layout, {"t": box(0, 1)}, (False, True))
    samples = random.standard_normal((40, 5))
    responses = 0.5 * np.roll(samples, 1, 1) - samples
    responses[:8, 2] *= 1e4
    expected = responses[10]
    for outliers, worst in ((np.inf, 1.0), (10.0, 1e-5)):
        found = LocalOperator(stencil, fit(samples, responses, stencil, 1e-10, outliers), 5, 5)
        error = np.abs(found.apply(samples[10]) - expected).max()
        assert (error < worst) == np.isfinite(outliers), (outliers, error)


def test_a_fitted_flow_is_saved_and_serves_other_runs(run: RecordedRun, tmp_path: Path) -> None:
    kind = channel_kind(run, 10)
    fitted = kind.fit(run)
    fitted.save(tmp_path / "flow.npz")
    loaded = FittedFlow.load(tmp_path / "flow.npz", kind, Layout.of(run.states[0]))
    change = random_change(run, 2)
    again = kind.fit(run).flow(run).adjoint(3, change)  # the same seed draws the same members
    for name, value in loaded.flow(run).adjoint(3, change).items():
        np.testing.assert_array_equal(value, fitted.flow(run).adjoint(3, change)[name])
        np.testing.assert_array_equal(value, again[name])
    other = channel_kind(run, 10).regression.stencil
    wrong = EnsembleFlow(
        kind.model, kind.ensemble, Regression(type(other)(other.inputs[:, 1:], other.outputs))
    )
    with pytest.raises(ValueError, match="inputs, the stencil has"):
        FittedFlow.load(tmp_path / "flow.npz", wrong, Layout.of(run.states[0]))


def test_localisation_lets_few_members_do_on_lorenz96() -> None:
    """12 members for 36 variables: with a stencil of 7 the gradient's cosine is near one, without it is not."""
    step = lorenz.runge_kutta(lorenz.one_scale_lorenz96, 0.01)
    random = np.random.default_rng(0)
    params = {"coarse/forcing": 8.0, "closure/offset": np.zeros(36)} | {
        f"closure/a{n}": 0.0 for n in range(4)
    }
    model = FunctionStepModel(step)
    start = lorenz.spun_up(step, {"x": 8.0 + random.standard_normal((1, 36))}, params, 500)
    run = RecordedRun.of(model, {"x": np.asarray(start["x"])}, params, 20, ("closure/offset",))
    weights: list[Any] = [None] * 20 + [{"x": random.standard_normal((1, 36))}]
    layout, closure = Layout.of(run.states[0]), euler(lorenz.lorenz96_closure, 0.01)
    cosines = {}
    for width in (3, 17):
        stencil = grid_stencil(layout, layout, {"x": box(0, width)}, (False, True))
        kind = EnsembleFlow(model, Ensemble(12, {"x": 1e-3}), Regression(stencil, ridge=1e-6))
        found, exact = (
            gradient(linearise(flow, closure, run), run, weights).parameters["closure/offset"]
            for flow in (kind, OtherStep(step))
        )
        cosines[width] = float(found @ exact / np.linalg.norm(found) / np.linalg.norm(exact))
    assert cosines[3] > 0.999 > 0.99 > cosines[17]


def test_stencils_end_at_borders_and_masks() -> None:
    layout = Layout({"t": (2, 3), "h": (3,)})
    stencil = grid_stencil(layout, layout, {"t": cross(1, 1), "h": box(0)})
    assert stencil.inputs.shape == (6, 6) and stencil.outputs.shape == (6, 2)
    assert (stencil.inputs[0] == NOTHING).sum() == 2  # above and to the left of the first cell
    assert np.array_equal(
        stencil.outputs[:, 1], [6, 7, 8, NOTHING, NOTHING, NOTHING]
    )  # surface cells own "h"
    wet = np.array([1, 0, 1, 1, 0, 1, 1, 0, 1], bool)
    assert len(stencil.of_wet_cells(wet).outputs) == 4
    periodic = grid_stencil(layout, layout, {"t": box(0, 1)}, (False, True))
    assert np.array_equal(periodic.inputs[0], [2, 0, 1])
    with pytest.raises(ValueError, match="2 axes"):
        grid_stencil(layout, layout, {"t": box(1)})


def test_static_is_what_an_ensemble_without_members_would_be() -> None:
    with pytest.raises(ValueError, match="members >= 1"):
        Ensemble(0, {"x": 1.0})
    assert str(Static().needs) == "nothing"
