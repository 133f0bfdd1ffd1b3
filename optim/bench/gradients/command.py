"""What `nemo-bridge bench gradients` does: make the missing cells, then table, JSON and figure from all of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bridge.errors import ConfigurationError
from optim.bench.commit import commit
from optim.bench.gradients import registry
from optim.bench.gradients.cells import Store
from optim.bench.gradients.figure import draw
from optim.bench.gradients.figures import Row, figures, rows
from optim.bench.gradients.problem import Case
from optim.bench.gradients.runner import run_case
from optim.bench.gradients.table import terminal
from optim.bench.timing import setting

_QUICK_WINDOWS = (1, 10)
_SEEDS = 5


@dataclass(frozen=True)
class Choice:
    """What to run: all cases, estimators and windows unless some are named."""

    cases: Sequence[str] = ()
    estimators: Sequence[str] = ()
    windows: Sequence[int] = ()
    seeds: int = _SEEDS
    quick: bool = False


def main(
    choice: Choice,
    directory: Path,
    json_path: Path | None,
    figure_path: Path | None,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Run what is chosen and not there yet; returns what goes into the JSON file."""
    for path in filter(None, (json_path, figure_path)):
        if not path.resolve().parent.is_dir():
            raise ConfigurationError(f"{path}: there is no folder {path.resolve().parent} to write it into")
    _keep_compiled(directory)
    store = Store((directory / "quick" if choice.quick else directory).resolve())
    estimators = registry.chosen("estimator", registry.estimators(), choice.estimators)
    for make in registry.chosen("case", registry.cases(choice.quick), choice.cases):
        case = make()
        _require_windows(case, choice.windows)
        windows = [
            n
            for n in case.windows
            if n in (choice.windows or (_QUICK_WINDOWS if choice.quick else case.windows))
        ]
        run_case(case, estimators, windows, range(1 if choice.quick else choice.seeds), store, progress)
    return show(store, json_path, figure_path)


def _require_windows(case: Case, wanted: Sequence[int]) -> None:
    """ConfigurationError for a window that the case does not have."""
    others = sorted(set(wanted) - set(case.windows))
    if others:
        own, wrong = (", ".join(map(str, windows)) for windows in (case.windows, others))
        raise ConfigurationError(f"{case.name} has windows of {own} steps, not of {wrong}")


def show(store: Store, json_path: Path | None, figure_path: Path | None) -> dict[str, Any]:
    """Table, JSON and figure of the cells that are there."""
    cells = list(store.cells())
    found = rows(cells)
    result = {
        "figures": figures(cells),
        "rows": [asdict(row) for row in found],
        "commit": commit(),
        "commits": sorted({cell.commit for cell in cells}),
        "setting": dict(setting()),
    }
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=1) + "\n")
    _print_and_draw(found, figure_path)
    return result


def redraw(json_path: Path, figure_path: Path | None) -> None:
    """Table and figure from a JSON file of before; nothing is run."""
    try:
        table = json.loads(json_path.read_text())
        found = [Row.of(row) for row in table["rows"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{json_path}: expected what --json wrote ({error})") from error
    _print_and_draw(found, figure_path)


def _print_and_draw(found: list[Row], figure_path: Path | None) -> None:
    from rich.console import Console

    if figure_path is not None and found:
        draw(found, figure_path)
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(terminal(found))


def _keep_compiled(directory: Path) -> None:
    """Compiled functions outlive the process."""
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_compilation_cache_dir", str((directory / "compiled").resolve()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
