"""Figures of a benchmark as JSON and as tables."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def publish(result: dict[str, Any], title: str, json_path: Path | None) -> dict[str, Any]:
    """Print the tables of `result` ("figures", "setting", perhaps "cases" and "notes"); write it all as JSON."""
    from rich.console import Console

    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=2) + "\n")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    if result.get("cases"):
        console.print(_cases(result["cases"]))
    console.print(_figures(title, result["figures"]))
    for note in result.get("notes", []):
        console.print(note)
    console.print("; ".join(f"{name}: {value}" for name, value in result["setting"].items()))
    return result


def _cases(cases: list[dict[str, Any]]) -> Any:
    """A line per case: best (median)."""
    from rich.table import Table

    table = Table(title="one-way times in microseconds and ratio to the reference: best (median)")
    for heading in ("way", "ranks", "size", "write", "read", "reference", "ratio", "times"):
        table.add_column(heading, justify="left" if heading in ("way", "size") else "right", no_wrap=True)
    for case in cases:
        way = f"{case['transport']}{' shm' if case['shared_memory'] else ''}"
        times = (_pair(case, name, ".0f") for name in ("write_us", "read_us", "reference_us"))
        ratios = _pair(case, "ratio", ".2f")
        table.add_row(way, str(case["ranks"]), case["size"], *times, ratios, str(case["repetitions"]))
    return table


def _pair(case: dict[str, Any], name: str, form: str) -> str:
    return f"{case[name]:{form}} ({case[f'{name}_median']:{form}})"


def _figures(title: str, figures: dict[str, float]) -> Any:
    """Each figure with its median, where it has one."""
    from rich.table import Table

    table = Table(title=f"bench {title}")
    for heading in ("figure", "value", "from medians"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for name, value in figures.items():
        if not name.endswith("_median"):
            median = figures.get(f"{name}_median")
            table.add_row(name, f"{value:.4g}", "" if median is None else f"{median:.4g}")
    return table
