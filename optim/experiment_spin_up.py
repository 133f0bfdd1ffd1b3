"""The initial state of an experiment's window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridge.errors import ConfigurationError, RequestRefused
from bridge.ledger_key import run_key
from bridge.model import OutcomeKind, Recording, Snapshot
from optim.experiment import Progress
from optim.experiment_file import SECONDS_PER_DAY, Experiment
from optim.forward import Identity


def spin_up(
    experiment: Experiment, session: Any, identity: Identity, directory: Path, progress: Progress
) -> Snapshot:
    """The initial state of the window: where the model stands, after `spinup_days` with the start's fixed entries.

    It is saved in `directory`, so that a resumed job loads it instead.
    """
    start = session.snapshot()
    steps = round(experiment.window.spinup_days * SECONDS_PER_DAY / session.describe().time_step)
    if steps == 0:
        return start
    recording = Recording((), steps)
    key = run_key(
        executable=identity.executable,
        namelist=identity.namelist,
        snapshot=identity.start or start,
        params=experiment.fixed,
        steps=steps,
        recording=recording,
        forcing=identity.forcing,
    )
    saved = directory / f"spin-up-{key[:16]}"
    try:
        return session.load(saved)
    except RequestRefused:
        progress(f"spin-up: {steps} steps")
    while True:
        trajectory = session.run(experiment.fixed, start, steps, recording)
        if trajectory.outcome.kind is not OutcomeKind.COMPLETED:
            raise ConfigurationError(f"[window]: the spin-up failed: {trajectory.outcome.message}")
        reached = session.snapshot()
        if reached.step == trajectory.outcome.step:  # else the instance that was there has died since
            return session.save(reached, saved)
