"""How wrong Euler gradient approximations are on Lorenz-63, against the number of steps and against the step.

First panel: the setting of Ouala et al. (2024, Commun. Phys. 7:402), case Lorenz-63 with Runge-Kutta steps of 0.01: the
physics lacks −beta z, an untrained network stands in its place, the cost is the mean square of all states. Relative
error: the mean over batches and weights of |g~ − g|/|g|, weights with |g| < 1e-3 left out. Theirs is one random
network; here are several, with their spread. A single weight with a small derivative can decide that mean, so the
relative error of the whole vector, |g~ − g| / |g| in the mean over batches, is given beside it (`…_of_norm`).

Second panel: the distinction that the theorem makes and that is easily lost. At a *fixed number of steps* n the error
of the static kind falls with h. In a *fixed window* T = n h it does not: it stays of the order of T |dF/du| / 2.

    python -m optim.bench.gradients.lorenz63_errors --json FILE --figure FILE
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from emulator import lorenz
from optim.gradients.euler import Static, euler
from optim.gradients.linearisation import FlowKind, ForcingKind, RecordedRun, linearise
from optim.gradients.other_step import OtherStep
from optim.gradients.step_function import FunctionStepModel
from optim.gradients.step_model import State
from optim.gradients.trajectory_adjoint import gradient

STEP = 0.01
LENGTHS = (5, 15, 25, 35, 40, 50, 100, 300, 500, 1000)
SIZES = (0.02, 0.01, 0.005, 0.0025)
FIXED_STEPS, FIXED_WINDOW = 20, 0.1
BATCH = 128
_SMALL = 1e-3  # derivatives below this are left out of relative errors by weight
KINDS = ("static", "straight_through", "euler_jacobian")


def hybrid(state: Any, params: Any) -> Any:
    """Physics without −beta z, and the network."""
    rates = lorenz.lorenz63_physics(state, params)["x"]
    return {"x": rates + lorenz.lorenz63_network(state, params)["x"]}


def attractor_states(batches: int, step: float = STEP) -> list[State]:
    """Batches of consecutive states on the attractor of the true model, `BATCH` each."""
    advance = lorenz.runge_kutta(lorenz.lorenz63, step)
    truth = {name: jnp.asarray(value) for name, value in lorenz.LORENZ63_TRUTH.items()}
    start = lorenz.spun_up(advance, {"x": np.array([[8.0, 0.0, 30.0]])}, truth, int(5.0 / step))

    def body(state: Any, _: None) -> tuple[Any, Any]:
        return advance(state, truth), state["x"][0]

    states = np.asarray(jax.lax.scan(body, start, None, length=batches * BATCH)[1])
    return [{"x": part} for part in np.split(states, batches)]


class Setting:
    """The hybrid model at one step size, and the linearisations that are compared on it."""

    def __init__(self, step: float) -> None:
        advance = lorenz.runge_kutta(hybrid, step)
        network, everything, exact = (
            euler(lorenz.lorenz63_network, step),
            euler(hybrid, step),
            OtherStep(advance),
        )
        self.model = FunctionStepModel(advance)
        self.kinds: dict[str, tuple[FlowKind, ForcingKind]] = {
            "exact": (exact, exact),
            "static": (Static(), network),
            "straight_through": (network, network),
            "euler_jacobian": (everything, network),
        }

    def errors(
        self, states: Sequence[State], weights: Mapping[str, np.ndarray], steps: int
    ) -> dict[str, float]:
        """Relative errors of each kind in windows of `steps` steps, by weight and of the norm."""
        by_weight: dict[str, list[np.ndarray]] = {kind: [] for kind in KINDS}
        of_norm: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for start in states:
            run = RecordedRun.of(self.model, start, weights, steps, tuple(weights))
            gradients = {name: _flat(run, *kind) for name, kind in self.kinds.items()}
            exact = gradients.pop("exact")
            counts = np.abs(exact) >= _SMALL
            for kind, value in gradients.items():
                by_weight[kind].append(np.abs(value - exact)[counts] / np.abs(exact)[counts])
                of_norm[kind].append(float(np.linalg.norm(value - exact) / np.linalg.norm(exact)))
        found = {kind: float(np.concatenate(values).mean()) for kind, values in by_weight.items()}
        return found | {f"{kind}_of_norm": float(np.mean(values)) for kind, values in of_norm.items()}


def _flat(run: RecordedRun, flow: FlowKind, forcing: ForcingKind) -> np.ndarray:
    """Gradient of the mean square of all states with respect to all weights."""
    count = len(run.states) * run.states[0]["x"].size
    sensitivities = [{"x": 2.0 * state["x"] / count} for state in run.states]
    found = gradient(linearise(flow, forcing, run), run, sensitivities).parameters
    return np.concatenate([np.ravel(found[name]) for name in run.names])


def measure(seeds: Sequence[int], batches: int, lengths: Sequence[int] = LENGTHS) -> dict[str, Any]:
    """Errors by kind: against n at h = 0.01, against h at fixed n, against h in a fixed window; [seed, …] each."""
    states, setting = attractor_states(batches), Setting(STEP)
    networks = [lorenz.network_weights(np.random.default_rng(seed)) for seed in seeds]
    settings = {size: setting if size == STEP else Setting(size) for size in SIZES}
    at_fixed_steps = [[settings[h].errors(states, w, FIXED_STEPS) for h in SIZES] for w in networks]
    in_fixed_window = [
        [settings[h].errors(states, w, round(FIXED_WINDOW / h)) for h in SIZES] for w in networks
    ]
    return {
        "lengths": list(lengths),
        "sizes": list(SIZES),
        "against_n": _table([[setting.errors(states, w, n) for n in lengths] for w in networks]),
        "fixed_steps": _table(at_fixed_steps),
        "fixed_window": _table(in_fixed_window),
    }


def _table(rows: list[list[dict[str, float]]]) -> dict[str, list[list[float]]]:
    return {kind: [[errors[kind] for errors in row] for row in rows] for kind in rows[0][0]}


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Both panels; lines are medians over networks, shades their whole range."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11.0, 4.2), layout="constrained")
    for number, kind in enumerate(KINDS):
        _line(left, result["lengths"], result["against_n"][kind], f"C{number}", kind.replace("_", " "))
    for kind, colour in (("static", "C0"), ("euler_jacobian", "C2")):
        label = kind.replace("_", " ")
        steps, window = (result[name][f"{kind}_of_norm"] for name in ("fixed_steps", "fixed_window"))
        _line(right, result["sizes"], steps, colour, f"{label}, n = {FIXED_STEPS}", "--")
        _line(right, result["sizes"], window, colour, f"{label}, n h = {FIXED_WINDOW}")
    left.axhline(1.0, color="0.6", linewidth=0.8)
    left.set(xlabel="steps n of 0.01", ylabel="relative error by weight", xscale="log", yscale="log")
    right.set(xlabel="step h", ylabel="relative error of the gradient", xscale="log", yscale="log")
    right.set_xticks(result["sizes"], [f"{size:g}" for size in result["sizes"]], minor=False)
    right.minorticks_off()
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _line(axes: Any, x: Sequence[float], rows: Any, colour: str, label: str, style: str = "-") -> None:
    values = np.array(rows)
    axes.plot(x, np.median(values, axis=0), style, color=colour, marker="o", markersize=4, label=label)
    axes.fill_between(x, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.12, linewidth=0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the figures as JSON, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--networks", type=int, default=5)
    parser.add_argument("--batches", type=int, default=8)
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    result = measure(range(options.networks), options.batches)
    for kind, rows in result["against_n"].items():
        medians = ", ".join(
            f"{n}: {m:.2f}" for n, m in zip(result["lengths"], np.median(rows, axis=0), strict=True)
        )
        print(f"{kind:24s} {medians}")
    for name in ("fixed_steps", "fixed_window"):
        for kind, rows in result[name].items():
            print(
                f"{name:13s} {kind:24s} {np.round(np.median(rows, axis=0), 4).tolist()} at h = {result['sizes']}"
            )
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.figure:
        draw(result, options.figure)


if __name__ == "__main__":
    main()
