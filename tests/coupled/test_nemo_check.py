"""`nemo-bridge nemo check` with executables that do not answer: a message, the code of a failed model, and an end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("program", "said"),
    [("exit 0", "in 1 s"), ("exit 123", "ocean.output: E R R O R"), ("exec sleep 600", "in 1 s")],
    ids=["never starts MPI", "stops", "hangs"],
)
def test_executable_that_does_not_answer_is_a_failed_model(tmp_path: Path, program: str, said: str) -> None:
    folder = tmp_path / "EXP00"
    folder.mkdir()
    for name in ("namelist_cfg", "namelist_ref"):
        (folder / name).write_text("&namrun\n/\n")
    exe = tmp_path / "nemo.exe"
    exe.write_text(f"#!/bin/sh\necho 'E R R O R: a wrong entry' > ocean.output\n{program}\n")
    exe.chmod(0o755)
    command = [
        sys.executable,
        "-m",
        "optim.cli",
        "nemo",
        "check",
        "--exe",
        str(exe),
        "--directory",
        str(folder),
    ]
    done = subprocess.run([*command, "--timeout", "1"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 4, done.stderr
    assert "the executable did not answer: was it compiled after `nemo-bridge nemo install`" in done.stderr
    assert said in done.stderr.replace("\n", ": ") and "Traceback" not in done.stderr
