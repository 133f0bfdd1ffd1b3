"""The figures of the benchmark by name, from its cells: `<case>.<estimator>.n<window>.scalars.<score>` and so on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from optim.bench.gradients.cells import EXACT, RESPONSE, WIDE_RESPONSE, Cell, reference
from optim.bench.gradients.scores import Scores, largest_share, null_scores, spread


@dataclass(frozen=True)
class Row:
    """One estimator on one case at one window, over all seeds and test points."""

    case: str
    estimator: str
    window: int
    scores: tuple[Scores, ...]
    seeds: int
    parameters: int
    runs: float  # forward runs per gradient
    setup_runs: float
    setup_distance: float | None
    field_cosines: tuple[float, ...]
    field_runs: float = 0.0  # forward runs per gradient with respect to initial fields alone

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Row:
        """From what `asdict` made of it."""
        scores = tuple(Scores(**score) for score in table["scores"])
        return cls(**{**table, "scores": scores, "field_cosines": tuple(table["field_cosines"])})

    @property
    def worst(self) -> float:
        """Largest relative error of any component."""
        return max(score.worst_relative_error for score in self.scores)

    @property
    def break_even(self) -> float | None:
        """Gradients after which the set-up has paid for itself beside P + 1 runs each; None if never."""
        saved = self.parameters + 1 - self.runs
        return self.setup_runs / saved if saved > 0.0 else None


def rows(cells: Iterable[Cell]) -> list[Row]:
    """By case, window and estimator; cells whose reference is missing are left out."""
    cells = list(cells)
    exact = _references(cells)
    groups: dict[tuple[str, int, str], list[Cell]] = {}
    for cell in cells:
        if cell.estimator != EXACT and (cell.case, cell.window) in exact:
            groups.setdefault((cell.case, cell.window, cell.estimator), []).append(cell)
    return [_row(group, exact[key[:2]][0]) for key, group in sorted(groups.items())]


def _references(cells: Iterable[Cell]) -> dict[tuple[str, int], tuple[np.ndarray, int]]:
    """By case and window: what is scored against, and how many components the response did not confirm."""
    cells = list(cells)
    by_kind = {(cell.case, cell.window, cell.estimator): cell for cell in cells}
    return {
        (case, window): reference(
            cell, by_kind.get((case, window, RESPONSE)), by_kind.get((case, window, WIDE_RESPONSE))
        )
        for (case, window, kind), cell in by_kind.items()
        if kind == EXACT
    }


def _row(group: list[Cell], truth: np.ndarray) -> Row:
    first = group[0]
    distances = [cell.setup_distance for cell in group if cell.setup_distance is not None]
    return Row(
        first.case,
        first.estimator,
        first.window,
        tuple(score for cell in group for score in cell.scores(truth)),
        len(group),
        len(first.names),
        float(np.mean([cell.runs_per_gradient for cell in group])),
        float(np.mean([cell.setup_runs for cell in group])),
        min(distances, default=None),
        tuple(cosine for cell in group for cosine in cell.field_cosines),
        float(np.mean([cell.field_steps / cell.window for cell in group])),
    )


def figures(cells: Iterable[Cell]) -> dict[str, float]:
    """Every figure by name: the worst relative error is the largest, of other scores the median, least and largest."""
    cells = list(cells)
    found: dict[str, float] = {}
    for (case, window), (truth, useless) in sorted(_references(cells).items()):
        found |= _of_reference(f"{case}.null.n{window}.scalars", truth)
        found[f"{case}.{EXACT}.n{window}.scalars.useless_components"] = float(useless)
    for row in rows(cells):
        prefix = f"{row.case}.{row.estimator}.n{row.window}"
        found[f"{prefix}.scalars.worst_relative_error"] = row.worst
        for name in ("cosine", "norm_ratio", "sign"):
            values = spread([getattr(score, name) for score in row.scores])
            for suffix, value in zip(("", "_least", "_largest"), values, strict=True):
                found[f"{prefix}.scalars.{name}{suffix}"] = value
        found[f"{prefix}.scalars.cost_runs"] = row.runs
        found[f"{prefix}.scalars.setup_runs"] = row.setup_runs
        if row.break_even is not None and row.setup_runs:
            found[f"{prefix}.scalars.break_even_gradients"] = row.break_even
        if row.setup_distance is not None:
            found[f"{prefix}.scalars.setup_distance"] = row.setup_distance
        if row.field_cosines:
            found[f"{prefix}.field.cosine"], found[f"{prefix}.field.cosine_least"], _ = spread(
                row.field_cosines
            )
            found[f"{prefix}.field.cost_runs"] = row.field_runs
    return found


def _of_reference(prefix: str, truth: np.ndarray) -> dict[str, float]:
    """What guesses score, in the mean over the test points, and how the gradient is shared out."""
    nulls = [null_scores(gradient) for gradient in truth]
    return {
        f"{prefix}.random_cosine": float(np.mean([null.random_cosine for null in nulls])),
        f"{prefix}.same_sign_cosine": float(np.mean([null.same_sign_cosine for null in nulls])),
        f"{prefix}.same_sign": float(np.mean([null.same_sign for null in nulls])),
        f"{prefix}.largest_share": max(largest_share(gradient) for gradient in truth),
    }
