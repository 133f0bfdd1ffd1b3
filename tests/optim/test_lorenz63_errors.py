"""The error of Euler gradient approximations on Lorenz-63, as Ouala et al. (2024) found it, and in a fixed window."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emulator import lorenz
from optim.bench.gradients.lorenz63_errors import KINDS, SIZES, Setting, attractor_states, draw


def test_static_falls_behind_and_does_not_converge_in_a_fixed_window() -> None:
    weights = lorenz.network_weights(np.random.default_rng(1))
    states = attractor_states(1)
    coarse, fine = Setting(0.02), Setting(0.005)
    one, other = coarse.errors(states, weights, 5), fine.errors(states, weights, 5)
    window = fine.errors(states, weights, 20)  # T = 0.1, as 5 steps of 0.02
    assert one["euler_jacobian"] < 0.33 < one["static"]
    # a fixed number of steps: first order in h, so a quarter of the step leaves about a quarter of the error
    assert other["static_of_norm"] < 0.5 * one["static_of_norm"]
    assert other["euler_jacobian_of_norm"] < 0.5 * one["euler_jacobian_of_norm"]
    # a fixed window: the Euler-Jacobian kind goes on to converge, the static kind does not
    assert window["euler_jacobian_of_norm"] < 0.5 * one["euler_jacobian_of_norm"]
    assert window["static_of_norm"] > 0.8 * one["static_of_norm"]


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    rows = {kind: [[0.1, 0.2]] for kind in KINDS} | {
        f"{kind}_of_norm": [[0.1] * len(SIZES)] for kind in KINDS
    }
    result = {
        "lengths": [5, 10],
        "sizes": list(SIZES),
        "against_n": rows,
        "fixed_steps": rows,
        "fixed_window": rows,
    }
    draw(result, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_advection_of_lorenz96_does_no_work_and_scales_talk() -> None:
    """sum x dx = 0 without forcing and damping; with coupling the energy that x loses to y is what y gains."""
    random = np.random.default_rng(0)
    state = {"x": random.standard_normal((2, 36)), "y": random.standard_normal((10, 2, 36))}
    params = {"coarse/forcing": 0.0, "fine/h": 1.0, "fine/c": 10.0, "fine/b": 10.0}
    rates = lorenz.two_scale_lorenz96(state, params)
    power = np.sum(state["x"] * rates["x"]) + np.sum(state["y"] * rates["y"])
    dissipation = np.sum(state["x"] ** 2) + 10.0 * np.sum(state["y"] ** 2)
    np.testing.assert_allclose(power, -dissipation, rtol=1e-12)
