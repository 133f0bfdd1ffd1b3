"""`nemo-bridge tune`: from one experiment file to tuned parameters and a report."""

from __future__ import annotations

import math
import shlex
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge import launch, watch
from bridge.errors import BridgeError, ConfigurationError
from optim.cli import options
from optim.cli.interruption import asked_to_end, hear_no_more
from optim.cli.job import ModelSettings, checked_settings
from optim.cli.ownership import EXPERIMENT_COPY, owned, refuse_reuse
from optim.cli.renewal import renew_as_server
from optim.cli.server import enable_float64, live_model, progress_printer

if TYPE_CHECKING:
    from optim.report.result import RunResult

SessionFactory = Callable[[], AbstractContextManager[Any]]


def tune(
    experiment: Annotated[Path, typer.Argument(help="experiment file (TOML)")],
    directory: Annotated[
        Path | None, typer.Option(help="run directory [default: runs/<name of the experiment file>]")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on with the runs that the directory holds")
    ] = False,
    ranks: options.Ranks = None,
    transport: options.Transport = None,
    instances: options.Instances = None,
    endpoint: options.Endpoint = None,
    keys: options.Keys = None,
    serve_only: options.ServeOnly = False,
    prepare_only: Annotated[
        bool, typer.Option("--prepare-only", help="fill the run directory and print the commands")
    ] = False,
) -> None:
    """Tune the parameters that EXPERIMENT names.

    Over MPI it starts one job of server and model. Inside an MPI job, as in `mpirun -n 1 nemo-bridge tune EXPERIMENT :
    -n 4 toy_ocean namelist_cfg`, it is that job's server. Over ZMQ it is the server, starts a job for each instance of
    the model, and starts those again that die. The report is written to the folder `report` of the run directory.
    """
    settings = checked_settings(experiment, options.of_model(ranks, transport, instances, endpoint, keys))
    directory = directory or Path("runs") / experiment.stem
    _check_options(experiment, settings, serve_only)
    if launch.inside_mpi_job() and not settings.over_zmq:
        _serve(experiment, settings, directory, resume)
        return
    if settings.serves_here and not prepare_only:
        renew_as_server()
    refuse_reuse(directory, resume)
    for warning in settings.warnings:
        print(f"nemo-bridge: warning: {warning}", file=sys.stderr)
    with owned(directory) as own:
        folders = _prepare(experiment, settings, own)
        if settings.relaunch:
            with asked_to_end():
                _conduct(experiment, own, resume, lambda: nullcontext(settings.relaunched(folders)))
            return
        if prepare_only:
            _print_commands(experiment, settings, own, resume, folders)
            return
        if settings.over_zmq:
            from optim.cli.zmq_server import served_models

            _conduct(experiment, own, resume, lambda: served_models(settings, own, serve_only))
            return
        code = watch.run(settings.job(_arguments(experiment, own, resume), folders))
    sys.exit(code)


def _check_options(experiment: Path, settings: ModelSettings, serve_only: bool) -> None:
    if serve_only and not settings.over_zmq:
        raise ConfigurationError('--serve-only belongs to --transport zmq, or [model] transport = "zmq"')
    if serve_only and settings.relaunch:
        raise ConfigurationError(
            f"{experiment}: some of its parameters need a relaunch of the model for every run; with --serve-only "
            "somebody else starts the model: leave them out"
        )
    if settings.relaunch and settings.table.endpoint and settings.table.instances > 1:
        raise ConfigurationError(
            f"{experiment}: [model] endpoint: with several instances that are relaunched for every run, each needs one "
            "of its own: leave it out, and each has one in its folder"
        )


def _arguments(experiment: Path, directory: Path, resume: bool) -> list[str]:
    """What the server of a job is called with."""
    return ["tune", str(experiment.resolve()), "--directory", str(directory)] + ["--resume"] * resume


def _print_commands(
    experiment: Path, settings: ModelSettings, directory: Path, resume: bool, folders: list[Path]
) -> None:
    """How to start by hand what has been prepared: one MPI job, or server and models over ZMQ in any order."""
    arguments = _arguments(experiment, directory, resume)
    if settings.over_zmq:
        server = shlex.join(settings.server_argv(arguments, directory))
        print("\n".join([server, *settings.model_lines(directory)]))
    else:
        print(launch.shell_line(settings.job(arguments, folders)))


def _prepare(experiment: Path, settings: ModelSettings, directory: Path) -> list[Path]:
    """Fill the run directory: a copy of the experiment file, and the folders in which the instances run (returned)."""
    folders = settings.prepare(directory)
    shutil.copyfile(experiment, directory / EXPERIMENT_COPY)
    return folders


def _serve(experiment: Path, settings: ModelSettings, directory: Path, resume: bool) -> None:
    """The server rank of an MPI job."""
    refuse_reuse(directory, resume)
    directory = launch.make_run_directory(directory)
    expected = settings.program.expected()
    _conduct(experiment, directory, resume, lambda: live_model(settings.timeout, directory, expected))


def _conduct(experiment: Path, directory: Path, resume: bool, session_factory: SessionFactory) -> None:
    """Tune and write the report; the model is let go when all is done, and no signal undoes it then."""
    from optim.experiment_run import run_experiment
    from optim.report.write import write_report

    enable_float64()
    show = progress_printer()

    def finish(result: RunResult) -> None:
        folder = write_report(directory, result)
        costs = f"cost {result.cost_initial:.6g} -> {result.cost_final:.6g}"
        show(f"{result.outcome}: {costs}, {result.model_runs} model runs")
        show(f"report: {folder / 'report.html'}")
        sys.stdout.flush()
        hear_no_more()

    result = run_experiment(
        experiment,
        resume=resume,
        directory=directory,
        session_factory=session_factory,
        progress=show,
        finish=finish,
    )
    if not math.isfinite(result.cost_final):
        raise BridgeError(f"no run of the model came to its end: {result.outcome}. {result.message}")
