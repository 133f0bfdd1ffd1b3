"""An experiment file end to end on a small in-process model: TOML, observations, tuning, comparison, result."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from bridge.errors import ConfigurationError, ModelBlewUp
from bridge.ledger import Ledger
from optim.dfo_ls import minimise_by_dfo_ls
from optim.experiment import Setting, conduct
from optim.experiment_check import gradient_check
from optim.experiment_file import from_dict, read
from optim.forward import Identity
from optim.refine import RefineSettings
from optim.report.result import RunResult

TEXT = """
title = "Lorenz twin"
budget = {model_runs = 14}
prior = false
seed = 3

[model]
namelist = "namelist_cfg"

[window]
days = 0.0002314815   # 20 steps of 1 s
every = 1

[[controls]]
group = "namtest"
entry = "forcing"
lower = 1.0
upper = 20.0
prior_mean = 6.0
prior_spread = 2.0

[[controls]]
group = "namtest"
entry = "damping"
lower = 0.1
upper = 5.0
prior_mean = 0.6
prior_spread = 0.3
transform = "log"
start = 0.5

[[observations]]
kind = "twin"
field = "x"
sigma = 0.05
noise = true
seed = 1

[truth]
"namtest/forcing" = 8.0
"namtest/damping" = 1.0

[estimator]
kind = "surrogate"

[minimiser]
kind = "gauss-newton"
damping = 1e-3

[compare]
finite_difference_gauss_newton = true
exact_cosine = true
"""


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "lorenz.toml"
    path.write_text(TEXT)
    return read(path)


def setting_of(lorenz, step_surrogate, **options) -> Setting:
    case = lorenz()

    def exact(forward):
        from optim.gradients import SurrogateGradient

        referee = SurrogateGradient(forward, step_surrogate(case.model, case.model.step))
        return lambda x: referee.evaluate(x, None)[0].grad

    return Setting(
        case.model,
        case.forward.window.snapshot,
        surrogate=lambda e: step_surrogate(case.model, case.model.step),
        exact_gradient=exact,
        **options,
    )


def test_twin_experiment_is_recovered_within_its_own_error_bars(
    experiment, lorenz, step_surrogate, tmp_path
) -> None:
    lines: list[str] = []
    result = conduct(experiment, setting_of(lorenz, step_surrogate), lines.append)
    report = result.to_run_result()
    for parameter in report.parameters:
        assert parameter.posterior_spread is not None and parameter.truth is not None
        # 4 posterior standard deviations: a fixed seed, but not one chosen to pass at 2
        assert abs(parameter.tuned - parameter.truth) < 4.0 * parameter.posterior_spread
        assert not parameter.at_bound
    # 720 white observations: 2J is chi-squared, 720 ± 38
    assert 2.0 * report.cost_final == pytest.approx(720.0, abs=4 * 38.0)
    assert report.cost_initial > 5.0 * report.cost_final
    assert report.model_runs <= 14
    assert all(c == pytest.approx(1.0) for trial in report.iterations for c in trial.cosine.values())
    curve = report.comparison[0]
    assert max(curve.model_runs) <= report.model_runs
    assert curve.best_cost[0] == pytest.approx(report.cost_initial)
    assert report.validation[0].final < report.validation[0].initial
    report.write(tmp_path)
    again = RunResult.read(tmp_path)
    assert again.parameters[0].tuned == report.parameters[0].tuned
    assert json.loads((tmp_path / "result.json").read_text())["parameters"]["namtest/forcing"]["start"] == 6.0
    assert any("run   1" in line for line in lines)


def test_resumed_experiment_gives_the_same_result_without_a_new_run(
    experiment, lorenz, step_surrogate, tmp_path
) -> None:
    def job(name):
        with Ledger(tmp_path / name) as ledger:
            setting = setting_of(lorenz, step_surrogate, ledger=ledger)
            setting.model.calls = 0
            result = conduct(experiment, setting)
            return result.to_run_result(), setting.model.calls

    first, calls = job("ledger")
    second, again = job("ledger")
    assert calls > 0 and again == 0
    assert [p.tuned for p in first.parameters] == [p.tuned for p in second.parameters]


def test_initial_state_with_a_recipe_is_known_by_it_and_not_by_its_content(
    experiment, lorenz, step_surrogate, tmp_path
) -> None:
    def new_runs(content: str, recipe: str) -> int:
        with Ledger(tmp_path / "ledger") as ledger:
            identity = Identity("model", start=recipe)
            setting = setting_of(lorenz, step_surrogate, ledger=ledger, identity=identity)
            setting = replace(setting, snapshot=replace(setting.snapshot, id=content))
            setting.model.calls = 0
            conduct(experiment, setting)
            return setting.model.calls

    assert new_runs("content", "recipe") > 0
    assert new_runs("content at another start", "recipe") == 0
    assert new_runs("content", "another recipe") > 0
    assert new_runs("content", "") > 0  # without a recipe: by content
    assert new_runs("content", "") == 0
    assert new_runs("content at another start", "") > 0


def test_refinement_ends_at_the_minimum_and_is_counted(experiment, lorenz, step_surrogate) -> None:
    """From a tuning that was stopped early, with real runs alone."""
    early = replace(experiment, budget=3, refine=RefineSettings(step=0.01, most_steps=4, near_enough=0.05))
    result = conduct(early, setting_of(lorenz, step_surrogate))
    assert result.refined is not None
    assert np.max(np.abs(result.refined.remaining)) <= 0.05
    exhaustive = conduct(replace(experiment, budget=30), setting_of(lorenz, step_surrogate)).solution
    spreads = np.sqrt(np.diag(np.linalg.inv(result.refined.jacobian.T @ result.refined.jacobian)))
    assert np.all(np.abs(result.solution.x - exhaustive.x) < 0.1 * spreads)
    # each step: 2 x 2 differences and a trial
    assert result.solution.runs == 3 + 4 * len(result.solution.history[3:]) + 4 + len(
        result.solution.history[3:]
    )
    assert result.to_run_result().model_runs == result.solution.runs == result.solution.history[-1].runs + 4


def test_a_refinement_that_cannot_be_made_leaves_the_result(
    experiment, lorenz, step_surrogate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ModelBlewUp("no run around the result completed", 20)

    monkeypatch.setattr("optim.experiment.refine", fail)
    lines: list[str] = []
    result = conduct(experiment, setting_of(lorenz, step_surrogate), lines.append)
    assert result.refined is None and np.isfinite(result.solution.value)
    assert any(line.startswith("no refinement: no run around") for line in lines)


@pytest.mark.parametrize("kind", ["finite-difference", "ensemble"])
def test_other_estimators_by_name(experiment, lorenz, step_surrogate, kind: str) -> None:
    changed = replace(experiment, estimator=replace(experiment.estimator, kind=kind), budget=12)
    result = conduct(changed, setting_of(lorenz, step_surrogate))
    assert result.solution.value < 0.1 * result.solution.history[0].value


def test_gradient_check_reports_cosine_and_components(experiment, lorenz, step_surrogate) -> None:
    lines = gradient_check(experiment, setting_of(lorenz, step_surrogate), lambda line: None, steps=(0.01,))
    assert "cosine 1.0000" in lines[1]
    assert any("namtest/damping" in line for line in lines)


CHANGES = [
    ({"windows": {}}, "did you mean 'window'"),
    ({"observations": []}, "no \\[\\[observations\\]\\]"),
    ({"truth": {"namtest/forcing": 8.0}}, "true value of namtest/damping"),
    ({"truth": {"namtest/forcin": 8.0}}, "not among the controls"),
    ({"window": {"every": 1}}, "either months"),
    ({"window": {"every": 1, "days": 1, "month": [1]}}, "did you mean 'months'"),
    ({"estimator": {"kind": "adjoint"}}, "one of"),
    ({"minimiser": {"kind": "newton"}}, "one of"),
    ({"minimiser": {"dampin": 1.0}}, "did you mean 'damping'"),
    ({"budget": {"model_runs": 0}}, "at least 1"),
    ({"controls": []}, "no controls"),
]


@pytest.mark.parametrize(("change", "words"), CHANGES)
def test_wrong_file_says_what_is_wrong(experiment, change: dict, words: str) -> None:
    import tomllib

    with pytest.raises(ConfigurationError, match=words):
        from_dict(tomllib.loads(TEXT) | change)


def test_unreadable_file_is_named(tmp_path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("title = ")
    with pytest.raises(ConfigurationError, match="broken.toml"):
        read(path)
    with pytest.raises(ConfigurationError, match="cannot read"):
        read(tmp_path / "absent.toml")


def test_months_are_the_first_that_begin_after_the_initial_state() -> None:
    from optim.data import timetable
    from optim.experiment_file import WindowSettings

    day = 86400.0
    window = WindowSettings(every=8, months=(2, 3), months_held_out=(5,))
    step = 5 * 360 * 8  # five years of 3-hour steps
    used = timetable(window, step, day / 8)
    assert used.run_steps == 90 * 8
    assert used.weights().shape == (2, 90)
    assert np.flatnonzero(used.weights()[0]).tolist() == list(range(30, 60))
    later = timetable(window, step, day / 8, held_out=True)
    assert later.run_steps == 150 * 8
    assert [period.month for period in later.periods] == [5]
    next_year = timetable(WindowSettings(every=8, months=(1,)), step + 8, day / 8)
    assert next_year.run_steps == (360 - 1 + 30) * 8


def test_dfo_ls_is_run_beside_the_tuning_and_resumed(experiment, lorenz, step_surrogate, tmp_path) -> None:
    compare = replace(experiment.compare, dfo_ls=True, model_runs=20, finite_difference_gauss_newton=False)
    chosen = replace(experiment, compare=compare)

    def job() -> tuple[RunResult, int]:
        with Ledger(tmp_path / "ledger") as ledger:
            setting = setting_of(lorenz, step_surrogate, ledger=ledger)
            setting.model.calls = 0
            return conduct(chosen, setting).to_run_result(), setting.model.calls

    first, _ = job()
    (curve,) = first.comparison
    assert curve.name == "DFO-LS" and max(curve.model_runs) <= 20
    assert curve.best_cost[-1] == pytest.approx(first.cost_final, rel=0.05)  # the noise remains
    assert curve.error[-1] < 0.2 * curve.error[0]
    assert first.iterations[-1].error < 0.2 * first.iterations[0].error
    second, calls = job()
    assert calls == 0 and second.comparison == first.comparison


def test_dfo_ls_goes_on_from_a_run_that_blew_up(lorenz) -> None:
    case = lorenz()
    start = np.array([1.5, 0.0, 0.0])
    case.model.limit = 1.01 * np.abs(case.forward.trajectory(start).fields["x"]).max()
    found = minimise_by_dfo_ls(case.forward, start, budget=25, step=1.0)
    assert any(not np.isfinite(trial.value) for trial in found.history)
    assert found.value < 0.5 * found.history[0].value and found.runs <= 25


def test_dfo_ls_that_is_not_installed_is_named(experiment, lorenz, step_surrogate, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "dfols", None)
    chosen = replace(experiment, compare=replace(experiment.compare, dfo_ls=True))
    with pytest.raises(ConfigurationError, match=r"nemo-bridge\[dfo-ls\]"):
        conduct(chosen, setting_of(lorenz, step_surrogate))
