"""`nemo-bridge report`: write a run's report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run_directory: Annotated[Path, typer.Argument(help="directory of a tuning run")],
) -> None:
    """Write report.json, report.html and the tuned namelist from what RUN_DIRECTORY holds."""
    from optim.report.write import write_report

    folder = write_report(run_directory)
    for path in sorted(folder.iterdir()):
        print(path)
