"""Gradients from a surface fitted to runs spread over the prior, and from simultaneous perturbation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bridge.ledger import Ledger
from emulator.tangent_linear import to_matrix
from optim.check import cosine
from optim.gradients import FiniteDifference, ResponseSurface, Spsa, gaussian_process
from optim.gradients.design import space_filling
from optim.gradients.gaussian_process import _negative_likelihood, _Solved, _trend, fit

X = np.array([0.3, -0.4, 0.2])


def bent(x: np.ndarray) -> np.ndarray:
    """Straight along the first variable, bent along the second, indifferent to the third."""
    return 2.0 * x[..., 0] + np.sin(1.5 * x[..., 1])


def test_process_finds_values_slopes_and_what_bends() -> None:
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (40, 3))
    found = fit(points, bent(points))
    x = np.array([0.5, -0.3, 0.7])
    assert found(x) == pytest.approx(bent(x), abs=2e-3)
    np.testing.assert_allclose(found.slope(x), [2.0, 1.5 * np.cos(-0.45), 0.0], atol=5e-3)
    step = 1e-5 * np.eye(3)
    differences = [(found(x + d) - found(x - d)) / 2e-5 for d in step]
    np.testing.assert_allclose(found.slope(x), differences, rtol=1e-6, atol=1e-6)
    assert found.lengths[1] < 0.3 * min(found.lengths[0], found.lengths[2])


def test_process_learns_the_noise_of_its_values() -> None:
    random = np.random.default_rng(1)
    points = random.uniform(-1.5, 1.5, (80, 2))
    found = fit(points, bent(points) + 0.05 * random.standard_normal(80))
    # 80 values, a handful of hyperparameters: errors of points left out are little more than the noise
    assert 0.04 < np.sqrt(np.mean(found.left_out**2)) < 0.08
    with pytest.raises(ValueError, match="too few"):
        fit(points[:4], np.ones(4))


def test_likelihood_is_climbed_from_several_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.linspace(-1.5, 1.5, 20)[:, None] ** 3
    values = np.sin(5.0 * points[:, 0])
    assert fit(points, values).noise < 1e-4
    monkeypatch.setattr(gaussian_process, "_STARTS", gaussian_process._STARTS[:1])
    assert fit(points, values).noise == 1.0  # a maximum as well: all is noise


def test_derivative_of_the_likelihood() -> None:
    random = np.random.default_rng(2)
    points = random.uniform(-1.0, 1.0, (12, 2))
    data = (points[:, None] - points[None]) ** 2, _trend(points), random.standard_normal(12)
    logs = np.array([0.3, -0.4, -3.0])
    _, slope = _negative_likelihood(logs, *data)
    for number, d in enumerate(1e-5 * np.eye(3)):
        difference = (
            _negative_likelihood(logs + d, *data)[0] - _negative_likelihood(logs - d, *data)[0]
        ) / 2e-5
        assert slope[number] == pytest.approx(difference, rel=1e-5)


def test_errors_of_points_left_out_are_those_of_fits_without_them() -> None:
    points = np.random.default_rng(3).uniform(-1.0, 1.0, (25, 2))
    values = bent(np.column_stack([points, np.zeros(25)]))
    logs = np.log([2.0, 1.0, 1e-3])
    squares = (points[:, None] - points[None]) ** 2
    whole = _Solved.of(logs, squares, np.zeros((25, 1)), values)
    others = np.arange(25) != 7
    without = _Solved.of(logs, squares[np.ix_(others, others)], np.zeros((24, 1)), values[others])
    predicted = whole.correlations[7, others] @ without.weights
    assert whole.weights[7] / whole.inverse[7, 7] == pytest.approx(values[7] - predicted, rel=1e-8)


def test_design_keeps_its_distance_and_says_when_there_is_no_room() -> None:
    lower, upper, forbidden = np.full(3, -2.0), np.full(3, 2.0), np.array([X, -X])
    design = space_filling(50, lower, upper, 3, forbidden, 1.0)
    assert design.shape == (50, 3) and np.all(np.abs(design) <= 2.0)
    assert np.linalg.norm(design[:, None] - forbidden, axis=-1).min() >= 1.0
    assert np.array_equal(design, space_filling(50, lower, upper, 3, forbidden, 1.0))
    assert not np.array_equal(design, space_filling(50, lower, upper, 4, forbidden, 1.0))
    with pytest.raises(ValueError, match="no room"):
        space_filling(50, lower, upper, 3, forbidden, 10.0)


@pytest.mark.parametrize("prior", [False, True], ids=["", "prior rows"])
def test_surface_gives_the_gradient_for_one_run_once_set_up(lorenz, prior: bool) -> None:
    case = lorenz(steps=10, prior=prior)
    estimator = ResponseSurface(case.forward, runs=64, reach=1.5, avoid=(tuple(X), tuple(-X)), clearance=1.0)
    state = estimator.init(0)
    assert estimator.runs_needed(X, state) == 65
    first, state = estimator.evaluate(X, state)
    second, state = estimator.evaluate(-X, state)
    assert (first.runs, second.runs) == (65, 1)
    for evaluation in (first, second):
        exact, _ = FiniteDifference(lorenz(steps=10, prior=prior).forward, 1e-3, central=True).evaluate(
            evaluation.x, None
        )
        # 64 runs over ±1.5 standard deviations: 0.3 % measured
        np.testing.assert_allclose(evaluation.grad, exact.grad, rtol=0.03)


def test_variance_of_the_slope_is_that_of_a_small_difference() -> None:
    points = np.random.default_rng(4).uniform(-1.5, 1.5, (14, 2))
    noise = 0.1 * np.random.default_rng(5).standard_normal(14)
    found = fit(points, bent(np.column_stack([points, np.zeros(14)])) + noise)
    x, h = np.array([0.4, -0.2]), 1e-2

    def prior(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Covariance of the process and of a trend that nothing is known of: a spread of 100 s."""
        gaps = (a[:, None] - b[None]) / found.lengths
        return np.exp(-0.5 * np.sum(gaps**2, axis=-1)) + 1e4 * _trend(a) @ _trend(b).T

    known = np.linalg.inv(prior(points, points) + found.noise * np.eye(14))
    for number, d in enumerate(h * np.eye(2)):
        ends, weights = np.array([x + d, x - d]), np.array([0.5, -0.5]) / h
        across = prior(ends, points)
        difference = weights @ (prior(ends, ends) - across @ known @ across.T) @ weights
        # of a difference of second order in h, and of a trend of which a little is known
        assert found.slope_variance(x)[number] == pytest.approx(found.variance * difference, rel=1e-2)


def test_a_run_corrects_the_least_certain_component(lorenz) -> None:
    case = lorenz(steps=10)
    estimator = ResponseSurface(case.forward, runs=16, probes=1)
    state = estimator.init(0)
    assert estimator.runs_needed(X, state) == 18
    found, state = estimator.evaluate(X, state)
    alone, _ = replace(estimator, probes=0).evaluate(X, state)
    exact, _ = FiniteDifference(lorenz(steps=10).forward, 1e-3, central=True).evaluate(X, None)
    difference, _ = FiniteDifference(lorenz(steps=10).forward, estimator.step).evaluate(X, None)
    assert (found.runs, alone.runs) == (18, 0)
    (probed,) = np.flatnonzero(found.grad != alone.grad)
    assert state.surface is not None
    errors = state.surface.gradient_error(X, case.forward.observe(X).misfit) / np.abs(alone.grad)
    assert probed == np.argmax(errors)
    error = np.abs([e.grad[probed] - exact.grad[probed] for e in (found, alone, difference)])
    assert error[0] < 0.5 * min(
        error[1:]
    )  # better than the surface, and than the one-sided difference itself


def test_a_second_job_finds_the_set_up_in_the_ledger(lorenz, tmp_path) -> None:
    def job():
        with Ledger(tmp_path) as ledger:
            case = lorenz(ledger=ledger)
            estimator = ResponseSurface(case.forward, runs=20)
            evaluation, _ = estimator.evaluate(X, estimator.init(5))
            return evaluation, case.model.calls

    first, calls = job()
    again, calls_again = job()
    assert (calls, calls_again) == (21, 0)
    assert np.array_equal(first.grad, again.grad) and again.runs == first.runs


def test_surface_leaves_out_runs_that_blew_up(lorenz) -> None:
    case = lorenz(steps=10)
    case.model.limit = 8.6  # some of the prior leaves that range
    estimator = ResponseSurface(case.forward, runs=48, reach=1.5)
    state = estimator.init(0)
    evaluation, _ = estimator.evaluate(X, state)
    failed = [x for x in state.design if case.forward.observe(x).misfit is None]
    assert evaluation.ok and 0 < len(failed) < 30
    exact, _ = FiniteDifference(lorenz(steps=10).forward, 1e-3).evaluate(X, None)
    assert cosine(evaluation.grad, exact.grad) > 0.99


def test_simultaneous_perturbation_is_right_in_the_mean(lorenz) -> None:
    case = lorenz(steps=10)
    exact, _ = FiniteDifference(case.forward, 1e-4, central=True).evaluate(X, None)
    estimator = Spsa(case.forward, step=1e-3)
    state = estimator.init(0)
    evaluation, state = estimator.evaluate(X, state)
    assert evaluation.runs == 2  # and the one at X, which was known
    # one draw along signs D gives D(D·g): the product with D is the directional derivative
    signs = np.sign(evaluation.grad / (evaluation.grad @ np.ones(3)))
    jacobian = to_matrix(exact.tangent, 3)
    np.testing.assert_allclose(to_matrix(evaluation.tangent, 3) @ signs, 3.0 * jacobian @ signs, rtol=1e-4)
    draws = []
    for _ in range(6):
        drawn, state = estimator.evaluate(X, state)
        draws.append(np.abs(np.sign(drawn.grad).sum()))
    assert len(set(draws)) > 1  # each with signs of its own
    many, _ = Spsa(case.forward, step=1e-3, repeats=40).evaluate(X, estimator.init(1))
    # 40 draws: the error of a component is about |g|/sqrt(40)
    assert np.linalg.norm(many.grad - exact.grad) < 0.5 * np.linalg.norm(exact.grad)
