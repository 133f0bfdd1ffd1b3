"""Train a network in torch or in JAX through real runs of the Fortran gyre that it takes part in.

    python examples/closure/train.py torch
    python examples/closure/train.py jax

It starts the job with mpirun itself. The same command goes on where it was stopped; with another --directory it starts
afresh. What comes of it: state.*, result.json, loss.png and tendency.png in the directory.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bridge import launch, namelist, watch
from bridge.models import toy_ocean
from bridge.session import Session
from optim.cli.server import enable_float64, live_session

GYRE = Path(__file__).resolve().parent.parent / "gyre" / "namelist_cfg"
RESULT, HISTORY = "result.json", "history.json"
LEARNERS = {
    "torch": ("torch_mixing", "TorchLearner", "state.pt"),
    "jax": ("jax_mixing", "JaxLearner", "state.npz"),
}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("framework", choices=LEARNERS)
    parser.add_argument("--directory", type=Path, help="default: runs/closure_<framework>")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--windows", type=int, default=3, help="to learn from, one more is for the test")
    parser.add_argument("--derivatives", choices=("static", "columns", "dynamics", "exact"), default="static")
    parser.add_argument("--rate", type=float, default=0.02, help="learning rate of Adam")
    parser.add_argument(
        "--spin-up", type=int, default=2160, help="steps before the first window (half a year)"
    )
    parser.add_argument("--spacing", type=int, default=120, help="steps from window to window")
    parser.add_argument("--ranks", type=int, default=1, help="of the model")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    chosen.directory = (chosen.directory or Path("runs") / f"closure_{chosen.framework}").absolute()
    return chosen


def main() -> None:
    chosen = arguments()
    if launch.inside_mpi_job():
        enable_float64()
        with live_session(300.0) as ocean:
            train(ocean, chosen)
        return
    folder = chosen.directory / "model"
    settings = {"namrun": {"nn_write": 0}, "namdom": {"ln_meshmask": True}}
    toy_ocean.prepare(folder, namelist.apply(toy_ocean.read_namelist(GYRE), settings), GYRE.parent)
    server = [sys.executable, *sys.argv]
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} epochs"),
        TimeElapsedColumn(), console=Console(stderr=True),
    ) as progress:  # fmt: skip
        task = progress.add_task("loss", total=chosen.epochs)
        job = launch.server_and_models(server, toy_ocean.argv(), chosen.ranks, [folder])
        code = watch.run(job, lambda: _show(progress, task, chosen.directory / HISTORY))
        _show(progress, task, chosen.directory / HISTORY)
    if code == 0:
        print((chosen.directory / RESULT).read_text())
    sys.exit(code)


def _show(progress: Progress, task: Any, history: Path) -> None:
    """What the server has written down since."""
    try:
        losses = json.loads(history.read_text())
    except (OSError, ValueError):
        return
    if losses:
        progress.update(task, completed=len(losses), description=f"loss {losses[-1]:.4f}")


def train(ocean: Session, chosen: argparse.Namespace) -> None:
    """The server's side: windows, epochs, the check, the pictures."""
    from gyre_windows import learned_tendency, missing_tendency, prepare
    from pictures import loss_history, tendencies

    directory = chosen.directory
    problem = prepare(
        ocean, directory / "model", chosen.derivatives, chosen.windows, chosen.spin_up, chosen.spacing
    )
    module, name, file = LEARNERS[chosen.framework]
    learner = getattr(importlib.import_module(module), name)(problem.columns, chosen.rate, chosen.seed)
    if (directory / file).is_file():
        learner.load(directory / file)
    while len(learner.history) < chosen.epochs:
        learner.descend(problem.windows)
        learner.save(directory / file)
        _write(directory / HISTORY, learner.history)
    result = {
        "framework": chosen.framework,
        "derivatives": chosen.derivatives,
        "epochs": len(learner.history),
        "loss_first": learner.history[0],
        "loss_last": learner.history[-1],
        "loss_test": problem.test.loss_of(learner.closure),
        **check(learner, problem.windows, chosen.seed),
    }
    true = missing_tendency(ocean, problem.test)
    learned = learned_tendency(ocean, problem.test, learner.closure)
    wet = problem.columns.wet
    result["tendency_correlation"] = float(np.corrcoef(true[wet], learned[wet])[0, 1])
    loss_history(learner.history, directory / "loss.png")
    tendencies(true, learned, problem.columns, directory / "tendency.png")
    _write(directory / RESULT, result)


def check(learner: Any, windows: list[Any], seed: int) -> dict[str, float]:
    """The gradient's slope along itself and along the way that training went, and that of real runs (differences).

    At weights on the way to the trained ones, where the loss still falls: at a minimum there is no slope to compare.
    """
    trained = learner.vector()
    start = type(learner)(learner.columns, 1.0, seed).vector()
    middle = start + 0.5 * (trained - start)
    learner.set_vector(middle)
    gradient = learner.gradient_vector(windows)
    figures = {}
    for name, direction in (("gradient", gradient), ("training", trained - start)):
        unit = direction / np.linalg.norm(direction)
        difference = _slope(learner, windows, middle, unit)
        figures[f"slope_along_{name}"] = float(gradient @ unit)
        figures[f"difference_along_{name}"] = difference
        figures[f"relative_error_along_{name}"] = abs(float(gradient @ unit) / difference - 1.0)
    learner.set_vector(trained)
    return figures


def _slope(
    learner: Any, windows: list[Any], centre: np.ndarray, unit: np.ndarray, step: float = 0.02
) -> float:
    """Central difference of the mean loss of real runs."""
    ends = []
    for sign in (1.0, -1.0):
        learner.set_vector(centre + sign * step * unit)
        ends.append(np.mean([window.loss_of(learner.closure) for window in windows]))
    return float((ends[0] - ends[1]) / (2.0 * step))


def _write(path: Path, content: Any) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=2))
    os.replace(part, path)


if __name__ == "__main__":
    main()
