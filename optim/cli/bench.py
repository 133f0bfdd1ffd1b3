"""`nemo-bridge bench`: measure, and write the figures as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Measure, and write the figures as JSON.", no_args_is_help=True)


@app.callback()
def _benchmarks() -> None:
    """Named benchmarks only."""


@app.command()
def exchange(
    json_file: Annotated[Path | None, typer.Option("--json", help="file for the figures")] = None,
) -> None:
    """Time the exchange of 2-D and 3-D fields between Fortran and Python beside bare MPI of the same bytes."""
    from optim.bench import exchange as benchmark

    benchmark.main(json_file)
