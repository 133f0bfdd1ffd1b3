"""A 2-D map of the Fortran gyre from an experiment file: 60 values in fewer runs than that, and resumed."""

from __future__ import annotations

import json
import math

import numpy as np
from tuning_jobs import Tuning

VALUES = [
    [round(math.exp(0.6 * math.sin(0.9 * row + 0.5 * column)), 3) for column in range(10)] for row in range(6)
]
EXPERIMENT = f"""
prior = false
[model]
namelist = "namelist_cfg"
ranks = 2
[window]
spinup_days = 5
days = 0.5
every = 6
[[controls]]
group = "namzdf"
entry = "avtb_2d"
patches = [6, 10]
lower = 0.1
upper = 10.0
prior_mean = 1.0
prior_spread = 0.5
transform = "log"
[truth]
"namzdf/avtb_2d" = {VALUES}
[[observations]]
kind = "twin"
field = "thetao"
sigma = 1e-4
[estimator]
kind = "coloured-differences"
reach = 1
step = 0.2
[minimiser]
kind = "gauss-newton"
damping = 1e-3
secants = false
[budget]
model_runs = 14
"""


def test_sixty_patches_of_the_gyre_are_found_in_fourteen_runs_and_resumed(tuning: Tuning) -> None:
    (tuning.folder / "exp.toml").write_text(EXPERIMENT)
    done = tuning.call(tuning.command)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tuning.run / "report" / "report.json").read_text())
    assert report["model_runs"] <= 14
    assert report["cost"]["final"] < 1e-3 * report["cost"]["initial"]
    patches = report["parameters"].values()
    assert len(patches) == 60
    errors = np.array([patch["tuned"] / patch["truth"] - 1.0 for patch in patches])
    assert np.median(np.abs(errors)) < 0.02  # the truth is up to 80 % off the start
    runs = tuning.finished_runs()
    again = tuning.call([*tuning.command, "--resume"])
    assert again.returncode == 0, again.stdout + again.stderr
    assert tuning.finished_runs() == runs
