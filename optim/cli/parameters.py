"""`nemo-bridge parameters`: what can be tuned."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from bridge.errors import ConfigurationError
from bridge.models import toy_ocean
from optim.cli import nemo_parameters


class ModelName(str, Enum):
    """The models whose parameters are known."""

    TOY_OCEAN = toy_ocean.NAME
    NEMO = "nemo"


def parameters(
    model: Annotated[ModelName, typer.Option(help="whose parameters")] = ModelName.TOY_OCEAN,
    namelist: Annotated[
        Path | None, typer.Option(help="show the values of this namelist file instead of the defaults")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="NEMO: the namelist_ref under --namelist (by default the one beside it)"),
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="NEMO: 5.0, 4.2 or 4.0 (by default told from the namelist_ref)")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="write JSON instead of a table")] = False,
) -> None:
    """List the tunable parameters of a model: default, units, plausible range, meaning.

    For NEMO also how each takes effect and, with a namelist, whether it has an effect there and what forbids it.
    """
    if model is ModelName.NEMO:
        nemo_parameters.show(namelist, reference, version, as_json)
        return
    if reference is not None or version is not None:
        raise ConfigurationError("--reference and --version belong to --model nemo")
    values = toy_ocean.read_namelist(namelist)
    rows = [
        {
            "name": item.name,
            "value": values.value(item.group, item.entry),
            "units": item.units,
            "lower": item.lower,
            "upper": item.upper,
            "meaning": item.meaning,
        }
        for item in toy_ocean.PARAMETERS
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    _print_table(rows, "default" if namelist is None else "value")


def _print_table(rows: list[dict], heading: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("parameter", no_wrap=True)
    table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("units", no_wrap=True)
    table.add_column("range", no_wrap=True)
    table.add_column("meaning")
    for row in rows:
        span = f"{row['lower']:g} … {row['upper']:g}"
        units = "–" if row["units"] == "1" else row["units"]
        table.add_row(row["name"], f"{row['value']:g}", units, span, row["meaning"])
    Console().print(table)
