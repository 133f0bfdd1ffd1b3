"""The jobs that are measured: a server script of this package and a model, in one MPI job or meeting over ZMQ."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bridge import launch, watch
from bridge.errors import BridgeError
from bridge.models.toy_ocean import executable

#: environment variable: "off" makes all values travel in messages
SHARED_MEMORY = "NEMO_BRIDGE_SHARED_MEMORY"
#: environment variable: where the server is met over ZMQ
ENDPOINT = "NEMO_BRIDGE_ENDPOINT"


@dataclass(frozen=True)
class Way:
    """How server and model are connected: "mpi", "ipc" or "tcp"; with shared memory where it is there, or without."""

    transport: str
    shared_memory: bool = True
    ranks: int = 1

    @property
    def is_default(self) -> bool:
        """Is it the way that values take when nobody says otherwise?"""
        return self.shared_memory

    def label(self) -> str:
        """For people."""
        return f"{self.transport}{', shared memory' if self.shared_memory else ''}"


def partner(nx: int, ny: int, nz: int, value_bytes: int = 8) -> list[str]:
    """Command line of the model that is measured against (`fortran_stubs/bench`)."""
    return [str(executable("exchange_partner")), *(str(n) for n in (nx, ny, nz, value_bytes))]


def measured(module: str, model: Sequence[str], way: Way, task: dict[str, Any]) -> Any:
    """Run `module` as the server of `model`, `way` being the way; what it `answer`ed.

    The server finds `task` with `read_task`. BridgeError if a part of the job fails.
    """
    with tempfile.TemporaryDirectory(prefix="nemo-bridge-bench-") as name:
        folder = Path(name)
        (folder / "task.json").write_text(json.dumps({**task, "way": vars(way)}))
        server = pinned([sys.executable, "-m", module, str(folder)], 0)
        switch = {SHARED_MEMORY: "on" if way.shared_memory else "off"}
        # Several ranks share what cores there are: where each of them sits is up to the system.
        model = pinned(list(model), 1) if way.ranks == 1 else list(model)
        if way.transport == "mpi":
            code = _run(launch.server_and_models(server, model, way.ranks, [folder]), switch)
        else:
            code = _over_zmq(server, model, way, folder, switch)
        if code:
            raise BridgeError(f"the job of the benchmark ({way.label()}) failed with exit code {code}")
        return json.loads((folder / "answer.json").read_text())


def _run(job: launch.Job, environment: dict[str, str]) -> int:
    return watch.run(replace(job, environment={**job.environment, **environment}))


def _over_zmq(
    server: Sequence[str], model: Sequence[str], way: Way, folder: Path, switch: dict[str, str]
) -> int:
    """A server process, and the model in an MPI job of its own; the first code that is not zero."""
    meeting = f"ipc://{folder}/meet" if way.transport == "ipc" else f"tcp://127.0.0.1:{free_port()}"
    environment = launch.mpi_environment(2) | switch | {ENDPOINT: meeting}
    with subprocess.Popen(server, env=environment) as process:
        try:
            code = _run(launch.model_over_zmq(model, way.ranks, folder, meeting), switch)
            return code or process.wait(timeout=60)
        finally:
            process.kill()


def read_task(folder: Path) -> dict[str, Any]:
    """What the server is to do."""
    return json.loads((folder / "task.json").read_text())


def answer(folder: Path, found: Any) -> None:
    """Leave what the server has found."""
    (folder / "answer.json").write_text(json.dumps(found))


def pinned(argv: list[str], position: int) -> list[str]:
    """The command on a core of its own where that is possible: best times must not depend on who sits where."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or shutil.which("taskset") is None:
        return argv
    return ["taskset", "-c", str(cores[position]), *argv]


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
