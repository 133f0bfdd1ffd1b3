"""`nemo-bridge check-gradient`: is the approximate gradient of an experiment any good?"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge import launch, watch
from bridge.errors import ConfigurationError
from optim.cli import options
from optim.cli.job import checked_settings
from optim.cli.ownership import owned, refuse_tuning
from optim.cli.renewal import renew_as_server
from optim.cli.server import enable_float64, live_model, progress_printer


def check_gradient(
    experiment: Annotated[Path, typer.Argument(help="experiment file (TOML)")],
    directory: Annotated[
        Path | None, typer.Option(help="run directory [default: runs/<name of the experiment file>-check]")
    ] = None,
    ranks: options.Ranks = None,
    transport: options.Transport = None,
    instances: options.Instances = None,
) -> None:
    """Compare the gradient that EXPERIMENT would use at its start with finite differences of the model."""
    settings = checked_settings(experiment, options.of_model(ranks, transport, instances))
    directory = directory or Path("runs") / f"{experiment.stem}-check"
    if settings.relaunch:
        raise ConfigurationError(
            f"{experiment}: some of its parameters need a relaunch of the model for every run; check-gradient works "
            "with a running model: leave them out"
        )
    if launch.inside_mpi_job() and not settings.over_zmq:
        expected = settings.program.expected()
        _check(experiment, directory, lambda: live_model(settings.timeout, directory, expected))
        return
    if settings.serves_here:
        renew_as_server()
    refuse_tuning(directory)
    with owned(directory) as own:
        folders = settings.prepare(own)
        if settings.over_zmq:
            from optim.cli.zmq_server import served_models

            _check(experiment, own, lambda: served_models(settings, own, serve_only=False))
            return
        arguments = ["check-gradient", str(experiment.resolve()), "--directory", str(own)]
        code = watch.run(settings.job(arguments, folders))
    sys.exit(code)


def _check(
    experiment: Path, directory: Path, session_factory: Callable[[], AbstractContextManager[Any]]
) -> None:
    from optim.experiment_run import check_experiment_gradient

    enable_float64()
    lines = check_experiment_gradient(
        experiment, directory=directory, session_factory=session_factory, progress=progress_printer()
    )
    for line in lines:
        print(line)
