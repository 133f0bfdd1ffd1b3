"""An experiment with the model of a job: prepared as its kind needs, done, and kept in the run directory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from bridge.ledger import Ledger
from optim.experiment import Progress, Setting, conduct
from optim.experiment_check import gradient_check
from optim.experiment_file import Experiment, read
from optim.report.result import RunResult

LEDGER_FOLDER = "ledger"


def run_experiment(
    path: Path,
    *,
    directory: Path,
    session_factory: Callable[[], AbstractContextManager[Any]],
    progress: Progress,
    resume: bool = False,
    finish: Callable[[RunResult], None] = lambda result: None,
) -> RunResult:
    """Tune as the file says with the model behind `session_factory`; ledger and result lie in `directory`.

    `finish` is called with the result before the model is let go: whoever sees the model end finds all done.
    """
    experiment = read(path)
    with session_factory() as session, Ledger(directory / LEDGER_FOLDER) as ledger:
        if resume:
            progress(f"resuming: {len(ledger)} finished runs in the ledger")
        setting = _prepared(experiment, session, ledger, directory, progress)
        result = conduct(experiment, setting, progress).to_run_result()
        result.write(directory)
        finish(result)
        return result


def check_experiment_gradient(
    path: Path,
    *,
    directory: Path,
    session_factory: Callable[[], AbstractContextManager[Any]],
    progress: Progress,
) -> Iterable[str]:
    """Lines that compare the experiment's gradient at its start with central finite differences of the model."""
    experiment = read(path)
    with session_factory() as session, Ledger(directory / LEDGER_FOLDER) as ledger:
        setting = _prepared(experiment, session, ledger, directory, progress)
        return gradient_check(experiment, setting, progress)


def _prepared(
    experiment: Experiment, session: Any, ledger: Ledger, directory: Path, progress: Progress
) -> Setting:
    """The setting with the model that [model] names."""
    if experiment.model.get("kind") == "nemo":
        from optim import experiment_nemo

        return experiment_nemo.prepare(experiment, session, ledger, directory, progress)
    from optim import experiment_toy_ocean

    return experiment_toy_ocean.prepare(experiment, session, ledger, directory, progress)
