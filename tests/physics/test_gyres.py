"""Wind-driven gyres: width and transport of the western boundary current of Stommel (1948) and Munk (1950)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import recipes
import references

BETA, DEPTH, CELL, CELLS, STRESS = 2.0e-11, 200.0, 2.0e4, 62, 0.01
LENGTH = CELL * CELLS


def middle_streamfunction(run: Any) -> tuple[np.ndarray, np.ndarray]:
    """Depth-integrated streamfunction (m3 s-1) across the basin at mid-latitude, at distances x (m) from the wall."""
    v = run.fields.vo.values[-1].mean(0)
    row = v.shape[0] // 2 - 1  # V row in the middle of 64 rows
    transport = v[row, 1:-1] * DEPTH * CELL
    return CELL * np.arange(CELLS + 1), np.concatenate([[0.0], np.cumsum(transport)])


def edge(x: np.ndarray, psi: np.ndarray) -> float:
    """Where the boundary current ends: the first extremum of psi, refined by a parabola (m)."""
    size = np.abs(psi)
    k = next(i for i in range(1, size.size - 1) if size[i] >= size[i + 1])
    before, peak, after = size[k - 1 : k + 2]
    return float(x[k] + CELL * 0.5 * (before - after) / (before - 2 * peak + after))


def expected(x: np.ndarray, **friction: float) -> np.ndarray:
    """Transport across the basin at mid-latitude (m3 s-1), positive: the gyre is anticyclonic."""
    sverdrup = np.pi * STRESS / (references.REFERENCE_DENSITY * BETA)
    return sverdrup * references.gyre_streamfunction(x, LENGTH, LENGTH, BETA, **friction)


@pytest.mark.parametrize("slip", [0.0, 2.0])
def test_munk_boundary_current_has_the_right_width(run_toy_ocean: Callable[..., Any], slip: float) -> None:
    viscosity = BETA * (5 * CELL) ** 3  # the current is resolved: delta = 5 cells
    x, psi = middle_streamfunction(run_toy_ocean(recipes.gyre(slip=slip, viscosity=viscosity)))
    exact = expected(x, viscosity=viscosity, slip=slip)
    # delta / L = 0.08 moves the edge inwards by 6-12 % from where it is in a wide basin
    assert edge(x, exact) == pytest.approx(references.munk_current_edge(viscosity, BETA, slip), rel=0.15)
    # dx / delta = 0.2, second order: 1-2 %; 60 days after the wind set in: 1 %; no slip all round: see the reference
    assert edge(x, psi) == pytest.approx(edge(x, exact), rel=0.05)
    assert np.abs(psi - exact).max() < 0.05 * exact.max()


def test_stommel_gyre_has_the_right_shape_and_transport(run_toy_ocean: Callable[..., Any]) -> None:
    drag = BETA * DEPTH * 4 * CELL  # delta_S = r / (H beta), 4 cells
    x, psi = middle_streamfunction(run_toy_ocean(recipes.gyre(drag=drag)))
    exact = expected(x, drag_rate=drag / DEPTH)
    assert edge(x, psi) == pytest.approx(edge(x, exact), rel=0.05)
    assert np.abs(psi - exact).max() < 0.05 * exact.max()
