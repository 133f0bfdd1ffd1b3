"""Coloured differences for maps: the Jacobian, its runs, refusals, secants, on a model of diffusion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from diffusion_model import point, twin

from bridge.errors import ConfigurationError, ModelBlewUp
from bridge.ledger import Ledger
from bridge.model import Grid
from bridge.north_fold import Edges
from emulator.tangent_linear import to_matrix
from optim.gradients import ColouredDifferences, FiniteDifference
from optim.gradients.reach import distance_from, groups, pattern, response_by_distance
from optim.minimise import minimise
from optim.minimisers import LevenbergMarquardt


@pytest.mark.parametrize(("reach", "colours"), [(0, 1), (1, 4), (2, 9)])
def test_patches_of_three_cells_need_as_many_colours_as_fit_around_a_row(reach: int, colours: int) -> None:
    forward = twin()
    seen = pattern(forward.cost, forward.controls, forward.model.describe().grid, reach)
    found = groups(seen)
    assert len(found) == colours
    assert sorted(np.concatenate(found)) == list(range(24))
    for group in found:
        assert seen[:, group].sum(axis=1).max() == 1  # no observation sees two of a colour
    assert seen.sum() == 24 * 9 if reach == 0 else seen.sum() > 24 * 9


@pytest.mark.parametrize("central", [False, True])
def test_jacobian_is_that_of_single_differences_for_a_sixth_of_the_runs(central: bool) -> None:
    """Two steps reach two cells from a patch; there is nothing beyond."""
    forward = twin(number=True)
    estimator = ColouredDifferences(forward, reach=2, step=0.1, central=central)
    x, state = point(forward), estimator.init(0)
    assert estimator.runs_needed(x, state) == (21 if central else 11)
    evaluation, state = estimator.evaluate(x, state)
    assert evaluation.runs == forward.model.calls == (21 if central else 11)  # 9 colours, one for the number
    single, _ = FiniteDifference(forward, 0.1, central).evaluate(x, None)
    ours, theirs = (to_matrix(e.tangent, len(x)) for e in (evaluation, single))
    np.testing.assert_allclose(ours, theirs, atol=1e-9 * np.abs(theirs).max())  # rounding of a difference
    assert state.beyond == 0.0


def test_response_beyond_the_reach_is_measured_and_too_much_is_refused() -> None:
    forward = twin(steps=6)
    x = point(forward)
    loose = ColouredDifferences(forward, reach=1, most_beyond=1.0)
    _, state = loose.evaluate(x, loose.init(0))
    assert 0.0 < state.beyond < 1.0
    strict = replace(loose, most_beyond=0.5 * state.beyond)
    with pytest.raises(ConfigurationError, match=r"felt more than reach = 1 cells away.*enlarge the reach"):
        strict.evaluate(x, strict.init(0))
    (spread,) = response_by_distance(forward, x, 0.1)
    assert spread.beyond[6] == 0.0 and 0.0 < spread.beyond[4] < spread.beyond[1] < spread.beyond[0] < 1.0
    assert "kappa[1,2]" in str(spread) or "kappa[2,3]" in str(spread)


def test_reach_over_the_basin_leaves_nothing_to_share() -> None:
    estimator = ColouredDifferences(twin(), reach=18)
    with pytest.raises(ConfigurationError, match="none can share a run"):
        estimator.init(0)


def test_secants_keep_the_pattern_and_explain_the_last_run() -> None:
    forward = twin()
    estimator = ColouredDifferences(forward, reach=2)
    x, far = point(forward), point(forward) + 0.4
    here, state = estimator.evaluate(x, estimator.init(0))
    there, moved = estimator.evaluate(far, state)
    assert there.runs == 1
    jacobian = to_matrix(there.tangent, len(x))
    assert np.all(jacobian[~state.seen] == 0.0)
    change = there.residual - here.residual
    np.testing.assert_allclose(jacobian @ (far - x), change, atol=1e-12 * np.abs(change).max())
    exact, _ = FiniteDifference(forward, 1e-4, central=True).evaluate(far, None)
    errors = [
        np.linalg.norm(to_matrix(e.tangent, len(x)) - to_matrix(exact.tangent, len(x))) for e in (here, there)
    ]
    assert errors[1] < 0.95 * errors[0]  # one run corrects it along one direction
    again, _ = replace(estimator, refresh=0.3).evaluate(far, state)
    assert again.runs == 9  # x has moved by more than that: new differences, the run at x is known


def test_a_map_is_found_with_fewer_runs_than_it_has_values() -> None:
    forward = twin()
    minimiser = LevenbergMarquardt(damping=1e-3, secants=False, cost_tolerance=1e-9)
    found = minimise(ColouredDifferences(forward, reach=2), minimiser, np.zeros(24), budget=20)
    first = found.history[0].value
    assert found.value < 1e-8 * first
    by_columns = minimise(FiniteDifference(twin(), 0.1), minimiser, np.zeros(24), budget=24)
    assert by_columns.value >= first  # not even the first gradient fits


def test_a_resumed_tuning_makes_no_run_again(tmp_path) -> None:
    def job() -> tuple[float, int]:
        with Ledger(tmp_path / "ledger") as ledger:
            forward = twin(ledger=ledger)
            found = minimise(
                ColouredDifferences(forward, reach=2),
                LevenbergMarquardt(secants=False),
                np.zeros(24),
                budget=14,
            )
            return found.value, forward.model.calls

    first, calls = job()
    assert job() == (first, 0) and calls > 10


def test_steps_turn_back_at_bounds_and_from_blow_ups() -> None:
    forward = twin()
    upper = forward.controls.project(np.full(24, 1e3))
    estimator = ColouredDifferences(forward, reach=2)
    evaluation, _ = estimator.evaluate(upper, estimator.init(0))
    single, _ = FiniteDifference(forward, 0.1).evaluate(upper, None)
    ours, theirs = (to_matrix(e.tangent, 24) for e in (evaluation, single))
    np.testing.assert_allclose(ours, theirs, atol=1e-9 * np.abs(theirs).max())

    forward = twin()
    forward.model.limit = 1.0 + 1e-9  # what is above the start blows up
    estimator = ColouredDifferences(forward, reach=2)
    backward, _ = estimator.evaluate(np.zeros(24), estimator.init(0))
    assert backward.ok and backward.runs == 1 + 2 * 9
    forward = twin()
    estimator = ColouredDifferences(forward, reach=2)
    forward.observe(np.zeros(24))
    forward.model.limit = 0.0
    with pytest.raises(ModelBlewUp, match=r"nam/kappa\[0,0\].*smaller step"):
        estimator.evaluate(np.zeros(24), estimator.init(0))


def test_distance_goes_across_the_seam_and_the_fold() -> None:
    mark = np.zeros((8, 12), dtype=bool)
    mark[7, 0] = True
    closed = distance_from(mark, Grid(12, 8, 1))
    periodic = distance_from(mark, Grid(12, 8, 1, edges=Edges(periodic_i=True)))
    folded = distance_from(mark, Grid(12, 8, 1, edges=Edges(periodic_i=True, fold="F")))
    assert (closed[7, 11], periodic[7, 11], periodic[6, 10]) == (11, 1, 2)
    assert closed[0, 0] == 7
    assert (periodic[7, 9], folded[7, 9]) == (3, 2)  # above the fold, column 0 lies on column 11
