"""`nemo-bridge nemo check`: one MPI job of NEMO and a server that asks it who it is."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bridge.errors import ConfigurationError
from bridge.launch import Job, Program
from bridge.models.nemo import run_directory
from bridge.protocol import Role
from bridge.session import Session
from bridge.watch import run


def run_check(exe: Path, directory: Path, ranks: int, timeout: float) -> int:
    """Start `exe` in a copy of `directory` with a server beside it; exit code of the job.

    NEMO computes one step. Nothing is written into `directory`.
    """
    if not exe.is_file():
        raise ConfigurationError(f"{exe}: no such executable")
    with tempfile.TemporaryDirectory(prefix="nemo-bridge-check-") as folder:
        run_directory.prepare(Path(folder), directory.resolve())
        server = Program([sys.executable, "-m", "optim.cli.nemo_check", str(timeout)])
        model = Program([str(exe.resolve())], ranks, Path(folder), Path(folder) / "model.log")
        return run(Job((server, model), {"NEMO_BRIDGE_SERVER": "required"}))


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


if __name__ == "__main__":
    _serve(float(sys.argv[1]))
