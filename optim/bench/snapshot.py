"""`nemo-bridge bench snapshot`: remembering and restoring a 3-D state, beside memcpy of the same bytes.

The copies are made by the model's own process, in the same run, alternating with ours. Fraction: memcpy's time over
ours, so 1 is as fast as memory allows. The first snapshot gets fresh memory from the system, later ones what dropped
snapshots left.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bridge.model import Recording
from bridge.session import Session
from optim.bench.job import Way, answer, measured, partner, read_task
from optim.bench.report import publish
from optim.bench.timing import Figures, best_and_median, ratio, seconds_of, setting

_TASK_COPIES = 2
_COPIES = 4  # in each burst


def main(json_path: Path | None = None, quick: bool = False) -> dict[str, Any]:
    """Measure; a table to standard output, the figures to `json_path` if given."""
    task = {"bursts": 2 if quick else 50}
    figures = measured("optim.bench.snapshot", partner(362, 332, 75), Way("mpi"), task)
    return publish({"figures": figures, "setting": setting(bytes=8 * 364 * 334 * 75)}, "snapshot", json_path)


def serve(folder: Path) -> None:
    """The server's part."""
    taken: list[float] = []
    restored: list[float] = []
    copied: list[float] = []
    with Session.over_mpi(timeout=60.0) as session:
        start = session.snapshot()
        for _ in range(read_task(folder)["bursts"]):
            for _ in range(_COPIES):
                taken += seconds_of(lambda: session.drop(session.snapshot()), 1)
                restored += seconds_of(lambda: session.restore(start), 1)
            copied += _copies(session)
    answer(folder, _figures(taken, restored, copied))


def _copies(session: Session) -> list[float]:
    session.set({"bench/task": _TASK_COPIES, "bench/repeats": _COPIES})
    session.advance(1, Recording(()))
    session.set({"bench/task": 0})
    return session.get("bench/times")[:_COPIES].tolist()


def _figures(taken: list[float], restored: list[float], copied: list[float]) -> Figures:
    return {
        **ratio("snapshot_memcpy_fraction", [copied], taken[1:]),
        **ratio("restore_memcpy_fraction", [copied], restored),
        "first_snapshot_memcpy_fraction": min(copied) / taken[0],
        **best_and_median("snapshot_ms", taken[1:], 1e3),
        **best_and_median("restore_ms", restored, 1e3),
        **best_and_median("memcpy_ms", copied, 1e3),
    }


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
