"""How long a field takes between Fortran and Python, beside bare MPI messages of the same bytes.

Ours: `Session.set` + `Session.get`, i.e. from and into Fortran arrays with halos, into and from the rank's tile of a
global array, with the library's requests, answers and patient waits. Bare: blocking MPI send and receive of
contiguous buffers allocated beforehand. Both in one job with one launcher's settings, alternating in short bursts.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bridge import watch
from bridge.errors import BridgeError
from bridge.model import Recording
from bridge.models.toy_ocean import executable
from bridge.session import Session

_SERVER_RANK_OF_MODEL = 1
_TAG = 7
_SETTINGS = ("OMPI_MCA_btl", "OMPI_MCA_pml", "OMPI_MCA_mpi_", "OMPI_MCA_hwloc")


def main(json_path: Path | str | None = None) -> dict[str, Any]:
    """Run the benchmark in an MPI job of its own; figures to `json_path` if given, and to standard output."""
    with tempfile.TemporaryDirectory(prefix="nemo-bridge-bench-") as folder:
        result_file = Path(folder) / "figures.json"
        server = _pinned([sys.executable, "-m", "optim.bench.exchange", str(result_file)], 0)
        model = _pinned([str(executable("exchange_partner"))], 1)
        code = watch.run_job(server, model, 1, Path(folder))
        if code:
            raise BridgeError(f"the benchmark's MPI job failed with exit code {code}")
        result = json.loads(result_file.read_text())
    if json_path is not None:
        Path(json_path).write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return result


def _pinned(argv: list[str], position: int) -> list[str]:
    """The command on a core of its own where that is possible: best times must not depend on who sits where."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or shutil.which("taskset") is None:
        return argv
    return ["taskset", "-c", str(cores[position]), *argv]


def serve(result_file: Path) -> None:
    """The server's part, as rank 0 of the job."""
    with Session.over_mpi(timeout=60.0) as session:
        figures = {
            **_compare(session, "plane", "2d", bursts=60, repeats=25),
            **_compare(session, "volume", "3d", bursts=16, repeats=4),
            "control_us": 1e6 * min(_times(lambda: session.get("bench/repeats"), 500)),
        }
    setting = {
        "shape_2d": [332, 362],
        "shape_3d": [75, 332, 362],
        "model_ranks": 1,
        "cores": os.cpu_count(),
        "pinned_to": sorted(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
        "mpi": _mpi_version(),
        "launcher": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith("OMPI_MCA_")
        },
        "times": "one way: mean of a write and a read, half of a bare round trip; ratio of the best of many",
    }
    result_file.write_text(json.dumps({"figures": figures, "setting": setting}))


def _compare(session: Session, name: str, label: str, bursts: int, repeats: int) -> dict[str, float]:
    """One-way times in microseconds, ours and bare, in alternating bursts, and their ratio."""
    entry = session.registration.entry(name)
    levels = int(np.prod(entry.shape[:-2], dtype=int))
    outgoing, incoming = np.ones(entry.shape), np.ones(entry.shape)
    written: list[float] = []
    read: list[float] = []
    bare: list[float] = []
    session.set({"bench/repeats": repeats, "bench/levels": levels})
    for _ in range(bursts):
        for _ in range(repeats):
            written += _times(lambda: session.set({name: outgoing}), 1)
            read += _times(lambda: session.get(name, out=incoming), 1)
        session.advance(
            1, Recording(()), meanwhile=lambda: bare.extend(_bare_times(outgoing, incoming, repeats))
        )
    best = 0.5e6 * (min(written) + min(read))
    median = 0.5e6 * float(np.median(written) + np.median(read))
    bare_best, bare_median = 0.5e6 * min(bare), 0.5e6 * float(np.median(bare))
    return {
        f"mpi_{label}_ratio_1rank": best / bare_best,
        f"mpi_{label}_median_ratio_1rank": median / bare_median,
        f"mpi_{label}_best_us": best,
        f"mpi_{label}_median_us": median,
        f"mpi_{label}_write_best_us": 1e6 * min(written),
        f"mpi_{label}_read_best_us": 1e6 * min(read),
        f"bare_{label}_best_us": bare_best,
        f"bare_{label}_median_us": bare_median,
    }


def _bare_times(outgoing: np.ndarray, incoming: np.ndarray, repeats: int) -> list[float]:
    from mpi4py import MPI

    def round_trip() -> None:
        MPI.COMM_WORLD.Send(outgoing, _SERVER_RANK_OF_MODEL, _TAG)
        MPI.COMM_WORLD.Recv(incoming, _SERVER_RANK_OF_MODEL, _TAG)

    return _times(round_trip, repeats)


def _times(action: Callable[[], Any], repeats: int) -> list[float]:
    """Seconds of each of `repeats` calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return times


def _mpi_version() -> str:
    from mpi4py import MPI

    return MPI.Get_library_version().split(",")[0].strip()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
