"""CPU time of NEMO with the bridge, but no server, against NEMO without it; same variables as `make test-nemo`.

    NEMO_EXE=… NEMO_EXE_UNPATCHED=… NEMO_RUN_DIR=… python tests/nemo/overhead.py [PAIRS [STEPS]]

Runs are interleaved, each pair in an order that alternates. User and system time of one rank; the ratio is given with
a 95 % bootstrap interval of its median, and beside it that of the executable without the bridge to itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from bridge.models.nemo import run_directory


def cpu_time(executable: Path, source: Path, steps: int) -> float:
    """Seconds of user and system time for one run."""
    first = int(run_directory.read_namelist(source).value("namrun", "nn_it000"))
    last = first + steps - 1
    with tempfile.TemporaryDirectory() as folder:
        changes = {"namrun": {"nn_itend": last, "nn_stock": last, "nn_write": -1}}
        run_directory.prepare(Path(folder), source, changes)
        started = subprocess.Popen(
            [executable], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        if started.returncode != 0:
            raise SystemExit(f"{executable} ended with {started.returncode}")
    return used.ru_utime + used.ru_stime


def median_and_interval(ratios: np.ndarray) -> str:
    """Median with its bootstrap interval."""
    samples = np.random.default_rng(0).choice(ratios, (10_000, ratios.size))
    low, high = np.percentile(np.median(samples, axis=1), [2.5, 97.5])
    return f"{np.median(ratios):.4f} [{low:.4f}, {high:.4f}]"


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    ours = run_directory.executable(Path(os.environ["NEMO_EXE"]))
    theirs = run_directory.executable(Path(os.environ["NEMO_EXE_UNPATCHED"]))
    source = Path(os.environ["NEMO_RUN_DIR"]).resolve()
    times = np.empty((pairs, 3))  # with, without, without once more
    for pair in range(pairs):
        order = [(0, ours), (1, theirs), (2, theirs)]
        for column, executable in order if pair % 2 else order[::-1]:
            times[pair, column] = cpu_time(executable, source, steps)
    print(f"{pairs} pairs of {steps} steps, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"with {np.median(times[:, 0]):.3f} s, without {np.median(times[:, 1]):.3f} s (medians)")
    print(f"with / without:    {median_and_interval(times[:, 0] / times[:, 1])}")
    print(f"without / without: {median_and_interval(times[:, 2] / times[:, 1])}")


if __name__ == "__main__":
    main()
