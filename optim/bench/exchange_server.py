"""The server's part of `nemo-bridge bench exchange`: our exchange and its reference, alternating in short bursts.

Ours: `Session.set` + `Session.get`, from and into Fortran arrays with halos, into and from tiles off the edges of a
global array, with the library's requests, answers and patient waits.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from bridge.model import Recording
from bridge.session import Session
from optim.bench.job import ENDPOINT, answer, read_task
from optim.bench.references import Reference, reference_for
from optim.bench.timing import Figures, best_and_median, ratio, seconds_of

_TASK_PAUSE = 3
_IDLE = 1.0  # s


def compare(session: Session, name: str, reference: Reference, bursts: int, repeats: int) -> Figures:
    """Writing and reading entry `name`, microseconds, beside half a round trip of the reference."""
    outgoing, incoming = session.array(name), session.array(name)
    outgoing[...] = 1
    written: list[float] = []
    read: list[float] = []
    bare: list[float] = []
    for _ in range(bursts):
        for _ in range(repeats):
            written += seconds_of(lambda: session.set({name: outgoing}), 1)
            read += seconds_of(lambda: session.get(name, out=incoming), 1)
        bare += reference.round_trips(repeats)
    reference.close()
    return {
        "repetitions": len(bare),
        **best_and_median("write_us", written, 1e6),
        **best_and_median("read_us", read, 1e6),
        **best_and_median("reference_us", bare, 0.5e6),
        **ratio("ratio", [written, read], bare),
    }


def control_message(session: Session, reference: Reference, bursts: int, repeats: int) -> Figures:
    """A number asked for, while both sides are hot, beside a round trip of two bare headers."""
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(bursts):
        ours += seconds_of(lambda: session.get("bench/repeats"), repeats)
        bare += reference.round_trips(repeats)
    reference.close()
    return {
        **best_and_median("control_us", ours, 1e6),
        **best_and_median("reference_us", bare, 1e6),
        **ratio("control_ratio", [ours], bare),
    }


def wake_latency(session: Session, times: int) -> Figures:
    """Milliseconds until a model that has waited for a second answers, and until this side hears of one.

    The worst stands beside best and median: sleeping sides are only as good as their longest nap.
    """
    model: list[float] = []
    here: list[float] = []
    for _ in range(times):
        time.sleep(_IDLE)
        model += seconds_of(lambda: session.get("bench/repeats"), 1)
    session.set({"bench/task": _TASK_PAUSE, "bench/pause": _IDLE})
    for _ in range(times):
        here += [t - _IDLE for t in seconds_of(lambda: session.advance(1, Recording(())), 1)]
    session.set({"bench/task": 0})
    return {
        **best_and_median("wake_model_ms", model, 1e3),
        "wake_model_ms_worst": 1e3 * max(model),
        **best_and_median("wake_server_ms", here, 1e3),
        "wake_server_ms_worst": 1e3 * max(here),
    }


def serve(folder: Path) -> None:
    """Do the task, answer with figures by size."""
    task = read_task(folder)
    way = task["way"]["transport"]
    found: dict[str, Any] = {}
    with session_of(way) as session:
        for name, (bursts, repeats) in task["sizes"].items():
            found[name] = compare(session, name, reference_for(session, name, way, folder), bursts, repeats)
        if task["control"]:
            bursts, repeats = task["control"]
            found["control"] = control_message(
                session, reference_for(session, None, way, folder), bursts, repeats
            )
        if task["wakes"]:
            found["wake"] = wake_latency(session, task["wakes"])
    answer(folder, found)


def session_of(transport: str) -> Session:
    """The model of this job."""
    if transport == "mpi":
        return Session.over_mpi(timeout=120.0)
    return Session.over_zmq(os.environ[ENDPOINT], timeout=120.0)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
