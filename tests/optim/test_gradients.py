"""Estimators: against finite differences, dot product, Taylor, number of real runs, failed runs."""

import numpy as np
import pytest

from bridge.errors import ModelBlewUp
from bridge.ledger import Ledger
from emulator.tangent_linear import to_matrix
from optim.check import compare_gradients, cosine, difference_sweep, dot_product_test, taylor_test
from optim.cost import half_square
from optim.gradients import Ensemble, FiniteDifference, SurrogateGradient

X = np.array([0.3, -0.2, 0.4])


def residual_of(case):
    return lambda x: case.forward.cost.residual(case.forward.observe(x).misfit, x)


@pytest.mark.parametrize("prior", [False, True])
def test_surrogate_of_the_same_step_is_the_exact_derivative(lorenz, step_surrogate, prior: bool) -> None:
    case = lorenz(prior=prior)
    estimator = SurrogateGradient(case.forward, step_surrogate(case.model, case.model.step))
    evaluation, _ = estimator.evaluate(X, estimator.init(0))
    sweep = difference_sweep(lambda x: half_square(residual_of(case)(x)), X, evaluation.grad)
    assert sweep.best_errors.max() < 1e-7  # central differences: h² truncation against 1e-16/h rounding
    test = taylor_test(residual_of(case), X, evaluation.tangent, np.array([1.0, -0.5, 0.3]))
    assert test.best_slope == pytest.approx(2.0, abs=0.05)
    assert dot_product_test(evaluation.tangent, 3, evaluation.residual.size) < 1e-12


def test_surrogate_asks_for_exactly_one_real_run_per_value_and_gradient(lorenz, step_surrogate) -> None:
    case = lorenz()
    estimator = SurrogateGradient(case.forward, step_surrogate(case.model, case.model.step))
    for number, x in enumerate([X, X + 0.1, X + 0.2], start=1):
        evaluation, _ = estimator.evaluate(x, None)
        assert (evaluation.runs, case.model.calls) == (1, number)
    again, _ = estimator.evaluate(X + 0.2, None)
    assert (again.runs, case.model.calls) == (0, 3)


def test_products_and_dense_jacobian_agree(lorenz, step_surrogate, monkeypatch) -> None:
    case = lorenz()
    estimator = SurrogateGradient(case.forward, step_surrogate(case.model, case.model.step))
    dense, _ = estimator.evaluate(X, None)
    monkeypatch.setattr("optim.gradients.surrogate._DENSE_UP_TO", 0)
    products, _ = estimator.evaluate(X, None)
    assert np.allclose(products.grad, dense.grad, rtol=1e-11)
    assert dot_product_test(products.tangent, 3, products.residual.size) < 1e-12


def test_biased_surrogate_along_real_states_beats_its_own_rollout(
    lorenz, step_surrogate, biased_lorenz
) -> None:
    case = lorenz(steps=100)
    reference, _ = FiniteDifference(case.forward, 1e-5, central=True).evaluate(X, None)
    real, _ = SurrogateGradient(case.forward, step_surrogate(case.model, biased_lorenz)).evaluate(X, None)
    own = lorenz(steps=100)
    own.model.step = biased_lorenz
    own_model = type(own.model)(biased_lorenz, own.model.initial, own.model.defaults)
    own.forward.model = own_model
    rollout, _ = FiniteDifference(own.forward, 1e-5, central=True).evaluate(X, None)
    with_real = cosine(real.grad, reference.grad)
    assert with_real > 0.95
    assert with_real > cosine(rollout.grad, reference.grad)


def test_finite_differences_count_their_runs(lorenz) -> None:
    case = lorenz()
    one_sided, _ = FiniteDifference(case.forward, 1e-3).evaluate(X, None)
    central, _ = FiniteDifference(case.forward, 1e-3, central=True).evaluate(X, None)
    assert (one_sided.runs, central.runs, case.model.calls) == (4, 3, 7)  # +h and x are not run again
    comparison = compare_gradients(one_sided.grad, central.grad)
    assert comparison.cosine > 0.9999
    assert comparison.norm_ratio == pytest.approx(1.0, abs=0.02)


def test_finite_difference_turns_back_at_a_bound(lorenz) -> None:
    case = lorenz()
    at_bound = case.controls.project(np.array([100.0, 0.0, 0.0]))
    evaluation, _ = FiniteDifference(case.forward, 1e-3).evaluate(at_bound, None)
    inside, _ = FiniteDifference(case.forward, 1e-3).evaluate(at_bound - [1e-3, 0.0, 0.0], None)
    assert evaluation.grad[0] == pytest.approx(inside.grad[0], rel=0.1)


def test_finite_difference_without_a_completed_neighbour_says_what_to_do(lorenz) -> None:
    case = lorenz()
    observe = case.forward.observe
    case.forward.observe(X)
    case.model.limit = 0.0  # everything blows up from now on
    with pytest.raises(ModelBlewUp, match="namtest/forcing.*smaller step"):
        FiniteDifference(case.forward, 1e-3).evaluate(X, None)
    assert observe(X).misfit is not None


@pytest.mark.parametrize("members", [3, 6])
def test_ensemble_regression_matches_finite_differences(lorenz, members: int) -> None:
    case = lorenz()
    estimator = Ensemble(case.forward, members, spread=1e-3)
    evaluation, state = estimator.evaluate(X, estimator.init(7))
    assert evaluation.runs == members + 1
    reference, _ = FiniteDifference(case.forward, 1e-4, central=True).evaluate(X, None)
    # regression over ±1e-3: curvature of the order of the spread remains
    assert np.allclose(to_matrix(evaluation.tangent, 3), to_matrix(reference.tangent, 3), rtol=0.02, atol=1.0)
    assert cosine(evaluation.grad, reference.grad) > 0.999
    near, _ = estimator.evaluate(X + 0.01, state)
    assert near.runs == 1  # within `refresh`, the regression is kept


def test_ensemble_drops_members_that_blow_up(lorenz) -> None:
    case = lorenz()
    estimator = Ensemble(case.forward, 6, spread=1e-2)
    state = estimator.init(0)
    lost = case.forward.key(X + state.offsets[0])
    real_run = case.model.run

    def run(params, snapshot, steps, record):
        fails = case.forward.key(X + state.offsets[0]) == lost and params == case.forward.params(
            X + state.offsets[0]
        )
        case.model.limit = 0.0 if fails else 1e6
        return real_run(params, snapshot, steps, record)

    case.model.run = run
    evaluation, _ = estimator.evaluate(X, state)
    reference, _ = FiniteDifference(lorenz().forward, 1e-4).evaluate(X, None)
    assert cosine(evaluation.grad, reference.grad) > 0.99


class SeveralAtOnce:
    """A model that makes a batch of runs, the last one first, as several instances may."""

    def __init__(self, model) -> None:
        self.model, self.describe, self.run = model, model.describe, model.run
        self.batches: list[int] = []

    def map(self, params_batch, snapshot, steps, record, finished=None):
        wanted = list(enumerate(params_batch))
        self.batches.append(len(wanted))
        runs = {}
        for position, params in reversed(wanted):
            runs[position] = self.run(params, snapshot, steps, record)
            if finished is not None:
                finished(position, runs[position])
        return [runs[position] for position, _ in wanted]


@pytest.mark.parametrize("limit", [1e6, 8.25], ids=["all complete", "some blow up"])
@pytest.mark.parametrize(
    ("make", "batch"),
    [
        (lambda forward: FiniteDifference(forward, 0.5), 3),
        (lambda forward: FiniteDifference(forward, 0.5, central=True), 6),
        (lambda forward: Ensemble(forward, 6, spread=0.5), 6),
    ],
    ids=["one-sided", "central", "ensemble"],
)
def test_runs_made_at_once_give_the_same_evaluation(lorenz, tmp_path, make, batch: int, limit: float) -> None:
    def job(name: str, at_once: bool):
        with Ledger(tmp_path / name) as ledger:
            case = lorenz(ledger=ledger)
            small = case.model
            small.limit = limit
            if at_once:
                case.forward.model = SeveralAtOnce(small)
            estimator = make(case.forward)
            evaluation, _ = estimator.evaluate(X, estimator.init(0))
            keys = {record.key for record in ledger.records()}
            assert all(record.outcome.completed for record in ledger.records()) == (limit > 100.0)
            return evaluation, keys, small.calls, getattr(case.forward.model, "batches", None)

    single, keys, calls, _ = job("single", at_once=False)
    batched, batched_keys, batched_calls, batches = job("batched", at_once=True)
    assert np.array_equal(batched.grad, single.grad) and batched.value == single.value
    assert (batched.runs, batched_keys, batched_calls) == (single.runs, keys, calls)
    assert batches == [batch]
    resumed, _, calls_again, batches = job("batched", at_once=True)
    assert np.array_equal(resumed.grad, single.grad) and resumed.runs == single.runs
    assert (calls_again, batches) == (0, [])  # everything is in the ledger


def test_run_that_blows_up_is_an_evaluation_not_an_exception(lorenz, step_surrogate) -> None:
    case = lorenz()
    case.model.limit = 5.0
    estimator = SurrogateGradient(case.forward, step_surrogate(case.model, case.model.step))
    evaluation, _ = estimator.evaluate(X, None)
    assert (evaluation.ok, evaluation.value, evaluation.outcome.kind.value) == (False, np.inf, "blew up")


def test_ledger_spares_a_second_job_every_run_and_every_jacobian(lorenz, step_surrogate, tmp_path) -> None:
    def job(refuse: bool):
        with Ledger(tmp_path) as ledger:
            case = lorenz(ledger=ledger)
            surrogate = step_surrogate(case.model, case.model.step)
            if refuse:
                surrogate.linearise = None  # calling it would raise
            evaluation, _ = SurrogateGradient(case.forward, surrogate).evaluate(X, None)
            return evaluation, case.model.calls

    first, calls = job(refuse=False)
    second, calls_again = job(refuse=True)
    assert (calls, calls_again) == (1, 0)
    assert np.array_equal(first.grad, second.grad)
    assert second.runs == 1  # counted against the budget as in the first job
