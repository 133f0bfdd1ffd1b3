"""Problems with known minima × minimisers × estimators; budgets, resume, failed runs, posterior."""

from dataclasses import replace

import numpy as np
import pytest

from bridge.ledger import Ledger
from bridge.model import Outcome, OutcomeKind
from emulator.tangent_linear import TangentLinear, linearise
from optim.gradients import Ensemble, FiniteDifference, SurrogateGradient
from optim.minimise import minimise, posterior_covariance
from optim.minimisers import LBFGS, Adam, Ending, LevenbergMarquardt

MINIMISERS = {
    "adam": (Adam(rate=0.1), 500),
    "lbfgs": (LBFGS(), 300),
    "lm": (LevenbergMarquardt(damping=1e-3, step_tolerance=1e-9, cost_tolerance=1e-12), 60),
}


@pytest.mark.parametrize("minimiser", MINIMISERS)
@pytest.mark.parametrize("problem", ["linear", "exponential", "rosenbrock"])
def test_minimum_is_found(least_squares, problem: str, minimiser: str) -> None:
    case = least_squares(problem)
    algorithm, budget = MINIMISERS[minimiser]
    estimator = SurrogateGradient(case.forward, ExactSurrogate(case))
    solution = minimise(estimator, algorithm, np.zeros(len(case.minimum)), budget=budget)
    # Adam creeps along Rosenbrock's valley; the others converge to rounding
    tolerance = 0.15 if minimiser == "adam" else 1e-4
    assert case.controls.to_values(solution.x) == pytest.approx(case.minimum, abs=tolerance)
    assert solution.runs <= budget
    assert solution.value <= min(trial.value for trial in solution.history)


class ExactSurrogate:
    """Exact derivative of an algebraic problem."""

    name = "exact"

    def __init__(self, case) -> None:
        self.case = case
        self.recording = case.forward.window.recording

    def linearise(self, trajectory, names, fields):
        theta = self.case.model.theta(trajectory.params)
        return linearise(lambda t: {"x": self.case.function(t)[None, None]}, theta)[1]


@pytest.mark.parametrize("estimator", ["surrogate", "finite-difference", "ensemble"])
def test_gauss_newton_recovers_the_truth_with_every_estimator(lorenz, step_surrogate, estimator: str) -> None:
    case = lorenz()
    estimators = {
        "surrogate": lambda: SurrogateGradient(case.forward, step_surrogate(case.model, case.model.step)),
        "finite-difference": lambda: FiniteDifference(case.forward, 1e-4),
        "ensemble": lambda: Ensemble(case.forward, 4, spread=1e-2, refresh=0.5),
    }
    solution = minimise(estimators[estimator](), LevenbergMarquardt(), np.zeros(3), budget=60)
    truth = case.controls.to_values(case.controls.to_vector(case.truth))
    assert solution.ending is Ending.CONVERGED
    assert case.controls.to_values(solution.x) == pytest.approx(truth, rel=1e-3)


def test_secants_repair_a_surrogate_that_is_no_use_alone(lorenz, step_surrogate, biased_lorenz) -> None:
    # Over 0.6 time units (one Lyapunov time) an identity flow Jacobian points the wrong way.
    def solve(secants: bool):
        case = lorenz(steps=60)
        estimator = SurrogateGradient(
            case.forward, step_surrogate(case.model, biased_lorenz, flow="identity")
        )
        algorithm = LevenbergMarquardt(secants=secants, cost_tolerance=1e-10)
        return minimise(estimator, algorithm, np.zeros(3), budget=40)

    alone, repaired = solve(False), solve(True)
    assert (alone.ending, repaired.ending) == (Ending.STALLED, Ending.CONVERGED)
    assert repaired.value < 1e-6 * alone.value


class _NoSensitivity:
    """A surrogate that sees nothing of one control: every point looks stationary in its direction."""

    def __init__(self, surrogate, blind: int) -> None:
        self._surrogate, self._blind = surrogate, blind
        self.name, self.recording = "blind", surrogate.recording

    def linearise(self, trajectory, names, fields):
        whole = self._surrogate.linearise(trajectory, names, fields)
        seen = np.arange(len(names)) != self._blind
        return TangentLinear(mv=lambda v: whole.mv(v * seen), rmv=lambda w: whole.rmv(w) * seen)


def test_verifying_runs_find_what_the_surrogate_does_not_see(lorenz, step_surrogate) -> None:
    def solve(verify: float):
        case = lorenz()
        estimator = SurrogateGradient(
            case.forward, _NoSensitivity(step_surrogate(case.model, case.model.step), blind=1)
        )
        return minimise(estimator, LevenbergMarquardt(verify=verify), np.zeros(3), budget=60)

    trusting, verifying = solve(0.0), solve(0.1)
    assert verifying.ending is Ending.CONVERGED
    assert verifying.value < 1e-6 * trusting.value


def test_the_last_affordable_run_counts_without_its_derivative(lorenz) -> None:
    """Three controls: four runs for the first Jacobian, the fifth is the step."""
    case = lorenz()
    solution = minimise(FiniteDifference(case.forward, 1e-4), LevenbergMarquardt(), np.zeros(3), budget=5)
    assert solution.runs == 5 and solution.ending is Ending.BUDGET_SPENT
    assert solution.value == solution.history[-1].value < solution.history[0].value
    assert np.array_equal(solution.x, solution.history[-1].x)


def test_budget_is_never_exceeded_and_the_best_point_is_returned(lorenz) -> None:
    case = lorenz()
    solution = minimise(FiniteDifference(case.forward, 1e-4), LevenbergMarquardt(), np.zeros(3), budget=6)
    assert solution.ending is Ending.BUDGET_SPENT
    assert solution.runs <= 6
    assert case.model.calls == solution.runs
    assert solution.value == min(trial.value for trial in solution.history)


@pytest.mark.parametrize("minimiser", MINIMISERS)
def test_trial_that_blows_up_shortens_the_step(lorenz, step_surrogate, minimiser: str) -> None:
    case = lorenz()
    case.model.limit = 12.5  # the run at the start stays below, runs with much stronger forcing do not
    estimator = SurrogateGradient(case.forward, step_surrogate(case.model, case.model.step))
    algorithm = {
        "adam": Adam(rate=3.0),
        "lbfgs": LBFGS(first_step=8.0, longest_step=8.0),
        "lm": LevenbergMarquardt(radius=30.0),
    }[minimiser]
    start = np.array([-1.5, 2.0, -1.0])
    solution = minimise(estimator, algorithm, start, budget=15)
    assert solution.value < solution.history[0].value
    assert all(np.isfinite(trial.value) for trial in solution.history if trial.outcome == "completed")


def test_start_that_blows_up_ends_with_the_reason(lorenz) -> None:
    case = lorenz()
    case.model.limit = 1.0
    solution = minimise(FiniteDifference(case.forward), LevenbergMarquardt(), np.zeros(3), budget=10)
    assert (solution.ending, solution.evaluation.ok) == (Ending.BLEW_UP, False)
    assert "start failed" in solution.message


def test_killed_job_resumes_without_repeating_a_run(lorenz, step_surrogate, tmp_path) -> None:
    def job(directory, stop_after: int | None = None):
        with Ledger(directory) as ledger:
            case = lorenz(ledger=ledger)
            estimator = SurrogateGradient(case.forward, step_surrogate(case.model, case.model.step))

            def progress(trial):
                if stop_after is not None and trial.number == stop_after:
                    raise KeyboardInterrupt

            try:
                solution = minimise(
                    estimator, LevenbergMarquardt(), np.zeros(3), budget=30, progress=progress
                )
            except KeyboardInterrupt:
                solution = None
            return solution, case.model.calls, len(ledger)

    whole, calls, _ = job(tmp_path / "whole")
    _, before, _ = job(tmp_path / "killed", stop_after=2)
    resumed, after, stored = job(tmp_path / "killed")
    assert before + after == calls == stored
    assert np.array_equal(resumed.x, whole.x)
    assert [trial.value for trial in resumed.history] == [trial.value for trial in whole.history]


def test_posterior_of_a_linear_problem_is_the_textbook_one(least_squares) -> None:
    case = least_squares("linear")
    solution = minimise(
        SurrogateGradient(case.forward, ExactSurrogate(case)), LevenbergMarquardt(), np.zeros(3), budget=20
    )
    jacobian = np.asarray(solution.evaluation.tangent.columns(np.eye(3))).T
    assert np.allclose(posterior_covariance(solution), np.linalg.inv(jacobian.T @ jacobian), rtol=1e-8)


def test_bounds_hold_when_the_minimum_lies_outside(least_squares) -> None:
    case = least_squares("linear")
    from optim.control import Control, ControlVector

    near = [Control(c.group, c.entry, -1.0, 0.4, 0.0, 1.0) for c in case.controls.controls]
    case.forward.controls = ControlVector(tuple(near))
    solution = minimise(
        SurrogateGradient(case.forward, ExactSurrogate(case)), LevenbergMarquardt(), np.zeros(3), budget=40
    )
    values = case.forward.controls.to_values(solution.x)
    assert np.all(values <= 0.4 + 1e-12) and np.all(values >= -1.0 - 1e-12)
    assert values[2] == pytest.approx(0.4)


def test_verifying_runs_that_fail_do_not_repeat_for_ever(least_squares) -> None:
    """Runs a verifying step away from the start fail; each is tried once, and the minimisation goes on to its end."""
    case = least_squares("linear")
    run = case.model.run

    def guarded(params, *arguments):
        trajectory = run(params, *arguments)
        distance = np.max(np.abs(case.model.theta(params) - case.minimum))
        failed = Outcome(OutcomeKind.BLEW_UP, 1, "too far")
        return replace(trajectory, outcome=failed) if 0.2 < distance < 0.6 else trajectory

    case.model.run = guarded
    algorithm = LevenbergMarquardt(verify=0.5, radius=10.0)
    solution = minimise(FiniteDifference(case.forward, 0.01), algorithm, np.zeros(3), budget=60)
    assert len(solution.history) <= 60
    assert solution.ending is not None
