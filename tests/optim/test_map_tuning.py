"""Maps by coloured differences in parts: numbers first, leaps out of a wrong minimum, budgets, resumed jobs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from diffusion_model import smooth_map, twin

from bridge.errors import ConfigurationError
from bridge.ledger import Ledger
from optim.experiment_file import from_dict
from optim.forward import Forward
from optim.gradients import ColouredDifferences
from optim.map_tuning import MapSettings, tune_maps
from optim.minimise import Solution, minimise
from optim.minimisers import Ending, LevenbergMarquardt

GAUSS_NEWTON = LevenbergMarquardt(damping=1e-3, secants=False, cost_tolerance=1e-6)
SWITCHED = 8  # patch [1, 2] of 4 x 6
TRUTH = np.array(smooth_map([(row, column) for row in range(4) for column in range(6)]))


def tune(forward: Forward, budget: int = 150, settings: MapSettings | None = None) -> Solution:
    estimator = ColouredDifferences(forward, reach=2)
    start = np.zeros(len(forward.controls))
    return tune_maps(estimator, GAUSS_NEWTON, start, settings or MapSettings(), budget=budget)


def test_a_patch_on_the_wrong_side_of_a_switch_leaps_to_the_other() -> None:
    """Without leaps one patch stays where no slope leads away; the others are right all the same."""
    stuck = tune(twin(switch=True), settings=MapSettings(leaps=()))
    alone = minimise(ColouredDifferences(twin(switch=True), reach=2), GAUSS_NEWTON, np.zeros(24), budget=150)
    np.testing.assert_array_equal(stuck.x, alone.x)
    assert stuck.ending is Ending.CONVERGED and stuck.value > 100.0
    assert np.argmax(np.abs(stuck.x - TRUTH)) == SWITCHED and stuck.x[SWITCHED] - TRUTH[SWITCHED] > 0.2
    forward = twin(switch=True)
    found = tune(forward)
    assert found.ending is Ending.CONVERGED and found.value < 1.0  # what a leap would have to gain
    # of sigma = 1e-3 an error of 0.03 in x makes several
    np.testing.assert_allclose(found.x, TRUTH, atol=0.03)
    assert found.runs == forward.runs == forward.model.calls
    # two leaps for each of at most 9 colours, their run, and 9 differences and a few steps from there
    assert found.runs - stuck.runs <= 18 + 1 + 9 + 20


def test_where_the_misfit_is_below_what_a_leap_would_gain_none_is_tried() -> None:
    assert tune(twin()).runs == tune(twin(), settings=MapSettings(leaps=())).runs


def test_history_and_best_values_go_on_from_part_to_part() -> None:
    found = tune(twin(switch=True, number=True))
    assert [trial.number for trial in found.history] == list(range(len(found.history)))
    runs, best = [t.runs for t in found.history], [t.best_value for t in found.history]
    assert runs == sorted(runs) and runs[-1] <= found.runs
    assert best == sorted(best, reverse=True) and best[-1] == found.value


def test_numbers_are_tuned_before_patches() -> None:
    forward = twin(number=True)
    found = tune(forward)
    moved = [np.any(trial.x[:24] != 0.0) for trial in found.history]
    first = moved.index(True)
    assert first > 1 and all(moved[first:])
    assert found.history[first - 1].x[24] != 0.0
    assert found.history[1].runs == 3  # the start, one difference, one trial
    np.testing.assert_allclose(found.x, [*TRUTH, 1.0], atol=0.03)
    together = tune(twin(number=True), settings=MapSettings(numbers_first=False))
    assert together.history[1].runs == 1 + 10 + 1 and np.any(together.history[1].x[:24] != 0.0)


@pytest.mark.parametrize("budget", [2, 3, 8, 14, 22, 30, 40, 45])
def test_budget_ends_it_in_any_part_with_the_best_so_far(budget: int) -> None:
    forward = twin(switch=True, number=True)
    found = tune(forward, budget)
    assert found.ending is Ending.BUDGET_SPENT and forward.runs == found.runs <= budget
    assert found.value == min(trial.value for trial in found.history)
    assert found.evaluation is not None and np.array_equal(found.x, found.evaluation.x)
    if found.evaluation.tangent is not None and found.state is not None:  # as the report does for its spreads
        assert np.all(np.isfinite(GAUSS_NEWTON.corrected(found.state.memory)))


def test_a_resumed_tuning_leaps_again_without_a_run(tmp_path: Path) -> None:
    def job() -> tuple[float, int]:
        with Ledger(tmp_path / "ledger") as ledger:
            forward = twin(switch=True, ledger=ledger)
            return tune(forward).value, forward.model.calls

    first, calls = job()
    assert job() == (first, 0) and calls > 30


def test_what_is_felt_beyond_the_reach_later_on_does_not_end_a_tuning() -> None:
    forward = twin(steps=3, switch=True)
    estimator = ColouredDifferences(forward, reach=2)
    start = np.zeros(24)
    _, state = estimator.evaluate(start, estimator.init(0))
    strict = replace(estimator, most_beyond=1.001 * state.beyond)  # where kappa is larger more is felt beyond
    found = tune_maps(strict, GAUSS_NEWTON, start, MapSettings(), budget=150)
    assert np.max(np.abs(found.x - TRUTH)) < 0.1


def test_settings_of_maps_belong_to_coloured_differences() -> None:
    table = {
        "window": {"every": 1, "days": 1.0},
        "observations": [{"kind": "twin", "field": "x", "sigma": 1.0}],
        "truth": {"nam/a": 1.5},
        "controls": [
            {"group": "nam", "entry": "a", "lower": 0, "upper": 2, "prior_mean": 1, "prior_spread": 1}
        ],
        "estimator": {"kind": "finite-difference"},
        "maps": {"leaps": []},
    }
    with pytest.raises(ConfigurationError, match=r'\[maps\]: belongs to .*"coloured-differences".*"finite'):
        from_dict(table)
    with pytest.raises(ConfigurationError, match=r"\[maps\]: leaps should be .*above 0"):
        from_dict({**table, "maps": {"leaps": [-1.0]}})
