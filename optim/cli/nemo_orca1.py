"""`nemo-bridge nemo orca1`: an ORCA1-like configuration for NEMO from public packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(help="An ORCA1-like configuration from public packages.", no_args_is_help=True)

#: published values to hold the checks against (Charette and Smith 2010, Oceanography 23 (2), 112-114)
_PUBLISHED = {"wet_area": 3.62e14, "volume": 1.335e18, "mean_depth": 3682.0}
_UNITS = {"wet_area": "m2", "volume": "m3", "wet_columns": "", "isolated_columns": ""}


@app.callback()
def _orca1() -> None:
    """Named commands only."""


@app.command()
def build(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder to write the input files into")],
    levels: Annotated[int, typer.Option(help="31 or 75")] = 31,
    coarsen: Annotated[int, typer.Option(min=1, help="cells of eORCA1 on the side of one: 1, 2 or 3")] = 1,
    version: Annotated[str, typer.Option(help="of NEMO: 5.0, 4.2 or 4.0")] = "5.0",
    ferret: Annotated[Path | None, typer.Option(help="data of the Debian package ferret-datasets")] = None,
    ncarg: Annotated[Path | None, typer.Option(help="data of the Debian package libncarg-data")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="file for the checks")] = None,
) -> None:
    """Write all input files of an ice-free ORCA1-like NEMO, check them, and draw maps of them.

    The mesh is eORCA1's; depths, climate and fluxes come from data that Debian and PyPI distribute.
    """
    from bridge.models.nemo.orca1 import build as making
    from bridge.models.nemo.orca1.maps import draw
    from bridge.models.nemo.orca1.sources import FERRET, NCARG, Sources

    console = Console(stderr=True)
    with console.status("…") as status:
        domain = making.build(
            folder, levels, coarsen, version, Sources(ferret or FERRET, ncarg or NCARG), status.update
        )
        status.update("maps")
        picture = draw(folder, domain)
    found = making.checks(domain)
    _print(found)
    print(f"written to {folder}; look at {picture}")
    if json_file is not None:
        json_file.write_text(json.dumps(found, indent=1) + "\n")


def _print(found: dict[str, float]) -> None:
    table = Table("", "here", "published")
    for name, value in found.items():
        unit = _UNITS.get(name, "m")
        published = f"{_PUBLISHED[name]:.4g} {unit}" if name in _PUBLISHED else ""
        table.add_row(name.replace("_", " "), f"{value:.6g} {unit}".strip(), published)
    Console().print(table)
