"""`nemo-bridge bench`: measure, and write the figures as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Measure, and write the figures as JSON.", no_args_is_help=True)

_Json = Annotated[Path | None, typer.Option("--json", help="file for the figures")]
_Quick = Annotated[bool, typer.Option("--quick", help="a few repetitions only: a look, not a measurement")]


@app.callback()
def _benchmarks() -> None:
    """Named benchmarks only."""


@app.command()
def exchange(json_file: _Json = None, quick: _Quick = False) -> None:
    """Time the exchange of fields between Fortran and Python beside bare MPI and raw ZMQ of the same bytes."""
    from optim.bench import exchange as benchmark

    benchmark.main(json_file, quick)


@app.command()
def snapshot(json_file: _Json = None, quick: _Quick = False) -> None:
    """Time snapshots of a model's state and their restoring beside memcpy of the same bytes."""
    from optim.bench import snapshot as benchmark

    benchmark.main(json_file, quick)


@app.command()
def overhead(json_file: _Json = None, quick: _Quick = False) -> None:
    """Compare the CPU time of toy_ocean coupled and alone, and measure what a waiting side burns of a core."""
    from optim.bench import overhead as benchmark

    benchmark.main(json_file, quick)


@app.command()
def calibration(
    directory: Annotated[Path, typer.Option(help="where finished recoveries are kept")] = Path(
        "runs/bench-calibration"
    ),
    json_file: _Json = None,
) -> None:
    """Find known parameters of VEROS as a black box again; what is finished is kept and not made again."""
    from optim.bench.gradients import veros_calibration
    from optim.cli.server import progress_printer

    veros_calibration.main(directory, json_file, progress_printer())


@app.command()
def gradients(
    cases: Annotated[list[str] | None, typer.Option("--case", help="cases (default: all)")] = None,
    estimators: Annotated[
        list[str] | None, typer.Option("--estimator", help="estimators (default: all)")
    ] = None,
    windows: Annotated[
        list[int] | None, typer.Option("--window", help="windows in steps (default: all)")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="seeds of estimators that draw")] = 5,
    directory: Annotated[Path, typer.Option(help="where finished cells are kept")] = Path(
        "runs/bench-gradients"
    ),
    json_file: _Json = None,
    figure: Annotated[Path | None, typer.Option(help="file for the figure, .png or .pdf")] = None,
    redraw: Annotated[
        Path | None,
        typer.Option("--from", help="run nothing: table and figure from a file that --json wrote"),
    ] = None,
    quick: _Quick = False,
) -> None:
    """Score approximate gradients beside exact ones; what is finished is kept and not made again."""
    from optim.bench.gradients import command
    from optim.cli.server import progress_printer

    if redraw is not None:
        command.redraw(redraw, figure)
        return

    choice = command.Choice(cases or (), estimators or (), windows or (), seeds, quick)
    command.main(choice, directory, json_file, figure, progress_printer())


@app.command()
def veros(
    json_file: _Json = None,
    quick: _Quick = False,
    parts: Annotated[
        list[str] | None,
        typer.Option("--part", help="parity, parameters, temperature, elsewhere or cost (default: all)"),
    ] = None,
) -> None:
    """Compare VEROS's exact gradients with finite differences, its step with stock VEROS, and time them."""
    from optim.bench.veros import main as benchmark

    benchmark.main(json_file, quick, parts or benchmark.PARTS)
