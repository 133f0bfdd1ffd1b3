"""The regression of `EnsembleFlow` for a primitive-equation ocean with the fields of NEMO.

Inputs of every cell: T and S around it (wider along the axes, for second-order advection, and several levels up and
down, for implicit mixing), velocities and TKE around it, hydrostatic pressure of T and S and vertical motion at its
level, and sea level and depth-mean velocities before and after the step. The latter three are the barotropic mode: they
are regressed first, globally, on themselves and on bottom pressure.

Perturbations must not be too small: where convection has left a layer with next to no stratification, any perturbation
switches convection, whatever its size. The response of temperature over one step is then of the size of the layer's own
differences, and regression on a perturbation of 1e-5 K finds factors of 1e2. With about 1e-2 K they are below one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from optim.gradients.ensemble_flow import Modes, Regression
from optim.gradients.layout import Derived, Layout, itself, level_sum, sum_above, upwelling
from optim.gradients.stencil import Offsets, box, cross, grid_stencil

TRACERS, VELOCITIES, LEVEL, ENERGY = ("thetao", "so"), ("uo", "vo"), "zos", "en"


@dataclass(frozen=True)
class Reach:
    """How far a value sees in one step, in cells: along the vertical and along each horizontal axis."""

    vertical: int = 5
    horizontal: int = 2


def ocean_regression(
    layout: Layout,
    thickness: np.ndarray,
    wet: Mapping[str, np.ndarray],
    *,
    reach: Reach = Reach(),
    barotropic: bool = True,
    ridge: float = 1e-2,
    modes_ridge: float = 1e-2,
    periodic: bool = False,
) -> Regression:
    """The regression for states of `layout` [k, j, i] with levels of `thickness` [k]; `wet` masks by field.

    Without `barotropic` the fast mode is left to the local regressions, which cannot know it.
    """
    depth_means = _depth_means(layout, thickness)
    pressures = tuple(sum_above(layout, name, thickness, f"pressure {name}") for name in TRACERS)
    level = itself(layout, LEVEL)
    modes = Modes()
    if barotropic:
        before = (level, *depth_means, *_bottom_pressures(layout, thickness))
        modes = Modes(before, tuple(d.named(f"{d.name} after") for d in (level, *depth_means)), modes_ridge)
    rising = upwelling(layout, VELOCITIES, thickness, "upwelling")
    features = (*depth_means, *pressures, rising)
    inputs = Regression.extended(layout, features, modes)
    offsets = _offsets(reach) | {derived.name: cross(1, 1) for derived in (*depth_means, *modes.after)}
    offsets |= {derived.name: cross(0, 1, 1) for derived in pressures} | {rising.name: cross(1, 0, 0)}
    stencil = grid_stencil(inputs, layout, offsets, (False, False, periodic))
    mask = layout.flat({name: np.broadcast_to(wet[name], shape) for name, shape in layout.shapes.items()}) > 0
    return Regression(stencil.of_wet_cells(mask), features, modes, ridge)


def _offsets(reach: Reach) -> dict[str, Offsets]:
    tracers = sorted({*cross(reach.vertical, reach.horizontal, reach.horizontal), *box(1, 1, 1)})
    velocities = sorted({*cross(1, 1, 1), *box(1, 0, 0)})
    return {
        **dict.fromkeys(TRACERS, tracers),
        **dict.fromkeys(VELOCITIES, velocities),
        ENERGY: cross(2, 0, 0),
        LEVEL: cross(1, 1),
    }


def _depth_means(layout: Layout, thickness: np.ndarray) -> tuple[Derived, ...]:
    return tuple(level_sum(layout, name, thickness / thickness.sum(), f"mean {name}") for name in VELOCITIES)


def _bottom_pressures(layout: Layout, thickness: np.ndarray) -> tuple[Derived, ...]:
    """Depth means of the pressure that T and S make: each level weighs on all below it."""
    middle = np.cumsum(thickness) - 0.5 * thickness
    weights = thickness * (1.0 - middle / thickness.sum())
    return tuple(level_sum(layout, name, weights, f"weight {name}") for name in TRACERS)
