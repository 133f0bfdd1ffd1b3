"""Our step beside stock VEROS, each in a process of its own, with nothing substituted in stock VEROS but the solver.

What is compared is the arithmetic. XLA rearranges it: its algebraic simplifier turns a/b/c into a/(b·c) where it sees
both divisions, and multiply-add is fused or not, as the cut into programs has it. So both are off, on both sides.

    python -m optim.bench.veros.parity acc 10 ours.npz          # our step, as emulator.veros.stock does VEROS's
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

#: XLA's flags for arithmetic as the program has it: no fused multiply-add, no algebraic simplification
AS_WRITTEN = "--xla_cpu_max_isa=AVX --xla_disable_hlo_passes=algsimp"


def forward_parity(setup: str, steps: int, directory: Path, flags: str = AS_WRITTEN) -> dict[str, float]:
    """{field: largest difference over its largest value} after `steps` steps of `setup` from rest.

    `flags` are XLA's in both processes. A tendency that is the rounding of its field (salinity, where it is the same
    everywhere) is left out.
    """
    stock, ours = directory / f"stock_{setup}_{steps}.npz", directory / f"ours_{setup}_{steps}.npz"
    environment = {**os.environ, "XLA_FLAGS": flags}
    with ThreadPoolExecutor() as both:
        for done in [
            both.submit(_run, module, setup, steps, file, environment)
            for module, file in (("emulator.veros.stock", stock), ("optim.bench.veros.parity", ours))
        ]:
            done.result()
    with np.load(stock) as theirs, np.load(ours) as own:
        fields = {name: theirs[name] for name in theirs}
        time_step = float(own["time_step"])
        return {
            name: _difference(own[name], values)
            for name, values in fields.items()
            if not _is_rounding(name, fields, time_step)
        }


def _run(module: str, setup: str, steps: int, file: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", module, setup, str(steps), str(file)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[3], env=environment)


def _is_rounding(name: str, fields: dict[str, np.ndarray], time_step: float) -> bool:
    """Whether `name` is a tendency that changes its field by less than rounding in a step."""
    whole = fields.get(name.removeprefix("d"))
    if whole is None or not name.startswith("d"):
        return False
    return float(np.abs(fields[name]).max()) * time_step < 1e-12 * float(np.abs(whole).max())


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference over the largest value of `theirs`."""
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), np.finfo(float).tiny))


def main(setup: str, steps: str, output: str) -> None:
    """Run our compiled step from rest and write its state and the length of a step in s."""
    from emulator.veros_model import veros_model

    model = veros_model(setup)
    state = model.initial_state()
    for _ in range(int(steps)):
        state = model.compiled_step(state, model.params())
    np.savez(output, time_step=model.time_step, **state)


if __name__ == "__main__":
    main(*sys.argv[1:])
