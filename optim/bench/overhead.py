"""`nemo-bridge bench overhead`: what the bridge costs a model that is coupled but not asked for anything.

toy_ocean's global ocean runs so many steps by itself, and as many as the steps of a server that records nothing, in
pairs of alternating order. User and system time of the model's ranks, from their start to their end. And what the
side that waits burns of a core: the server while the model computes, the model while the server thinks.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bridge import launch, namelist, watch
from bridge.errors import BridgeError, ConfigurationError
from bridge.model import Params, Recording
from bridge.models import toy_ocean
from bridge.session import Session
from optim.bench.job import Way, answer, measured, partner, read_task
from optim.bench.report import publish
from optim.bench.timing import Figures, median_interval, setting

_TASK_PAUSE = 3
_NAMELIST = Path("examples/global/namelist_cfg")


def main(json_path: Path | None = None, quick: bool = False) -> dict[str, Any]:
    """Measure; a table to standard output, the figures to `json_path` if given."""
    pairs, steps, seconds = (1, 20, 1.0) if quick else (24, 480, 10.0)
    configuration = _NAMELIST if _NAMELIST.is_file() else Path(__file__).parents[2] / _NAMELIST
    if not configuration.is_file():
        raise ConfigurationError(f"{_NAMELIST} not found: run this from a checkout of nemo-bridge")
    with tempfile.TemporaryDirectory(prefix="nemo-bridge-bench-") as folder:
        figures = overhead(configuration, Path(folder), pairs, steps)
    for transport in ("mpi", "ipc"):
        prefix = "" if transport == "mpi" else "zmq_"
        found = measured("optim.bench.overhead", partner(16, 16, 2), Way(transport), {"seconds": seconds})
        figures |= {f"{prefix}{name}": value for name, value in found.items()}
    return publish(
        {"figures": figures, "setting": setting(pairs=pairs, steps=steps, ranks=1)}, "overhead", json_path
    )


def overhead(configuration: Path, folder: Path, pairs: int, steps: int) -> Figures:
    """Coupled over alone, minus 1: median of the pairs' ratios with its 95 % interval."""
    values = toy_ocean.read_namelist(configuration)
    changes: Params = {
        "namrun": {"nn_itend": steps, "nn_write": 0, "nn_stock": -1},
        "namdom": {"ln_meshmask": False},
    }
    toy_ocean.prepare(folder, namelist.apply(values, changes), configuration.parent)
    ratios: list[float] = []
    alone: list[float] = []
    coupled: list[float] = []
    for pair in range(pairs):
        for is_coupled in (True, False) if pair % 2 else (False, True):
            (coupled if is_coupled else alone).append(_cpu_seconds(folder, is_coupled, steps))
        ratios.append(coupled[-1] / alone[-1])
    median, low, high = median_interval(ratios)
    return {
        "coupled_cpu_overhead": median - 1.0,
        "coupled_cpu_overhead_low": low - 1.0,
        "coupled_cpu_overhead_high": high - 1.0,
        "alone_cpu_seconds": min(alone),
        "coupled_cpu_seconds": min(coupled),
    }


def _cpu_seconds(folder: Path, coupled: bool, steps: int) -> float:
    """User and system time of the model's rank."""
    file = folder / "cpu_seconds"
    file.unlink(missing_ok=True)
    model = [sys.executable, "-m", "optim.bench.cpu_time", str(file), *toy_ocean.argv()]
    job = launch.Job((launch.Program(model, 1, folder, folder / launch.MODEL_LOG),))
    if coupled:
        server = [sys.executable, "-m", "optim.bench.overhead", str(steps)]
        job = launch.server_and_models(server, model, 1, [folder])
    if watch.run(job):
        raise BridgeError("a run of toy_ocean failed")
    return sum(float(line) for line in file.read_text().split())


def serve_steps(steps: int) -> None:
    """The server of a coupled run."""
    with Session.over_mpi() as session:
        session.advance(steps, Recording(()))


def serve_waits(folder: Path) -> None:
    """The server of the waits: for a model that computes, then beside a model that waits."""
    task = read_task(folder)
    seconds = task["seconds"]
    if task["way"]["transport"] == "mpi":
        session = Session.over_mpi(timeout=60.0)
    else:
        session = Session.over_zmq(os.environ["NEMO_BRIDGE_ENDPOINT"], timeout=60.0)
    with session:
        session.set({"bench/task": _TASK_PAUSE, "bench/pause": seconds})
        before = time.process_time()
        session.advance(1, Recording(()))
        server = (time.process_time() - before) / seconds
        session.set({"bench/task": 0})
        model = -_cpu_of_model(session)
        time.sleep(seconds)
        model = (model + _cpu_of_model(session)) / seconds
    fractions = {"idle_core_fraction_server": server, "idle_core_fraction_model": model}
    answer(folder, {"idle_core_fraction": max(fractions.values()), **fractions})


def _cpu_of_model(session: Session) -> float:
    """The model's own clock of its user and system time [s], at the end of a step."""
    session.advance(1, Recording(()))
    return float(session.get("bench/cpu_seconds"))


if __name__ == "__main__":
    if sys.argv[1].isdigit():
        serve_steps(int(sys.argv[1]))
    else:
        serve_waits(Path(sys.argv[1]))
