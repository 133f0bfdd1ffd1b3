"""Cases and estimators by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from bridge.errors import ConfigurationError
from optim.bench.gradients.cells import RESPONSE, WIDE_RESPONSE
from optim.bench.gradients.lorenz import lorenz63, lorenz96
from optim.bench.gradients.problem import Case, Estimator, Problem
from optim.bench.gradients.run_estimators import RunEstimator
from optim.bench.gradients.step_estimators import StepEstimator
from optim.bench.gradients.toy_ocean import ToyOcean
from optim.bench.gradients.veros_case import VerosCase
from optim.bench.gradients.veros_linearisations import CORRECTED, POOLED, SINGLE
from optim.forward import Forward
from optim.gradients import Ensemble, FiniteDifference, ResponseSurface, Spsa

Item = TypeVar("Item")
_REACH = 1.25
_SURFACE_RUNS = 96
_FEWER_SURFACE_RUNS = {"veros_acc": 48, "veros_world": 48}  # their response is smoother
_PROBE = 0.1
_LONGER_PROBES = {"veros_acc": 0.3, "veros_world": 0.3}  # but has switches, which are small beside that
#: trajectory adjoints by the names that cases give them
LINEARISATIONS = (
    "static",
    "straight_through",
    "euler_jacobian",
    "damped_euler_jacobian",
    "static_probes",
    "damped_static_probes",
    "wrong_twin_probes",
    "near_twin_probes",
    "ensemble_probes",
    "small_ensemble_probes",
    "fitted_ensemble",
    "network",
    *(f"pooled_ensemble_{members}" for members in POOLED),
    *(f"ensemble_{members}" for members in SINGLE),
    *(f"twin_ensemble_{members}" for members in CORRECTED),
)


def estimators() -> dict[str, Estimator]:
    """All of them, with the settings that the benchmark gives them."""
    made: list[Estimator] = [
        RunEstimator("finite_difference", lambda p, f: FiniteDifference(f, 0.1), "step 0.1"),
        *(_central(name, step) for name, step in ((RESPONSE, 0.1), (WIDE_RESPONSE, 0.2))),
        RunEstimator("spsa", lambda p, f: Spsa(f, 0.1), "step 0.1", random=True),
        RunEstimator(
            "ensemble",
            lambda p, f: Ensemble(f, 2 * len(f.controls), spread=0.3, refresh=0.0),
            "2 P members, spread 0.3",
            random=True,
        ),
        *(_surface(probes) for probes in (0, 2)),
    ]
    made += [StepEstimator(name, random="ensemble" in name or name == "network") for name in LINEARISATIONS]
    return {estimator.name: estimator for estimator in made}


def _central(name: str, step: float) -> Estimator:
    """Differences of real runs, which exact gradients have to be confirmed by."""
    return RunEstimator(name, lambda p, f: FiniteDifference(f, step, central=True), f"step {step}, central")


def _surface(probes: int) -> Estimator:
    """A response surface that learns nothing near the test points."""

    def make(problem: Problem, forward: Forward) -> ResponseSurface:
        runs = _FEWER_SURFACE_RUNS.get(problem.case, _SURFACE_RUNS)
        avoid = tuple(map(tuple, problem.points.tolist()))
        step = _LONGER_PROBES.get(problem.case, _PROBE)
        return ResponseSurface(forward, runs, reach=_REACH, avoid=avoid, probes=probes, step=step)

    settings = (
        f"{_SURFACE_RUNS} runs, {_FEWER_SURFACE_RUNS}, reach {_REACH}, Gaussian processes from 3 starts"
    )
    if not probes:
        return RunEstimator("response_surface", make, settings, random=True)
    return RunEstimator(
        "response_surface_probed",
        make,
        f"{settings}, {probes} probes by uncertainty, steps {_PROBE}, {_LONGER_PROBES}",
        random=True,
    )


def cases(quick: bool) -> dict[str, Callable[[], Case]]:
    """All of them; a quick look has two test points, and no ocean: those take minutes to compile or to spin up."""
    points = 2 if quick else 5
    lorenz: dict[str, Callable[[], Case]] = {
        "lorenz63": lambda: lorenz63(points),
        "lorenz96": lambda: lorenz96(points),
    }
    if quick:
        return lorenz
    return {
        "toy_ocean": lambda: ToyOcean(points),
        **lorenz,
        "veros_acc": lambda: VerosCase("acc", 200, points),
        "veros_world": lambda: VerosCase("world", 60, points, windows=(1, 5, 10, 20)),
    }


def chosen(kind: str, known: Mapping[str, Item], wanted: Sequence[str]) -> list[Item]:
    """Those that are wanted, all without; ConfigurationError suggests the nearest name."""
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}"
            raise ConfigurationError(f"there is no {kind} {name!r}{hint}")
    return [known[name] for name in wanted or known]
