"""Stock VEROS on a coarse channel: parity with VEROS itself, exact derivatives, and the same model as a black box."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bridge.model import OutcomeKind, Recording
from emulator.tangent_linear import inner_product
from emulator.veros_model import veros_black_box, veros_model

PARAMETERS = ("r_bot", "A_h", "c_k", "c_eps", "K_iso_steep", "eke_c_k")
STEPS = 4


@pytest.fixture(scope="module")
def model() -> Any:
    """The coarse channel with six parameters."""
    return veros_model("acc_coarse", PARAMETERS, quick_compile=True)


@pytest.fixture(scope="module")
def spun_up(model: Any) -> dict[str, Any]:
    """The state after 60 steps: at rest TKE and EKE are 0 and hardly anything depends on anything."""
    state = model.initial_state()
    for _ in range(60):
        state = model.compiled_step(state, model.params())
    return state


def test_steps_are_those_of_stock_veros_bit_for_bit(tmp_path: Path) -> None:
    from optim.bench.veros.parity import AS_WRITTEN, forward_parity

    quick = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    found = forward_parity("acc_coarse", STEPS, tmp_path, f"{AS_WRITTEN} {quick}")
    assert {"temp", "u", "v", "psi", "tke", "eke", "dpsi", "K_diss_v"} <= set(found)
    assert found == dict.fromkeys(found, 0.0)


def test_the_gradient_is_that_of_finite_differences(model: Any, spun_up: dict[str, Any]) -> None:
    from emulator.veros.gradient import GradientSweep
    from emulator.veros.observed import streamfunction

    sweep = GradientSweep(model, lambda state, _: jnp.mean(streamfunction(state) ** 2), keep=2)
    params = model.params()
    found = sweep.value_and_gradient(spun_up, params, [None, None], every=STEPS // 2)

    bump = np.random.default_rng(1).normal(size=spun_up["temp"].shape) * model.constant("maskT")
    directions = {name: ({}, {name: float(params[name])}) for name in ("r_bot", "A_h")}
    directions["temp"] = ({"temp": bump}, {})

    def value(size: float, fields: dict[str, Any], values: dict[str, float]) -> float:
        state = {**spun_up, **{name: spun_up[name] + size * change for name, change in fields.items()}}
        moved = {name: params[name] + size * values.get(name, 0.0) for name in PARAMETERS}
        return sweep.value(state, moved, [None, None], STEPS // 2)

    for name, (fields, values) in directions.items():
        exact = sum(values[n] * float(found.params[n]) for n in values)
        exact += inner_product(fields, {n: found.state[n] for n in fields})
        sizes = (1e-3, 1e-4, 1e-5) if values else (1e-5, 1e-6, 1e-7)  # of the parameter; °C
        differences = [(value(h, fields, values) - value(-h, fields, values)) / (2 * h) for h in sizes]
        # curvature spoils large steps, rounding and kinks small ones: one of three decades is good enough
        assert min(abs(difference / exact - 1) for difference in differences) < 1e-6, (
            name,
            exact,
            differences,
        )


def test_the_referee_of_the_benchmark_is_confirmed_by_runs_of_the_black_box(
    model: Any, spun_up: dict[str, Any]
) -> None:
    from optim.bench.gradients.veros_runs import VerosRuns
    from optim.gradients import FiniteDifference

    channel = VerosRuns.of(model, spun_up)
    priors = [(name, 0.3) for name in ("r_bot", "A_h", "c_k", "c_eps", "eke_c_k")]
    x, truth = np.full(len(priors), 0.3), np.full(len(priors), -1.0)
    forward = channel.forward(channel.controls(priors), truth, x[None], STEPS // 2)
    exact = channel.exact(forward, x)
    found, _ = FiniteDifference(forward, 1e-3, central=True).evaluate(x, None)
    assert np.all(exact != 0.0) and found.grad is not None
    # central differences of 1e-3: curvature 1e-6, and rounding of runs 1e-12 / 1e-3
    np.testing.assert_allclose(found.grad, exact, rtol=1e-4)


def test_the_mixed_layer_of_a_column_above_the_bottom_of_the_grid_is_finite() -> None:
    from types import SimpleNamespace

    from emulator.veros.observed import mixed_layer_depth

    # from the lowest level up: rock, where the density is one number, and 25 m, 15 m, 5 m of water
    density, wet = np.zeros((5, 5, 5)), np.zeros((5, 5, 5))
    density[2, 2], wet[2, 2] = [1030.0, 1030.0, 1025.05, 1025.01, 1025.0], [0, 0, 1, 1, 1]
    depths = np.array([-45.0, -35.0, -25.0, -15.0, -5.0])
    column: Any = SimpleNamespace(
        constant={"maskT": wet, "zt": depths}.__getitem__,
        derived=lambda state, names: {"prho": jnp.asarray(density) + state},
    )
    found = mixed_layer_depth(column, jnp.zeros(5))  # type: ignore[arg-type]
    np.testing.assert_allclose(found, [[15.0 + 10.0 * (0.03 - 0.01) / 0.04]])
    slope = jax.grad(lambda change: jnp.sum(mixed_layer_depth(column, change)))(jnp.zeros(5))
    # the depth where the surface's density + 0.03 is: every density shifts it against the gradient of 0.004 kg m-4
    np.testing.assert_allclose(slope, [0.0, 0.0, -125.0, -125.0, 250.0], rtol=1e-9)


def test_an_ensemble_of_single_steps_finds_the_gradient_by_the_initial_temperature(
    model: Any, spun_up: dict[str, Any]
) -> None:
    from optim.bench.gradients.step_estimators import StepEstimator
    from optim.bench.gradients.veros_linearisations import linearisations
    from optim.bench.gradients.veros_runs import VerosRuns
    from optim.bench.gradients.veros_stepped import SteppedVeros
    from optim.check import cosine

    runs = VerosRuns.of(model, spun_up)
    stepped = SteppedVeros.of(runs)
    x, truth = np.array([0.3, 0.3]), np.array([-1.0, -1.0])
    forward = runs.forward(runs.controls([("r_bot", 0.3), ("c_k", 0.3)]), truth, x[None], STEPS)
    problem = stepped.problem("coarse", forward, x[None], linearisations(stepped, "acc_coarse"))
    assert problem.step_problem is not None and problem.exact_field is not None
    exact = problem.exact_field(x)["temp"]

    steps = problem.step_problem
    weights = steps.weights(steps.model.roll(steps.start, steps.values(x), STEPS))
    bump = np.random.default_rng(2).normal(size=exact.shape) * runs.model.describe().grid.tmask

    def records(size: float) -> list[dict[str, np.ndarray]]:
        start = {**steps.start, "temp": steps.start["temp"] + size * bump}
        return steps.model.roll(start, steps.values(x), STEPS)

    change = sum(
        np.vdot(w["temp"], up["temp"] - down["temp"]) + np.vdot(w["psi"], up["psi"] - down["psi"])
        for w, up, down in zip(weights, records(1e-6), records(-1e-6), strict=True)
        if w is not None
    )
    # the mixed layer's share is in the weights of temperature; curvature and kinks as in the gradient's own test
    assert change / 2e-6 == pytest.approx(np.vdot(exact, bump), rel=1e-4)

    names = ("static_probes", "pooled_ensemble_10", "fitted_ensemble")
    prepared = {name: StepEstimator(name).prepare(problem, 0) for name in names}
    estimates = {name: made.at(x) for name, made in prepared.items()}
    cosines = {
        name: cosine(made.field["temp"].ravel(), exact.ravel())
        for name, made in estimates.items()
        if made.field
    }
    assert cosines["pooled_ensemble_10"] > 0.999 > cosines["static_probes"], cosines
    assert cosines["fitted_ensemble"] > cosines["static_probes"], cosines
    # the set-up, a run of 20 steps and ten members at each, is paid for once; then the run and probes at two places
    assert prepared["fitted_ensemble"].setup_steps == 20 + 20 * 10
    steps_of_each = [estimates["fitted_ensemble"].steps, prepared["fitted_ensemble"].at(x).steps]
    assert steps_of_each == [220 + STEPS + 2 * 2, STEPS + 2 * 2]
    assert estimates["fitted_ensemble"].field_steps == STEPS


def test_forward_and_reverse_mode_are_transposes(model: Any, spun_up: dict[str, Any]) -> None:
    from emulator.veros.gradient import GradientSweep
    from emulator.veros.observed import streamfunction
    from emulator.veros.tangent import TangentSweep

    params, names = model.params(), ("r_bot", "A_h")
    tangent = TangentSweep(model, lambda state: jnp.ravel(streamfunction(state)), names)
    seen, jacobian = tangent.observed_and_jacobian(spun_up, params, records=2, every=2)
    sweep = GradientSweep(model, lambda state, _: 0.5 * jnp.sum(streamfunction(state) ** 2))
    found = sweep.value_and_gradient(spun_up, params, [None, None], every=2)
    np.testing.assert_allclose(tangent.observed(spun_up, params, 2, 2), seen, rtol=1e-12)
    # J^T r both ways; sums of 280 products in two orders
    for number, name in enumerate(names):
        assert float(found.params[name]) == pytest.approx(np.sum(seen * jacobian[..., number]), rel=1e-10)


def test_all_parameters_reach_the_temperature(model: Any, spun_up: dict[str, Any]) -> None:
    from emulator.veros.gradient import GradientSweep

    sweep = GradientSweep(model, lambda state, _: jnp.mean(state["temp"][2:-2, 2:-2] ** 2))
    found = sweep.value_and_gradient(spun_up, model.params(), [None], every=3)
    assert all(float(slope) != 0.0 for slope in found.params.values())
    assert all(np.all(np.isfinite(field)) for field in found.state.values())


def test_the_black_box_repeats_itself_and_gives_its_fields_in_nemos_layout(
    model: Any, spun_up: dict[str, Any]
) -> None:
    box = veros_black_box(model, spun_up)
    start = box.snapshot()
    record = Recording(("temp", "psi", "mld"), every=2)
    first = box.run({"veros": {"r_bot": 2e-5}}, start, 4, record)
    again = box.run({"veros": {"r_bot": 2e-5}}, start, 4, record)
    other = box.run({"veros": {"r_bot": 1e-5}}, start, 4, record)
    assert first.outcome.kind is OutcomeKind.COMPLETED
    assert first.steps.tolist() == [62, 64]
    assert first.fields["temp"].shape == (2, 8, 14, 10)
    assert first.fields["mld"].shape == (2, 14, 10)
    for name in record.fields:
        np.testing.assert_array_equal(first.fields[name], again.fields[name])
    assert not np.array_equal(first.fields["psi"], other.fields["psi"])
    surface, bottom = first.fields["temp"][-1][0], first.fields["temp"][-1][-1]
    assert surface.mean() > bottom.mean()
    grid = box.describe().grid
    depths = first.fields["mld"][-1][grid["tmask"][0] > 0]
    assert grid["gdept_0"][0] <= depths.min() < depths.max() <= grid["gdept_0"][-1]


def test_snapshots_that_were_dropped_or_are_another_models_are_refused(
    model: Any, spun_up: dict[str, Any]
) -> None:
    box, other = veros_black_box(model, spun_up), veros_black_box(model)
    dropped, foreign = box.snapshot(), other.snapshot()
    box.drop(dropped)
    box.snapshot()
    for snapshot in (dropped, foreign):
        with pytest.raises(ValueError, match="expected a snapshot that this model remembers"):
            box.restore(snapshot)


def test_parameters_and_records_that_do_not_exist_are_refused(model: Any, spun_up: dict[str, Any]) -> None:
    from emulator.veros.gradient import GradientSweep
    from emulator.veros.tangent import TangentSweep

    with pytest.raises(ValueError, match="expected parameters among r_bot, .*, got rbot"):
        model.step(spun_up, {**model.params(), "rbot": 1.0})
    for names in (("rbot",), ("r_bot", "r_bot")):
        with pytest.raises(ValueError, match="expected different parameters among r_bot"):
            TangentSweep(model, lambda state: state["psi"].ravel(), names)
    sweep = GradientSweep(model, lambda state, _: jnp.sum(state["psi"]))
    for data, every in (([], 1), ([None], 0), ([None], -2)):
        with pytest.raises(ValueError, match="expected at least one record"):
            sweep.value_and_gradient(spun_up, model.params(), data, every)
    with pytest.raises(ValueError, match='a climatology, for the set-up "world" alone'):
        veros_model("world")


def test_a_field_that_is_set_is_read_back(model: Any, spun_up: dict[str, Any]) -> None:
    box = veros_black_box(model, spun_up)
    warmer = box.get("temp") + box.describe().grid["tmask"]
    box.set({"temp": warmer})
    np.testing.assert_array_equal(box.get("temp"), warmer)
    with pytest.raises(ValueError, match="expected 'temp' with shape"):
        box.set({"temp": warmer[:-1]})
    with pytest.raises(ValueError, match="no parameter of this model"):
        box.set({"veros/K_gm_0": 1.0})


def test_sparse_factors_solve_like_the_inverse_and_so_do_their_derivatives() -> None:
    import scipy.sparse as sparse

    from emulator.veros.barotropic import inverse, sparse_factors

    rng = np.random.default_rng(0)
    matrix = (sparse.random(40, 40, 0.1, random_state=0) + 5 * sparse.identity(40)).tocsr()
    b, w = rng.normal(size=(2, 40))
    exact = np.linalg.solve(matrix.toarray(), b)
    for factors in (inverse(matrix), sparse_factors(matrix)):
        x, pull = jax.vjp(jax.jit(factors), b)
        np.testing.assert_allclose(x, exact, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(pull(w)[0], np.linalg.solve(matrix.toarray().T, w), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(jax.vmap(factors)(np.stack([b, 2 * b]))[1], 2 * exact, rtol=1e-12)


def test_wrong_names_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of acc"):
        veros_model("acc_fine")
    with pytest.raises(ValueError, match="'nx' is of type int"):
        veros_model("acc_coarse", ("nx",))


def test_veros_imported_with_other_settings_is_refused() -> None:
    program = (
        "import veros; veros.runtime_settings.backend = 'numpy'; import veros.core\n"
        "from emulator.veros_model import veros_model; veros_model('acc')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode != 0
    assert "imported before with backend='numpy'" in done.stderr
