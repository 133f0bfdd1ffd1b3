"""Recoveries of known parameters, as the benchmark of calibrations counts them."""

from __future__ import annotations

import numpy as np
import pytest

from optim.bench.gradients.calibration import TOLERANCE, Referee, recover
from optim.bench.gradients.veros_calibration import PAIRS
from optim.gradients import FiniteDifference, ResponseSurface
from optim.minimisers import LBFGS, LevenbergMarquardt


@pytest.mark.parametrize("way", ["response surface", "finite differences", "exact gradient"])
def test_known_parameters_are_found_and_runs_counted(lorenz, way: str) -> None:
    case = lorenz()
    forward, controls = case.forward, case.forward.controls
    truth = np.array([float(case.truth[c.group][c.entry]) for c in controls.controls])

    reference = FiniteDifference(lorenz().forward, 1e-4, central=True)

    def gradient(x: np.ndarray) -> np.ndarray:
        return reference.evaluate(x, None)[0].grad

    newton = LevenbergMarquardt(cost_tolerance=1e-12, step_tolerance=1e-6)
    estimator, minimiser, setup = {
        "response surface": (ResponseSurface(forward, 64), newton, 64),
        "finite differences": (FiniteDifference(forward), newton, 3),
        "exact gradient": (Referee(forward, gradient), LBFGS(), 0),
    }[way]
    found = recover(estimator, minimiser, np.zeros(len(controls)), truth, budget=200)
    assert found.error <= TOLERANCE
    assert found.runs is not None and setup < found.runs <= found.all_runs <= 200
    assert 0 < found.gradients <= found.all_runs


def test_starts_of_the_pairs_are_the_factors_from_the_truth() -> None:
    for pair in PAIRS:
        spreads = np.array([spread for _, spread in pair.priors])
        np.testing.assert_allclose(np.exp(pair.start * spreads), pair.factors)
