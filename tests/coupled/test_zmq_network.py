"""A network that breaks or stalls for a moment costs nothing but time; one that stays away is named."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

# Large fields recorded at each step: something is on its way whenever the line is cut.
SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from bridge import Recording
from bridge.session import Session

folder, endpoint = Path(sys.argv[1]), sys.argv[2]
with Session.over_zmq(endpoint, timeout=60) as session:
    rng = np.random.default_rng(2)
    start = session.snapshot()
    sums = []
    for repetition in range(4):
        session.set({"namsw/depth": 100 + rng.uniform(0, 20, (300, 400))})
        run = session.run({}, start, 8, Recording(("zos", "ub", "vb"), 1))
        sums += [values.view(np.int64).sum() for values in run.fields.values()]
    np.savez(folder / "out.npz", sums=np.array(sums), **run.fields, depth=session.get("namsw/depth"))
"""
MODEL = ("0", "400", "300")


class Line:
    """A TCP line that can be cut after so many bytes (and is whole again `pause` s later), or that stalls once."""

    def __init__(self, port: int, cuts: tuple[int, ...] = (), pause: float = 0.3, stall: float = 0.0) -> None:
        self.port, self.cuts, self.pause, self.stall = port, list(cuts), pause, stall
        self.bytes, self.times_cut = 0, 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.entrance = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near = self._listener.accept()[0]
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                near.close()
                continue
            self._open += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    self.bytes += len(data)
                    if self.cuts and self.bytes > self.cuts[0]:
                        self._cut()
                        return
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def _cut(self) -> None:
        """What is on its way is lost; nobody gets through for a while."""
        self.cuts.pop(0)
        self.times_cut += 1
        if self.stall:
            time.sleep(self.stall)  # holding the lock: both directions stand still
            return
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()
        time.sleep(self.pause)

    def close(self) -> None:
        self._listener.close()
        for end in self._open:
            end.close()


@pytest.fixture
def through(meet) -> Iterator:
    """`through(cuts=…)`: run both jobs with a bad line between them; their ends, the results and the line."""
    lines: list[Line] = []

    def run(patience: float = 6, **bad):
        # all that is exchanged goes over the line
        pair = meet("tcp", NEMO_BRIDGE_PATIENCE=str(patience), NEMO_BRIDGE_SHARED_MEMORY="off")
        line = Line(int(pair.endpoint.rpartition(":")[2]), **bad)
        lines.append(line)
        with (
            pair.server(SCRIPT) as server,
            pair.model(2, arguments=MODEL, NEMO_BRIDGE_ENDPOINT=f"tcp://127.0.0.1:{line.entrance}") as model,
        ):
            ends = pair.jobs.ended(server), pair.jobs.ended(model)
        file = pair.jobs.directory / "out.npz"
        return *ends, dict(np.load(file)) if file.exists() else {}, line

    yield run
    for line in lines:
        line.close()


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"cuts": (100_000, 9_000_000, 20_000_000, 20_500_000, 55_000_000)}, id="cut"),
        pytest.param({"cuts": (20_000_000,), "stall": 1.5}, id="stalled"),
    ],
)
def test_short_loss_of_the_network_changes_no_bit(through, bad: dict) -> None:
    server, model, whole, _ = through()
    assert server.code == 0 and model.code == 0, server.output + model.output
    server, model, results, line = through(**bad)
    assert server.code == 0 and model.code == 0, server.output + model.output
    assert line.times_cut == len(bad["cuts"])
    assert results.keys() == whole.keys()
    for name, values in whole.items():
        assert np.array_equal(values, results[name]), name


@pytest.mark.fault
@pytest.mark.parametrize(
    ("case", "bad"),
    [
        ("half-written message: the line is cut inside of it, for good", {"pause": 600.0}),
        ("network stalls for good (patience 4 s)", {"stall": 600.0}),
    ],
    ids=["cut", "stalled"],
)
def test_long_loss_of_the_network_ends_both_sides(through, fault, case: str, bad: dict) -> None:
    server, model, _, _ = through(patience=4, cuts=(9_000_000,), **bad)
    assert server.code == 1 and model.code != 0, server.output + model.output
    # Each side waits equally long: either the server sees it first, or the model and the server its end.
    assert "no sign of life from" in server.output + model.output
    assert "of 2 of instance 0" in server.output
    said = next(line for line in (server.output + model.output).splitlines() if "no sign of life" in line)
    fault(case, "ZMQ", said.strip(), server)
