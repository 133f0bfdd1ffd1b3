"""`nemo-bridge bench calibration`: known parameters of VEROS's channel found again, with VEROS as a black box.

Pairs of parameters, from far off, by Gauss-Newton with a response surface or with finite differences (no derivative of
VEROS), beside L-BFGS with the exact gradient. Figures: `<pair>.<way>.runs_to_1_percent`, `.runs`, `.gradients`,
`.error`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optim.bench.commit import commit
from optim.bench.gradients.calibration import Recovery, Referee, recover
from optim.bench.gradients.veros_runs import VerosRuns
from optim.bench.timing import setting
from optim.forward import Forward
from optim.gradients import FiniteDifference, GradientEstimator, ResponseSurface
from optim.minimisers import LBFGS, LevenbergMarquardt, Minimiser

_STEPS = 20
_BUDGET = 120
_SETUP_RUNS = 32
_REACH = 2.0  # prior standard deviations; the starts lie within
_STEP = 0.05


@dataclass(frozen=True)
class Pair:
    """Settings with their prior spreads (logarithms of factors), and the factors from the truth to the start."""

    label: str
    priors: tuple[tuple[str, float], ...]
    factors: tuple[float, ...]

    @property
    def start(self) -> np.ndarray:
        """In prior standard deviations from the truth."""
        return np.log(self.factors) / np.array([spread for _, spread in self.priors])


_FRICTION = (("A_h", 0.4), ("r_bot", 1.2))
PAIRS = (
    Pair("A_h_r_bot_low", _FRICTION, (1.72, 0.1)),
    Pair("A_h_r_bot_high", _FRICTION, (1.72, 10.0)),
    Pair("c_k_c_eps", (("c_k", 0.4), ("c_eps", 0.4)), (1.5, 0.6)),
)


def main(directory: Path, json_path: Path | None, progress: Callable[[str], None]) -> dict[str, Any]:
    """Make the recoveries that `directory` does not hold yet; figures of all to `json_path` if given."""
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_compilation_cache_dir", str((directory / "compiled").resolve()))
    channel = VerosRuns.spun_up(("A_h", "r_bot", "c_k", "c_eps"))
    figures: dict[str, float] = {}
    commits = set()
    for pair in PAIRS:
        for name in WAYS:
            found, made_by = _kept(directory / f"{pair.label}.{name}.json", pair, name, channel)
            progress(_line(pair.label, name, found))
            figures |= _figures(f"{pair.label}.{name}", found)
            commits.add(made_by)
    result = {
        "figures": figures,
        "commit": commit(),
        "commits": sorted(commits),
        "setting": dict(setting(steps=_STEPS)),
    }
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=1) + "\n")
    return result


def _kept(path: Path, pair: Pair, way: str, channel: VerosRuns) -> tuple[Recovery, str]:
    """The recovery in the file, made first if it is not there or was made otherwise; and the commit that made it."""
    recipe = f"{pair} {way} {_STEPS} {_BUDGET} {_SETUP_RUNS} {_REACH} {_STEP}"
    if path.is_file():
        table = json.loads(path.read_text())
        if table["recipe"] == recipe:
            return Recovery(**table["recovery"]), table["commit"]
    found = _recovered(pair, way, channel)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(
        json.dumps({"recipe": recipe, "commit": commit(), "recovery": asdict(found)}, indent=1) + "\n"
    )
    part.replace(path)
    return found, commit()


def _recovered(pair: Pair, way: str, channel: VerosRuns) -> Recovery:
    size = len(pair.priors)
    controls, truth = channel.controls(pair.priors), np.zeros(size)
    corners = np.vstack([np.eye(size), -np.eye(size)])
    forward = channel.forward(controls, truth, corners, _STEPS)
    estimator, minimiser = WAYS[way](channel, forward)
    return recover(estimator, minimiser, pair.start, controls.to_values(truth), _BUDGET)


_NEWTON = LevenbergMarquardt(cost_tolerance=1e-12, step_tolerance=1e-6)
Way = Callable[[VerosRuns, Forward], tuple[GradientEstimator, Minimiser]]
WAYS: dict[str, Way] = {
    "response_surface": lambda _, forward: (ResponseSurface(forward, _SETUP_RUNS, reach=_REACH), _NEWTON),
    "finite_difference": lambda _, forward: (FiniteDifference(forward, _STEP), _NEWTON),
    "exact_gradient": lambda channel, forward: (
        Referee(forward, lambda x: channel.exact(forward, x)),
        LBFGS(),
    ),
}


def _line(pair: str, name: str, found: Recovery) -> str:
    runs = "never" if found.runs is None else f"after {found.runs} runs"
    return f"{pair} {name}: 1 % {runs}; {found.error:.1e} after {found.all_runs}, {found.ending}"


def _figures(prefix: str, found: Recovery) -> dict[str, float]:
    values = {
        f"{prefix}.error": found.error,
        f"{prefix}.runs": float(found.all_runs),
        f"{prefix}.gradients": float(found.gradients),
    }
    if found.runs is not None:
        values[f"{prefix}.runs_to_1_percent"] = float(found.runs)
    return values
