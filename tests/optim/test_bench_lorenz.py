"""The Lorenz cases of the benchmark: the referee is right, and each linearisation scores as it should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optim.bench.gradients import registry
from optim.bench.gradients.cells import EXACT, Store
from optim.bench.gradients.lorenz import chain_stencil, lorenz63, lorenz96
from optim.bench.gradients.runner import run_case
from optim.cost import half_square
from optim.gradients.layout import Layout
from optim.gradients.stencil import NOTHING


def test_lorenz63_cells(tmp_path: Path) -> None:
    names = ("static", "euler_jacobian", "ensemble_probes")
    estimators = [registry.estimators()[name] for name in names]
    store, said = Store(tmp_path), list[str]()
    run_case(lorenz63(2), estimators, [10], [0], store, said.append)
    cells = {cell.estimator: cell for cell in store.cells()}
    exact = cells[EXACT]
    worst = {
        n: max(s.worst_relative_error for s in cells[n].scores(np.array(exact.gradients))) for n in names
    }
    # five members for three variables, differences of 1e-3: right to their curvature; Euler's is of order h |dF/du|
    assert worst["ensemble_probes"] < 0.01 < worst["euler_jacobian"] < 0.33 < worst["static"]
    assert min(cells["ensemble_probes"].field_cosines) > 0.9999
    assert cells["ensemble_probes"].runs_per_gradient == 1 + 3 + 5  # run, probes, members
    assert cells["static"].runs_per_gradient == 1 and len(said) == 1 + len(names)


@pytest.mark.parametrize("case", [lorenz63(1), lorenz96(1)], ids=lambda case: case.name)
def test_the_exact_gradient_is_that_of_the_cost(case, tmp_path: Path) -> None:
    with case.opened(tmp_path) as problem_at:
        problem = problem_at(4)
        x = problem.points[0]
        gradient = problem.exact(x)
        direction = np.linspace(1.0, -0.5, x.size)

        def cost(size: float) -> float:
            misfit = problem.forward.observe(x + size * direction).misfit
            return half_square(misfit)

        slope = (cost(1e-3) - cost(-1e-3)) / 2e-3
    assert slope == pytest.approx(
        gradient @ direction, rel=1e-5
    )  # curvature: (1e-3)^2 and what it is multiplied by


def test_chains_of_fast_variables_go_around_the_circle() -> None:
    layout = Layout({"x": (1, 36), "y": (10, 1, 36)})
    stencil = chain_stencil(layout)
    assert stencil.inputs.shape == (36 + 360, 15) and (stencil.outputs != NOTHING).all()
    last_of_first = stencil.inputs[36 + 9]  # the tenth fast variable of the first slow one
    y = layout.indices("y")[:, 0]
    assert set(last_of_first[:5]) == {y[7, 0], y[8, 0], y[9, 0], y[0, 1], y[1, 1]} and last_of_first[5] == 0
