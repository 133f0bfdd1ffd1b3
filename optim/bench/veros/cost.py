"""What a gradient costs: time over that of a forward run, and memory against the number of steps."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optim.bench.veros.reference import loss, make

if TYPE_CHECKING:
    from emulator.veros.gradient import GradientSweep

_REPEATS = 5


def gradient_over_forward(sweep: GradientSweep, state: Any, params: Any, steps: int) -> dict[str, float]:
    """CPU time of value and gradient, and of the value alone as a user without gradient gets it: alternating runs.

    The least of them, and the median of the ratios.
    """
    calls = {
        "forward": lambda: sweep.value(state, params, [None], steps),
        "gradient": lambda: sweep.value_and_gradient(state, params, [None], steps),
    }
    for call in calls.values():
        call()
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_REPEATS):
        for name, call in calls.items():
            before = time.process_time()
            call()
            spent[name].append(time.process_time() - before)
    least = {name: min(times) for name, times in spent.items()}
    return {
        "ratio": least["gradient"] / least["forward"],
        "median_ratio": float(np.median(np.divide(spent["gradient"], spent["forward"]))),
        "forward_ms_per_step": 1e3 * least["forward"] / steps,
        "gradient_ms_per_step": 1e3 * least["gradient"] / steps,
    }


def peak_memory(setup: str, steps: int) -> dict[str, float]:
    """GB that a process of its own takes at most for one gradient over `steps` steps."""
    command = [sys.executable, "-m", "optim.bench.veros.cost", setup, str(steps)]
    answer = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[3]
    )
    return json.loads(answer.stdout.splitlines()[-1])


def _gradient_in_this_process(setup: str, steps: int) -> None:
    from emulator.veros.gradient import GradientSweep

    model = make(setup)
    sweep = GradientSweep(model, loss(model, "psi"))
    found = sweep.value_and_gradient(model.initial_state(), model.params(), [None], steps)
    print(json.dumps({"gigabytes": peak_of_this_program(), "r_bot": float(found.params["r_bot"])}))


def peak_of_this_program() -> float:
    """GB that were resident at most since this program was started.

    Linux only. Not ru_maxrss, which a program inherits from the process that started it.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kilobytes) * 1024 / 1e9


if __name__ == "__main__":
    _gradient_in_this_process(sys.argv[1], int(sys.argv[2]))
