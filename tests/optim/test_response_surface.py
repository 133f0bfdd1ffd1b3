"""Gradients from a surface fitted to runs spread over the prior, and from simultaneous perturbation."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.ledger import Ledger
from emulator.tangent_linear import to_matrix
from optim.check import cosine
from optim.gradients import FiniteDifference, ResponseSurface, Spsa
from optim.gradients.design import space_filling
from optim.gradients.polynomial import Basis, choose, fit, left_out_errors

X = np.array([0.3, -0.4, 0.2])


def test_polynomial_repeats_a_polynomial_and_its_derivatives() -> None:
    random = np.random.default_rng(0)
    points = random.uniform(-2.0, 2.0, (40, 3))

    def function(x: np.ndarray) -> np.ndarray:
        return np.stack([x[..., 0] ** 2 * x[..., 1] - x[..., 2], 3.0 + x[..., 1] * x[..., 2]], axis=-1)

    found = fit(points, function(points), reach=2.0, degree=3, ridge=0.0)
    x = np.array([0.5, -1.0, 0.7])
    np.testing.assert_allclose(found(x)[0], function(x), rtol=1e-10)
    exact = [[2.0 * x[0] * x[1], x[0] ** 2, -1.0], [0.0, x[2], x[1]]]
    np.testing.assert_allclose(found.jacobian(x), exact, atol=1e-10)


def test_left_out_errors_are_those_of_fits_without_the_point() -> None:
    random = np.random.default_rng(1)
    points, values = random.uniform(-1.0, 1.0, (30, 2)), random.standard_normal((30, 2))
    errors = left_out_errors(points, values, 1.0, 2, 1e-9)
    for left_out in (0, 17):
        others = np.arange(30) != left_out
        without = fit(points[others], values[others], 1.0, 2, 1e-9)
        np.testing.assert_allclose(
            errors[left_out], values[left_out] - without(points[left_out])[0], rtol=1e-5
        )


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_cross_validation_finds_the_degree_of_noisy_values(degree: int) -> None:
    random = np.random.default_rng(degree)
    points = random.uniform(-1.0, 1.0, (60, 2))
    basis = Basis.of(2, degree)
    values = basis(points) @ random.standard_normal((len(basis.powers), 1))
    values += 1e-3 * random.standard_normal(values.shape)
    assert choose(points, values, 1.0, (1, 2, 3), (1e-9,))[0][0] == degree
    with pytest.raises(ValueError, match="too few"):
        choose(points[:3], values[:3], 1.0, (1, 2, 3), (1e-9,))


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
    estimator = ResponseSurface(case.forward, runs=64, reach=1.5, avoid=[X, -X], clearance=1.0)
    state = estimator.init(0)
    assert estimator.runs_needed(X, state) == 65
    first, state = estimator.evaluate(X, state)
    second, state = estimator.evaluate(-X, state)
    assert (first.runs, second.runs) == (65, 1)
    for evaluation in (first, second):
        exact, _ = FiniteDifference(lorenz(steps=10, prior=prior).forward, 1e-3, central=True).evaluate(
            evaluation.x, None
        )
        # cubic surface over ±1.5 standard deviations of a response that is not a cubic: 0.6 % measured
        np.testing.assert_allclose(evaluation.grad, exact.grad, rtol=0.03)


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
