"""A short tuning with toy_ocean: its experiment file, how it is started, and what it leaves behind."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

#: seconds after which a tuning counts as hung
TIMEOUT = 180
EXPERIMENT = """
title = "a short twin experiment"
budget = { model_runs = 6 }
prior = false
[model]
namelist = "namelist_cfg"
ranks = 2
timeout = 60.0
[window]
days = 1.0
every = 4
[[controls]]
group = "namzdf_tke"
entry = "rn_ediff"
lower = 0.02
upper = 0.5
prior_mean = 0.1
prior_spread = 0.05
transform = "log"
start = 0.2
[[controls]]
group = "namsbc_ssr"
entry = "rn_dqdt"
lower = -100.0
upper = -5.0
prior_mean = -40.0
prior_spread = 20.0
start = -60.0
[[observations]]
kind = "twin"
field = "tos"
sigma = 0.01
[truth]
"namzdf_tke/rn_ediff" = 0.1
"namsbc_ssr/rn_dqdt" = -40.0
[estimator]
kind = "finite-difference"
step = 0.1
[minimiser]
kind = "gauss-newton"
"""
NAMELIST = "&namcfg\n cn_cfg = 'gyre'\n/\n&namdom\n rn_Dt = 7200.\n/\n"


@dataclass(frozen=True)
class Tuning:
    """One experiment in a folder, with the programs that run it."""

    folder: Path
    mpirun: list[str]
    environment: dict[str, str]
    program: Path

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def command(self) -> list[str]:
        experiment = str(self.folder / "exp.toml")
        return [sys.executable, "-m", "optim.cli", "tune", experiment, "--directory", str(self.run)]

    def by_hand(self, ranks: int) -> list[str]:
        model = ["-wdir", str(self.run / "model"), str(self.program), "namelist_cfg"]
        return [*self.mpirun, "-n", "1", *self.command, ":", "-n", str(ranks), *model]

    def call(self, command: list[str]) -> subprocess.CompletedProcess:
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=TIMEOUT)

    def parameters(self) -> dict:
        return json.loads((self.run / "report" / "report.json").read_text())["parameters"]

    def finished_runs(self) -> list[tuple[int, str, float]]:
        database = self.run / "ledger" / "ledger.sqlite"
        if not database.exists():
            return []
        try:
            connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
            return list(connection.execute("select number, key, finished from runs order by number"))
        except sqlite3.OperationalError:
            return []  # just being made
