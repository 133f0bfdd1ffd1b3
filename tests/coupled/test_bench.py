"""Each benchmark runs, and writes the figures that carry names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optim.cli.app import app

FIGURES = {
    "exchange": (
        *(f"mpi_{size}_ratio_{ranks}" for size in ("2d", "3d") for ranks in ("1rank", "4ranks")),
        *("zmq_2d_ratio", "zmq_3d_ratio", "control_message_ratio", "halo_3d_milliseconds", "wake_latency_ms"),
    ),
    "snapshot": ("snapshot_memcpy_fraction", "restore_memcpy_fraction"),
    "overhead": ("idle_core_fraction",),
}


@pytest.mark.parametrize("name", FIGURES)
def test_benchmark_writes_its_figures(name: str, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = CliRunner().invoke(app, ["bench", name, "--quick", "--json", str(file)])
    assert done.exit_code == 0, done.output
    figures = json.loads(file.read_text())["figures"]
    for figure in FIGURES[name]:
        assert figures[figure] > 0
    if name == "overhead":
        low, high = figures["coupled_cpu_overhead_low"], figures["coupled_cpu_overhead_high"]
        assert -1 < low <= figures["coupled_cpu_overhead"] <= high
