"""`nemo-bridge bench exchange`: how long fields take between Fortran and Python, beside bare messages.

Each case is a way (MPI, ZMQ over ipc or tcp; values in shared memory or in messages), a number of model ranks and a
size. Ours and the reference alternate in one job (`exchange_server`); ratios are of one-way times, best of many.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bridge.north_fold import Edges, fill_halo
from optim.bench.job import Way, measured, partner
from optim.bench.report import publish
from optim.bench.timing import Figures, best_and_median, seconds_of, setting

_SERVER = "optim.bench.exchange_server"
_ORCA1 = (362, 332, 75)
_ORCA025 = (1442, 1207, 75)
_LARGE_BYTES = 4 * 1442 * 1207 * 75
#: entry of exchange_partner -> what figures call its size
_LABELS = {"line": "1k", "plane": "2d", "volume": "3d"}


def main(json_path: Path | None = None, quick: bool = False) -> dict[str, Any]:
    """Measure; a table to standard output, all figures to `json_path` if given."""
    cases: list[dict[str, Any]] = []
    figures: Figures = {}
    for way in _ways(quick):
        found = measured(_SERVER, partner(*_ORCA1), way, _task(way, quick))
        for name, label in _LABELS.items():
            cases.append({**vars(way), "size": label, **found[name]})
            figures |= _named(way, label, found[name])
        figures |= _named_waits(way, found)
    notes = []
    if not quick:
        note = _large(cases)
        notes += [note] if note else []
    figures |= halo()
    result = {"figures": figures, "cases": cases, "notes": notes, "setting": setting(mpi=mpi_version())}
    return publish(result, "exchange", json_path)


def halo() -> Figures:
    """Filling the halo of a 3-D field in place, one cell wide, periodic and with a north fold."""
    nx, ny, nz = _ORCA1
    wide = np.ones((nz, ny + 2, nx + 2))
    edges = Edges(periodic_i=True, fold="F")
    times = seconds_of(lambda: fill_halo(wide, edges, "U", 1, -1.0), 200)
    return best_and_median("halo_3d_milliseconds", times, 1e3)


def _ways(quick: bool) -> Iterator[Way]:
    transports = ("mpi", "ipc") if quick else ("mpi", "ipc", "tcp")
    for transport in transports:
        for ranks in (1, 4) if quick else (1, 2, 4):
            if quick and transport != "mpi" and ranks > 1:
                continue
            for shared_memory in (True, False):
                yield Way(transport, shared_memory, ranks)


def _task(way: Way, quick: bool) -> dict[str, Any]:
    """Bursts and repetitions in each. ZMQ is slow with 3-D fields: 200 repetitions with one rank only."""
    waits = _has_named_waits(way)
    if quick:
        sizes = {"line": [2, 5], "plane": [2, 5], "volume": [1, 2]}
        return {"sizes": sizes, "control": [2, 5] if waits else None, "wakes": int(waits)}
    volume = [50, 4] if way.transport == "mpi" or way.ranks == 1 else [15, 4]
    sizes = {"line": [40, 25], "plane": [60, 25], "volume": volume}
    return {"sizes": sizes, "control": [40, 25] if waits else None, "wakes": 10 * waits}


def _large(cases: list[dict[str, Any]]) -> str:
    """ORCA025's 3-D field in float32, ten times; or why not."""
    available = _available_bytes()
    needed = 8 * _LARGE_BYTES  # two arrays here, one there, both buffers of the reference, and what MPI keeps
    if available < needed:
        return (
            f"1442x1207x75 in float32 left out: it needs about {needed / 1e9:.0f} GB of memory, "
            f"there are {available / 1e9:.1f}"
        )
    for way in (Way("mpi"), Way("mpi", False), Way("ipc"), Way("ipc", False)):
        task = {"sizes": {"volume": [5, 2]}, "control": None, "wakes": 0}
        found = measured(_SERVER, partner(*_ORCA025, 4), way, task)
        cases.append({**vars(way), "size": "3d ORCA025 float32", **found["volume"]})
    return ""


def _named(way: Way, label: str, found: Figures) -> Figures:
    """The figures that have names of their own, as mpi_2d_ratio_1rank and zmq_2d_ratio (over ipc).

    Short names are of the way that values take by default.
    """
    ranks = f"_{way.ranks}rank{'s' if way.ranks > 1 else ''}"
    if way.transport == "mpi":
        name = f"mpi_{label}_ratio{ranks}"
    else:
        kind = "zmq" if way.transport == "ipc" else "zmq_tcp"
        name = f"{kind}_{label}_ratio{ranks if way.ranks > 1 else ''}"
    if not way.is_default:
        name += "_shared_memory" if way.shared_memory else "_messages"
    return {name: found["ratio"], f"{name}_median": found["ratio_median"]}


def _named_waits(way: Way, found: dict[str, Figures]) -> Figures:
    """The control message, and the wake-up of the side that takes longer to wake."""
    if not _has_named_waits(way):
        return {}
    prefix = "" if way.transport == "mpi" else "zmq_"
    control, wake = found["control"], found["wake"]
    figures = {f"{prefix}control_message_us": control["control_us"]}
    for suffix in ("", "_median"):
        figures[f"{prefix}control_message_ratio{suffix}"] = control[f"control_ratio{suffix}"]
    for suffix in ("", "_median", "_worst"):
        sides = wake[f"wake_model_ms{suffix}"], wake[f"wake_server_ms{suffix}"]
        figures[f"{prefix}wake_latency_ms{suffix}"] = max(sides)
    return figures


def _has_named_waits(way: Way) -> bool:
    """Waits do not depend on where values travel, and are measured with one rank."""
    return way.ranks == 1 and way.is_default and way.transport != "tcp"


def _available_bytes() -> int:
    with open("/proc/meminfo", encoding="utf-8") as stream:
        return next(1024 * int(line.split()[1]) for line in stream if line.startswith("MemAvailable"))


def mpi_version() -> str:
    """Name and version of the MPI library, without starting MPI."""
    import mpi4py

    mpi4py.rc.initialize = False
    from mpi4py import MPI

    return MPI.Get_library_version().split(",")[0].strip()
