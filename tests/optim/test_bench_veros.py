"""What `nemo-bridge bench veros` and `nemo-bridge veros` make of a model, on functions whose derivatives are known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from emulator.veros.gradient import Gradient
from optim.bench.veros.cells import Cells
from optim.bench.veros.cost import peak_of_this_program
from optim.bench.veros.differences import central, displaced, judged, values_along
from optim.bench.veros.initial_state import perturbation
from optim.bench.veros.main import figures, main
from optim.bench.veros.twin import Twin, recover, recover_by_least_squares

STEPS = tuple(10.0**-k for k in range(2, 8))


def _differences(function: Any) -> list[float]:
    """Central differences at 1 with the steps of the bench."""
    return [(function(1 + h) - function(1 - h)) / (2 * h) for h in STEPS]


def test_differences_of_a_smooth_function_confirm_its_derivative_and_tell_a_wrong_one() -> None:
    found = judged(np.exp(1.0), _differences(np.exp))
    assert found is not None
    assert found.error < 1e-8  # at 1e-4 curvature is 2e-9 of the derivative, rounding 1e-12
    assert found.error < 10 * found.noise
    wrong = judged(1.0001 * np.exp(1.0), _differences(np.exp))
    assert wrong is not None
    assert wrong.error == pytest.approx(1e-4, rel=1e-3)


def test_differences_of_a_function_known_to_six_digits_say_so() -> None:
    rng = np.random.default_rng(0)
    found = judged(2.0, _differences(lambda x: x**2 + 1e-6 * rng.normal()))
    assert found is not None
    # at the largest step, 1e-2, an error of 1e-6 of the value is one of 1e-4 of the derivative
    assert 1e-6 < found.noise < 1e-2
    assert found.error < 10 * found.noise


def test_a_kink_beside_the_point_spoils_large_steps_alone() -> None:
    found = judged(1.0, _differences(lambda x: max(x, 1.0 + 4.0 * (x - 1.003))))
    assert found is not None
    assert found.error < 1e-6
    assert found.noise < 1e-6


def test_nothing_is_compared_with_differences_that_are_all_zero() -> None:
    assert judged(1e-15, [0.0] * len(STEPS)) is None


def test_differences_at_several_horizons_come_from_one_run_each() -> None:
    def evaluate(size: float) -> Any:
        state, params = displaced({"x": 1.0}, {"rate": 2.0}, {"rate": 2.0}, size)
        double = lambda state, params: {"x": params["rate"] * state["x"]}  # noqa: E731
        return values_along(double, {"x": lambda state, _: state["x"]}, state, params, (1, 3))

    found = central(evaluate, [1e-3])["x"]
    # d/dε of (2 (1 + ε))ⁿ, up to ε²
    assert found[1][0] == pytest.approx(2.0, rel=1e-9)
    assert found[3][0] == pytest.approx(24.0, rel=1e-5)


def test_a_cell_is_measured_once_for_each_setting(tmp_path: Path) -> None:
    calls: list[int] = []

    def measure(value: int) -> list[int]:
        calls.append(value)
        return [value]

    cells, others = Cells(tmp_path, {"steps": 1}), Cells(tmp_path, {"steps": 2})
    assert cells.get("a", measure, 1) == cells.get("a", measure, 2) == [1]
    assert others.get("a", measure, 3) == [3]
    assert calls == [1, 3]


def test_figures_have_an_error_for_each_parameter_loss_and_horizon() -> None:
    seen = {"exact": float(np.exp(1.0)), "differences": _differences(np.exp)}
    nothing = {"exact": 0.0, "differences": [0.0] * len(STEPS)}
    found = figures({"parameters": {"r_bot": {"psi": {"1": seen}, "temp": {"1": nothing, "10": seen}}}})
    assert set(found) == {
        f"{kind}.{label}"
        for kind in ("gradient_error", "difference_noise")
        for label in ("r_bot.n1", "r_bot_temp.n10")
    }


def test_the_peak_of_a_program_is_not_that_of_the_one_that_started_it() -> None:
    ballast = np.ones(50_000_000)  # 0.4 GB in this process
    program = "from optim.bench.veros.cost import peak_of_this_program as peak; print(peak())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300
    )
    assert peak_of_this_program() > float(done.stdout) + 0.5 * ballast.nbytes / 1e9


def test_parts_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="expected parts among parity, .*, got speed"):
        main(parts=["speed"])


class _Exponentials:
    """Observations exp(−rate t) and amplitude t, as a sweep of a model that has the cost of `twin.misfit`."""

    def seen(self, params: Any, records: int, every: int) -> np.ndarray:
        time = every * np.arange(1, records + 1)
        return np.stack([np.exp(-float(params["rate"]) * time), float(params["amplitude"]) * time], axis=1)

    def value_and_gradient(self, state: Any, params: Any, data: Any, every: int) -> Gradient:
        time, seen = every * np.arange(1, len(data) + 1), self.seen(params, len(data), every)
        off = seen - np.asarray(data)
        slopes = {
            "rate": jnp.sum(off[:, 0] * -time * seen[:, 0]),
            "amplitude": jnp.sum(off[:, 1] * time),
        }
        return Gradient(0.5 * float(np.sum(off**2)), {}, slopes)

    names = ("amplitude", "rate")

    def observed(self, state: Any, params: Any, records: int, every: int) -> np.ndarray:
        return self.seen(params, records, every)

    def observed_and_jacobian(
        self, state: Any, params: Any, records: int, every: int
    ) -> tuple[np.ndarray, np.ndarray]:
        time, seen = every * np.arange(1, records + 1), self.seen(params, records, every)
        none = np.zeros(records)
        of_amplitude, of_rate = np.stack([none, time], 1), np.stack([-time * seen[:, 0], none], 1)
        return seen, np.stack([of_amplitude, of_rate], axis=2)


def test_a_twin_experiment_recovers_parameters_that_start_far_off() -> None:
    truth, factors = {"rate": 0.3, "amplitude": 2.0}, {"rate": 1.72, "amplitude": 0.1}
    model = _Exponentials()
    data = list(model.seen(truth, 4, 1))
    found = recover(model, data, {}, {}, Twin(truth, factors, records=4, every=1, evaluations=60))  # type: ignore[arg-type]
    assert max(found["errors"].values()) < 1e-4
    assert found["history"][0]["rate"] == pytest.approx(1.72)
    assert min(entry["loss"] for entry in found["history"]) < 1e-7 * found["history"][0]["loss"]


def test_jacobians_recover_them_in_fewer_runs() -> None:
    truth, factors = {"rate": 0.3, "amplitude": 2.0}, {"rate": 1.72, "amplitude": 0.1}
    model = _Exponentials()
    twin = Twin(truth, factors, records=4, every=1, evaluations=20)
    found = recover_by_least_squares(model, list(model.seen(truth, 4, 1)), {}, {}, twin)  # type: ignore[arg-type]
    assert max(found["errors"].values()) < 1e-9
    assert found["jacobians"] <= found["evaluations"] <= 12


def test_perturbations_stay_in_the_water() -> None:
    temperature, wet = np.full((8, 8, 5), 10.0), np.ones((8, 8, 5), dtype=bool)
    wet[:2] = False
    for kind in ("factor", "noise", "blob"):
        change = perturbation(kind, temperature, wet)
        assert np.all(change[:2] == 0)
        assert np.abs(change[2:]).max() > 0.5
    with pytest.raises(ValueError, match="expected one of factor, noise, blob, got 'salt'"):
        perturbation("salt", temperature, wet)
