"""`nemo-bridge check-gradient`: is the approximate gradient of an experiment any good?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bridge import launch, watch
from bridge.errors import ConfigurationError
from optim.cli.job import checked_settings
from optim.cli.ownership import owned, refuse_tuning
from optim.cli.server import enable_float64, live_session, progress_printer


def check_gradient(
    experiment: Annotated[Path, typer.Argument(help="experiment file (TOML)")],
    directory: Annotated[
        Path | None, typer.Option(help="run directory [default: runs/<name of the experiment file>-check]")
    ] = None,
    ranks: Annotated[int | None, typer.Option(help="ranks of the model, instead of the file's")] = None,
) -> None:
    """Compare the gradient that EXPERIMENT would use at its start with finite differences of the model."""
    settings = checked_settings(experiment, ranks)
    directory = directory or Path("runs") / f"{experiment.stem}-check"
    if settings.relaunch:
        raise ConfigurationError(
            f"{experiment}: some of its parameters need a relaunch of the model for every run; check-gradient works "
            "with a running model: leave them out"
        )
    if not launch.inside_mpi_job():
        refuse_tuning(directory)
        with owned(directory) as own:
            folder = settings.prepare(own)
            arguments = ["check-gradient", str(experiment.resolve()), "--directory", str(own)]
            code = watch.run(settings.job(arguments, folder))
        sys.exit(code)

    from optim.experiment import check_experiment_gradient

    enable_float64()
    for line in check_experiment_gradient(
        experiment,
        directory=directory,
        session_factory=lambda: live_session(settings.timeout, settings.program.expected()),
        progress=progress_printer(),
    ):
        print(line)
