"""Which observations a control can reach within a window, and which controls can therefore share a run.

What happens in a cell is felt within `reach` cells of it, diagonals included, while the window is short: mixing, drag
and eddy coefficients act in their columns, and advection and waves carry the answer some cells on. A number that holds
everywhere reaches everything. Controls that no observation sees together may be perturbed in one run: columns of a
sparse Jacobian in groups (Curtis, Powell and Reid 1974, J. Inst. Math. Appl. 13, 117), the groups by colouring (Coleman
and Moré 1983, SIAM J. Numer. Anal. 20, 187).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_cdt

from bridge.model import Grid
from bridge.north_fold import extend
from optim.control import Control, ControlVector
from optim.cost import Cost, Observations
from optim.forward import Forward
from optim.patches import PatchControl


def pattern(cost: Cost, controls: ControlVector, grid: Grid, reach: int) -> np.ndarray:
    """True where an observation is within reach of a control, [m, P]."""
    near = np.array(
        [
            distance_from(control.footprint(), grid) <= reach
            if isinstance(control, PatchControl)
            else np.ones((grid.ny, grid.nx), dtype=bool)
            for control in controls.controls
        ]
    ).reshape(len(controls), -1)
    return np.concatenate([_seen(block, near) for block in cost.blocks])


def distance_from(footprint: np.ndarray, grid: Grid) -> np.ndarray:
    """Cells [j, i] from the True ones, diagonal steps counting as one; across the grid's seam and north fold too."""
    halo = max(1, min(footprint.shape) // 2)
    wide = extend(footprint, grid.edges, "T", halo)
    distance = distance_transform_cdt(~wide, metric="chessboard")
    return distance[halo:-halo, halo:-halo]


def groups(seen: np.ndarray) -> list[np.ndarray]:
    """Controls in groups of which no observation sees two, from a pattern [m, P]; each the numbers of its members.

    Greedy in the order of the controls, which on rows and columns of like patches gives the fewest groups.
    """
    together = seen.T.astype(np.float32) @ seen.astype(np.float32) > 0.0
    colour = np.full(len(together), -1)
    for number, others in enumerate(together):
        taken = set(colour[:number][others[:number]])
        colour[number] = next(c for c in range(number + 1) if c not in taken)
    return [np.flatnonzero(colour == c) for c in range(colour.max() + 1)]


@dataclass(frozen=True)
class Spread:
    """How far the response to one patch is felt: share beyond 0, 1, 2, … cells, of the norm of the misfit's change."""

    name: str
    beyond: tuple[float, ...]

    def __str__(self) -> str:
        """For a terminal."""
        shares = ", ".join(f"{cells}: {share:.2%}" for cells, share in enumerate(self.beyond))
        return f"response to {self.name} that is felt beyond so many cells: {shares}"


def response_by_distance(forward: Forward, x: np.ndarray, step: float, most: int = 8) -> list[Spread]:
    """The spread of the response to the middle patch of each map: a run at x, and one for each map with `step` there.

    A run that fails is left out.
    """
    grid, controls = forward.model.describe().grid, forward.controls.controls
    found = []
    for middle in _middle_patches(controls):
        end = np.array(x)
        end[middle] += step
        here, there = forward.observe(x).misfit, forward.observe(forward.controls.project(end)).misfit
        if here is None or there is None:
            continue
        patch = controls[middle]
        assert isinstance(patch, PatchControl)
        distance = distance_from(patch.footprint(), grid)
        energy, whole = (there - here) ** 2, float(np.sum((there - here) ** 2))
        near = [
            np.concatenate(
                [_seen(block, (distance <= cells).reshape(1, -1)) for block in forward.cost.blocks]
            )
            for cells in range(most + 1)
        ]
        shares = [float(np.sqrt(np.sum(energy[~seen[:, 0]]) / whole)) if whole else 0.0 for seen in near]
        found.append(Spread(patch.name, tuple(shares)))
    return found


def _middle_patches(controls: Sequence[Control]) -> list[int]:
    """Number of the middle patch of each map."""
    by_map: dict[tuple[str, str], list[int]] = {}
    for number, control in enumerate(controls):
        if isinstance(control, PatchControl):
            by_map.setdefault((control.group, control.entry), []).append(number)
    return [
        min(numbers, key=lambda n: _off_centre(controls[n]))  # type: ignore[arg-type]
        for numbers in by_map.values()
    ]


def _off_centre(patch: PatchControl) -> float:
    """Distance of a patch from the middle of the grid, in cells."""
    south, north, west, east = patch.box
    return float(np.hypot(south + north - patch.shape[0], west + east - patch.shape[1]) / 2.0)


def _seen(block: Observations, near: np.ndarray) -> np.ndarray:
    """Rows of the pattern for one block: [q·p, P] from the cells near each control, [P, j·i]."""
    operator = block.operator
    cell = operator.index % near.shape[1]
    touched = (near[:, cell] & (operator.point_weights != 0.0)).any(axis=2)
    return np.tile(touched, (1, operator.time_weights.shape[0])).T
