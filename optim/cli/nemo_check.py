"""`nemo-bridge nemo check`: one MPI job of NEMO and a server that asks it who it is."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bridge.errors import BridgeError, ConfigurationError, PeerTimeout
from bridge.launch import Job, Program
from bridge.models.nemo import run_directory
from bridge.protocol import Role
from bridge.session import Session
from bridge.watch import run
from optim.cli.exit_codes import MODEL_FAILED, WRONG_USE, end_rank

#: seconds beyond the time-out after which the job is ended from outside: its server has had time to say more
_GRACE = 10.0
_SILENT = (
    "the executable did not answer: was it compiled after `nemo-bridge nemo install`, with the bridge's sources in "
    "MY_SRC, and with the MPI library of this mpirun? If so, NEMO ended by itself: look for E R R O R in its log"
)


def run_check(exe: Path, directory: Path, ranks: int, timeout: float) -> int:
    """Start `exe` in a copy of `directory` with a server beside it; 0, or the code of a failed model.

    NEMO computes one step. Nothing is written into `directory`. PeerTimeout when the job has not ended in time.
    """
    if not exe.is_file():
        raise ConfigurationError(f"{exe}: no such executable")
    with tempfile.TemporaryDirectory(prefix="nemo-bridge-check-") as folder:
        run_directory.prepare(Path(folder), directory.resolve())
        server = Program([sys.executable, "-m", "optim.cli.nemo_check", str(timeout)])
        model = Program([str(exe.resolve())], ranks, Path(folder), Path(folder) / "model.log")
        job = Job((server, model), {"NEMO_BRIDGE_SERVER": "required"})
        code = run(job, _until(time.monotonic() + timeout + _GRACE, exe, timeout))
    if code in (0, WRONG_USE, 128 + signal.SIGINT, 128 + signal.SIGTERM):
        return code
    print(f"nemo-bridge: {exe}: {_SILENT}", file=sys.stderr)
    return MODEL_FAILED


def _until(deadline: float, exe: Path, timeout: float) -> Callable[[], None]:
    """Ends the job at `deadline`, also one whose programs never start MPI, so that its server cannot."""

    def look() -> None:
        if time.monotonic() > deadline:
            raise PeerTimeout(f"{exe} in {timeout:g} s: {_SILENT}")

    return look


def describe(session: Session) -> str:
    """What the model says of itself, as lines to read."""
    registration = session.registration
    nx, ny, nz = registration.global_shape
    lines = [
        f"{registration.model} {registration.version} answers",
        f"grid {nx} x {ny} x {nz}, time step {registration.time_step:g} s, at step {session.step}, "
        f"{len(registration.decomposition.tiles)} ranks",
    ]
    for title, role in (("state", Role.STATE), ("diagnostics", Role.DIAGNOSTIC), ("mesh", Role.STATIC)):
        lines.append(f"{title}: " + " ".join(entry.name for entry in registration.of_role(role)))
    lines.append("parameters:")
    for entry in registration.of_role(Role.PARAMETER):
        value = "map" if entry.shape else f"{entry.value:g}"
        lines.append(f"  {entry.name:<28} {value:>12} {'' if entry.units == '1' else entry.units}")
    return "\n".join(lines)


def _serve(timeout: float) -> None:
    from optim.cli.server import live_session

    with live_session(timeout) as session:
        print(describe(session), flush=True)


def main() -> None:
    """The server of the job. An MPI error too means that the other program knows nothing of the bridge."""
    try:
        _serve(float(sys.argv[1]))
    except BridgeError as error:
        end_rank(error)
    except Exception as error:
        end_rank(BridgeError(f"{_SILENT} ({error})"))


if __name__ == "__main__":
    main()
