"""Our step beside stock VEROS, which runs in a process of its own with nothing substituted but the solver."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from emulator.veros.model import VerosModel


def forward_parity(
    model: VerosModel, steps: int, directory: Path, own_solver: bool = False
) -> dict[str, float]:
    """{field: largest difference over its largest value} after `steps` steps from the state as set up.

    Stock VEROS uses our direct solver, or its `own_solver`. A tendency that is the rounding of its field (salinity,
    where it is the same everywhere) is left out.
    """
    file = directory / f"stock_{model.name}_{steps}.npz"
    command = [sys.executable, "-m", "emulator.veros.stock", model.name, str(steps), str(file)]
    command += ["--own-solver"] * own_solver
    subprocess.run(command, check=True, cwd=Path(__file__).parents[3])
    state = model.initial_state()
    for _ in range(steps):
        state = model.compiled_step(state, model.params())
    with np.load(file) as stock:
        fields = {name: stock[name] for name in stock}
    return {
        name: _difference(np.asarray(state[name]), theirs)
        for name, theirs in fields.items()
        if not _is_rounding(name, fields, model.time_step)
    }


def _is_rounding(name: str, fields: dict[str, np.ndarray], time_step: float) -> bool:
    """Whether `name` is a tendency that changes its field by less than rounding in a step."""
    whole = fields.get(name.removeprefix("d"))
    if whole is None or not name.startswith("d"):
        return False
    return float(np.abs(fields[name]).max()) * time_step < 1e-12 * float(np.abs(whole).max())


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference over the largest value of `theirs`."""
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), np.finfo(float).tiny))
