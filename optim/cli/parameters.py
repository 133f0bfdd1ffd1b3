"""`nemo-bridge parameters`: what can be tuned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bridge.models import toy_ocean


def parameters(
    namelist: Annotated[
        Path | None, typer.Option(help="show the values of this namelist file instead of the defaults")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="write JSON instead of a table")] = False,
) -> None:
    """List the tunable parameters of toy_ocean: default, units, plausible range, meaning."""
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
