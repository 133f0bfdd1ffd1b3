"""The benchmark's cells as a table for people, in a terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from optim.bench.gradients.figures import Row

HEADINGS = (
    "case",
    "n",
    "estimator",
    "worst error",
    "cosine",
    "norm ratio",
    "field",
    "signs",
    "runs",
    "set-up",
    "breaks even",
)


def lines(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """A line of words per row; of cosines (scalars, field) and signs the least, of the norm ratio the range."""
    found: list[tuple[str, ...]] = []
    for row in rows:
        ratios = [score.norm_ratio for score in row.scores]
        even = f"{row.break_even:.0f}" if row.break_even is not None and row.setup_runs else ""
        found.append(
            (
                row.case,
                str(row.window),
                row.estimator,
                f"{row.worst:.2g}",
                f"{min(score.cosine for score in row.scores):.4f}",
                f"{min(ratios):.2f} … {max(ratios):.2f}",
                f"{min(row.field_cosines):.4f}" if row.field_cosines else "",
                f"{min(score.sign for score in row.scores):.2f}",
                f"{row.runs:.3g}",
                f"{row.setup_runs:.0f}" if row.setup_runs else "",
                even,
            )
        )
    return found


def markdown(rows: Iterable[Row]) -> str:
    """As a Markdown table."""
    return "\n".join(_markdown(line) for line in (HEADINGS, ("---",) * len(HEADINGS), *lines(rows)))


def _markdown(words: Sequence[str]) -> str:
    return "| " + " | ".join(words) + " |"


def terminal(rows: Iterable[Row]) -> Any:
    """For a console."""
    from rich.table import Table

    table = Table(title="approximate gradients beside the exact one: worst over test points and seeds")
    for heading in HEADINGS:
        table.add_column(
            heading, justify="left" if heading in ("case", "estimator") else "right", no_wrap=True
        )
    for line in lines(rows):
        table.add_row(*line)
    return table
