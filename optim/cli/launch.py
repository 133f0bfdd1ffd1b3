"""`nemo-bridge launch`: a tuning job for mpirun or srun, as lines to read or as a job to start."""

from __future__ import annotations

import os
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from bridge import launch_script, launchers, watch
from bridge.errors import ConfigurationError
from optim.cli import options
from optim.cli.job import ModelSettings, checked_settings


class LauncherName(str, Enum):
    """Launchers whose command lines we know."""

    OPEN_MPI_4 = "open-mpi-4"
    OPEN_MPI_5 = "open-mpi-5"
    MPICH = "mpich"
    SRUN = "srun"


def launch(
    experiment: Annotated[Path, typer.Argument(help="experiment file (TOML)")],
    directory: Annotated[
        Path | None, typer.Option(help="run directory [default: runs/<name of the experiment file>]")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on with the runs that the directory holds")
    ] = False,
    launcher: Annotated[
        LauncherName | None, typer.Option(help="what starts the job [default: the mpirun of this machine]")
    ] = None,
    pmi: Annotated[
        str | None, typer.Option(help="srun's --mpi [default: pmi2 where mpirun is MPICH's, else pmix]")
    ] = None,
    ranks: options.Ranks = None,
    transport: options.Transport = None,
    instances: options.Instances = None,
    endpoint: options.Endpoint = None,
    keys: options.Keys = None,
    print_only: Annotated[bool, typer.Option("--print", help="print the lines and start nothing")] = False,
) -> None:
    """Start the tuning job of EXPERIMENT with a launcher of your choice, or print the lines that do.

    The lines fill the run directory and start server and model. In a batch job of Slurm: --launcher srun, with one task
    more than ranks if the transport is MPI.
    """
    settings = checked_settings(experiment, options.of_model(ranks, transport, instances, endpoint, keys))
    if settings.relaunch:
        raise ConfigurationError(
            f"{experiment}: some of its parameters need a relaunch of the model for every run; "
            "`nemo-bridge tune` starts each of these jobs itself"
        )
    directory = (directory or Path("runs") / experiment.stem).absolute()
    starter = launchers.installed() if launcher is None else launchers.named(launcher.value, directory, pmi)
    tuning = ["tune", str(experiment.resolve()), "--directory", str(directory), *["--resume"] * resume]
    script = _lines(settings, starter, directory, tuning)
    if print_only:
        print(script, end="")
        return
    sys.exit(watch.run_command(["sh", "-ec", script], os.environ, settings.folders(directory)))


def _lines(settings: ModelSettings, starter: launchers.Launcher, directory: Path, tuning: list[str]) -> str:
    """What starts the job, for a shell."""
    table = settings.table
    shape = ["--transport", table.transport, "--instances", str(table.instances)]
    prepare = [sys.executable, "-m", "optim.cli", *tuning, *shape, "--prepare-only"]
    if not settings.over_zmq:
        return launch_script.mpi_script(starter, settings.job(tuning, settings.folders(directory)), prepare)
    models = [settings.model_job(directory, instance) for instance in range(table.instances)]
    return launch_script.zmq_script(starter, settings.server_argv(tuning, directory), models, prepare)
