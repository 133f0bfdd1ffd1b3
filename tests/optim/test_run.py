"""`nemo-bridge run`: wrong options are found before the model starts."""

import subprocess
import sys
from pathlib import Path

import pytest


def run(folder: Path, *options: str) -> subprocess.CompletedProcess:
    (folder / "namelist_cfg").write_text("&namcfg\n cn_cfg = 'gyre'\n/\n")
    command = [sys.executable, "-m", "optim.cli", "run", "namelist_cfg", "--directory", "run", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--days", "nan"), "--days and --years should be finite, got nan"),
        (("--years", "inf"), "--days and --years should be finite, got inf"),
        (("--days", "1e300"), "the run should have 1 to 2147483647 steps"),
        (
            ("--days", "1", "--restart", "namelist_cfg/restart.nc"),
            "namelist_cfg/restart.nc: its folder cannot",
        ),
        (("--days", "1", "--restart", "."), "this file cannot be written"),
        (("--days", "1", "--record", "tos", "--output", "."), "this file cannot be written"),
        (("--steps", "2", "--record", "tos", "--every", "3"), "nothing would be recorded in 2 steps"),
        (("--steps", "2", "--transport", "zmq"), "--transport zmq belongs to --record"),
        (("--steps", "2", "--record", "tos", "--serve-only"), "--serve-only belongs to --transport zmq"),
    ],
)
def test_wrong_options_are_found_before_the_model_starts(
    tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    done = run(tmp_path, *options)
    assert done.returncode == 2
    assert words in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
