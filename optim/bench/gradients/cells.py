"""A cell of the benchmark: one estimator with one seed on one case at one window, at all test points. A JSON file.

Cells are made in any order and never twice: a benchmark that was stopped goes on where it stood, and tables and
figures are drawn from the files alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from bridge.errors import ConfigurationError
from optim.bench.gradients.scores import Scores, score

#: the estimator's name in the cells that hold the reference
EXACT = "exact"
#: … and in those of the finite-amplitude response that an exact gradient has to be confirmed by,
RESPONSE = "finite_difference_central"
#: … and of the same over twice the distance: how far the two differ is the noise of the response
WIDE_RESPONSE = "finite_difference_wide"
#: a yardstick may be off the response by as much as an estimate may be off the yardstick
TOLERANCE = 0.15


@dataclass(frozen=True)
class Cell:
    """What was measured; gradients [points][P] are in scaled coordinates."""

    case: str
    estimator: str
    window: int
    seed: int
    recipe: str
    commit: str
    names: tuple[str, ...]
    points: list[list[float]]
    gradients: list[list[float]]
    steps_per_gradient: float = 0.0
    setup_steps: float = 0.0
    setup_distance: float | None = (
        None  # of the nearest set-up run to a test point, in prior standard deviations
    )
    field_cosines: list[float] = field(default_factory=list)
    field_steps: float = 0.0  # per gradient with respect to initial fields alone

    @property
    def runs_per_gradient(self) -> float:
        """In forward runs of the window."""
        return self.steps_per_gradient / self.window

    @property
    def setup_runs(self) -> float:
        return self.setup_steps / self.window

    def scores(self, reference: np.ndarray) -> list[Scores]:
        """Of each test point beside the reference [points, P]."""
        return [score(np.array(g), e) for g, e in zip(self.gradients, reference, strict=True)]


def reference(exact: Cell, response: Cell | None, wide: Cell | None = None) -> tuple[np.ndarray, int]:
    """What estimates are scored against, [points, P]: the exact gradient where the response confirms it.

    Where tangents grow without bound in single cells, the exact derivative says nothing of a change of any size. A
    component is useless if it is off the central difference of real runs by more than `TOLERANCE` of that and by more
    than that is off the `wide` one; estimates are scored against the central difference then. The number of useless
    components is told.
    """
    gradients = np.array(exact.gradients)
    if response is None:
        return gradients, 0
    finite = np.array(response.gradients)
    noise = 0.0 if wide is None else np.abs(finite - np.array(wide.gradients))
    useless = np.abs(gradients - finite) > np.maximum(TOLERANCE * np.abs(finite), noise)
    return np.where(useless, finite, gradients), int(useless.sum())


@dataclass(frozen=True)
class Store:
    """The folder of the cells."""

    folder: Path

    def path(self, case: str, estimator: str, window: int, seed: int) -> Path:
        return self.folder / case / f"{estimator}.n{window}.seed{seed}.json"

    def load(self, case: str, estimator: str, window: int, seed: int, recipe: str) -> Cell | None:
        """The cell if it was made with this recipe."""
        path = self.path(case, estimator, window, seed)
        found = _read(path) if path.is_file() else None
        return found if found is not None and found.recipe == recipe else None

    def save(self, cell: Cell) -> None:
        """Whole or not at all."""
        path = self.path(cell.case, cell.estimator, cell.window, cell.seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(cell), indent=1) + "\n")
        os.replace(part, path)

    def cells(self) -> Iterator[Cell]:
        """All that are there and belong to their case's reference: those of a case as it once was are left out."""
        found = [_read(path) for path in sorted(self.folder.glob("*/*.seed*.json"))]
        recipes = {(cell.case, cell.window): cell.recipe for cell in found if cell.estimator == EXACT}
        for cell in found:
            if cell.recipe.startswith(recipes.get((cell.case, cell.window), "")):
                yield cell


def _read(path: Path) -> Cell:
    try:
        table = json.loads(path.read_text())
        return Cell(**{**table, "names": tuple(table["names"])})
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(f"{path} is no cell of this benchmark ({error}); remove it") from error
