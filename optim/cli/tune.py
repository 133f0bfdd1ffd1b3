"""`nemo-bridge tune`: from one experiment file to tuned parameters and a report."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge import launch, watch
from bridge.errors import BridgeError
from optim.cli.job import ModelSettings, checked_settings
from optim.cli.ownership import EXPERIMENT_COPY, owned, refuse_reuse
from optim.cli.server import enable_float64, live_session, progress_printer

SessionFactory = Callable[[], AbstractContextManager[Any]]


def tune(
    experiment: Annotated[Path, typer.Argument(help="experiment file (TOML)")],
    directory: Annotated[
        Path | None, typer.Option(help="run directory [default: runs/<name of the experiment file>]")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on with the runs that the directory holds")
    ] = False,
    ranks: Annotated[int | None, typer.Option(help="ranks of the model, instead of the file's")] = None,
    prepare_only: Annotated[
        bool, typer.Option("--prepare-only", help="fill the run directory and print the mpirun command")
    ] = False,
) -> None:
    """Tune the parameters that EXPERIMENT names.

    Starts the MPI job itself. Inside an MPI job, as in `mpirun -n 1 nemo-bridge tune EXPERIMENT : -n 4 toy_ocean
    namelist_cfg`, it is that job's server. The report is written to the folder `report` of the run directory.
    """
    settings = checked_settings(experiment, ranks)
    directory = directory or Path("runs") / experiment.stem
    if launch.inside_mpi_job():
        _serve(experiment, settings, directory, resume)
        return
    refuse_reuse(directory, resume)
    for warning in settings.warnings:
        print(f"nemo-bridge: warning: {warning}", file=sys.stderr)
    with owned(directory) as own:
        if settings.relaunch:
            folder = _prepare(experiment, settings, own)
            _conduct(experiment, own, resume, lambda: nullcontext(settings.relaunched(folder)))
            return
        code = _start(experiment, settings, own, resume, prepare_only)
    sys.exit(code)


def _start(
    experiment: Path, settings: ModelSettings, directory: Path, resume: bool, prepare_only: bool
) -> int:
    """Start the MPI job of server and model, or say how; its exit code."""
    folder = _prepare(experiment, settings, directory)
    arguments = ["tune", str(experiment.resolve()), "--directory", str(directory)]
    job = settings.job(arguments + ["--resume"] * resume, folder)
    if prepare_only:
        print(launch.shell_line(job))
        return 0
    return watch.run(job)


def _prepare(experiment: Path, settings: ModelSettings, directory: Path) -> Path:
    """Fill the run directory: a copy of the experiment file, and the folder in which the model runs (returned)."""
    folder = settings.prepare(directory)
    shutil.copyfile(experiment, directory / EXPERIMENT_COPY)
    return folder


def _serve(experiment: Path, settings: ModelSettings, directory: Path, resume: bool) -> None:
    """The server rank of an MPI job."""
    refuse_reuse(directory, resume)
    directory = launch.make_run_directory(directory)
    expected = settings.program.expected()
    _conduct(experiment, directory, resume, lambda: live_session(settings.timeout, expected))


def _conduct(experiment: Path, directory: Path, resume: bool, session_factory: SessionFactory) -> None:
    """Tune, then write the report."""
    from optim.experiment import run_experiment
    from optim.report.write import write_report

    enable_float64()
    show = progress_printer()
    result = run_experiment(
        experiment,
        resume=resume,
        directory=directory,
        session_factory=session_factory,
        progress=show,
    ).to_run_result()
    folder = write_report(directory, result)
    show(
        f"{result.outcome}: cost {result.cost_initial:.6g} -> {result.cost_final:.6g}, {result.model_runs} model runs"
    )
    show(f"report: {folder / 'report.html'}")
    if not math.isfinite(result.cost_final):
        raise BridgeError(f"no run of the model came to its end: {result.outcome}. {result.message}")
