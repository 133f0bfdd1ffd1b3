"""Cases `lorenz63` and `lorenz96`: small chaotic models whose exact gradients cost nothing.

lorenz63    the hybrid model of Ouala et al. (2024), 64 copies on the attractor, steps of 0.01 (a Lyapunov time is 110
            steps): factors of the linear closure; the cost compares states with those of the true model
lorenz96    two scales (36 slow variables with 10 fast ones each), 16 copies, steps of 0.005 (a Lyapunov time of the
            slow ones is about 100 steps): forcing, coupling, ratios of the scales; the cost sees the slow ones alone
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bridge.model import Params, Recording, Snapshot
from emulator import lorenz
from optim.bench.gradients.boxes import balanced_cost
from optim.bench.gradients.problem import Problem
from optim.bench.gradients.stepped import SteppedModel, SteppedProblem
from optim.control import Control, ControlVector
from optim.forward import Forward, Window
from optim.gradients.ensemble_flow import Ensemble, EnsembleFlow, Regression
from optim.gradients.euler import Damped, Static, euler
from optim.gradients.layout import Layout
from optim.gradients.other_step import OtherStep
from optim.gradients.probes import OneStepProbes
from optim.gradients.stencil import NOTHING, Stencil, box, grid_stencil
from optim.gradients.step_function import FunctionStepModel
from optim.gradients.step_model import State
from optim.observe import each_record, select

_START = Snapshot("on the attractor", 0, 0)
_REACH = 0.5  # test points lie that far from the prior mean in each parameter, at most


@dataclass(frozen=True)
class LorenzCase:
    """A step function, where it starts, what is tuned and what the estimators may know of it."""

    name: str
    step: Callable[[Any, Any], Any]
    time_step: float
    start: Callable[[], State]
    fixed: Mapping[str, Any]
    controls: ControlVector
    truth: Params
    linearisations: Callable[[FunctionStepModel, State], Mapping[str, Any]]
    points: int = 5
    windows: tuple[int, ...] = (1, 5, 10, 20, 50, 100, 200)
    version: str = field(default="2")

    @property
    def recipe(self) -> str:
        """Everything that its figures depend on, by hand: raise `version` with any change."""
        return f"{self.name}({self.points} points, version {self.version})"

    @contextmanager
    def opened(self, folder: Path) -> Iterator[Callable[[int], Problem]]:
        """The problem of a window."""
        start = self.start()
        model = FunctionStepModel(self.step)
        stepped = SteppedModel(self.name, model, start, self.fixed, self.time_step)
        offered = self.linearisations(model, start)
        yield lambda steps: self._problem(stepped, offered, steps)

    def _problem(self, stepped: SteppedModel, offered: Mapping[str, Any], steps: int) -> Problem:
        points = np.random.default_rng(7).uniform(-_REACH, _REACH, (self.points, len(self.controls)))
        every = max(1, steps // 10)
        record = Recording(("x",), every)
        truth = stepped.run(self.truth, _START, steps, record)
        others = [stepped.run(self.controls.to_params(x), _START, steps, record) for x in points]
        operator = select("x", each_record(steps // every), np.ones(stepped.start["x"].shape, bool))
        cost = balanced_cost([operator], truth.fields, [run.fields for run in others])
        forward = Forward(stepped, self.controls, cost, Window(_START, steps, record))
        return SteppedProblem(stepped, forward, self.step).problem(self.name, points, offered)


def _controls(priors: Mapping[str, tuple[float, float]]) -> ControlVector:
    """Normal priors (mean, spread) of "group/entry", bounded at six spreads."""
    made = []
    for name, (mean, spread) in priors.items():
        group, _, entry = name.partition("/")
        made.append(Control(group, entry, mean - 6.0 * spread, mean + 6.0 * spread, mean, spread))
    return ControlVector(tuple(made))


def _nested(values: Mapping[str, float]) -> Params:
    params: Params = {}
    for name, value in values.items():
        group, entry = name.split("/")
        params.setdefault(group, {})[entry] = value
    return params


# --- Lorenz-63 ---

_H63 = 0.01
_STEP63 = lorenz.runge_kutta(lorenz.lorenz63, _H63)


def lorenz63(points: int = 5) -> LorenzCase:
    """The case with `points` test points."""
    controls = _controls({"closure/a": (0.1, 0.2), "closure/b": (0.1, 0.2), "closure/c": (2.3, 0.3)})
    truth = _nested(lorenz.LORENZ63_TRUTH)
    return LorenzCase("lorenz63", _STEP63, _H63, _start63, {}, controls, truth, _offered63, points)


def _start63() -> State:
    random = np.random.default_rng(0)
    state = {"x": np.array([1.0, 2.0, 20.0]) + random.standard_normal((64, 3))}
    return {"x": np.asarray(lorenz.spun_up(_STEP63, state, lorenz.LORENZ63_TRUTH, 2000)["x"])}


def _offered63(model: FunctionStepModel, start: State) -> Mapping[str, Any]:
    closure, everything = euler(lorenz.lorenz63_closure, _H63), euler(lorenz.lorenz63, _H63)
    probes = OneStepProbes(model, {"closure/a": 1e-4, "closure/b": 1e-4, "closure/c": 1e-4})
    layout = Layout.of(start)
    stencil = grid_stencil(layout, layout, {"x": box(0, 1)}, (False, True))  # all three

    def ensemble(seed: int) -> EnsembleFlow:
        return EnsembleFlow(model, Ensemble(5, {"x": 1e-3}, seed=seed), Regression(stencil, ridge=1e-8))

    return {
        "static": lambda seed: (Static(), closure),
        "straight_through": lambda seed: (closure, closure),
        "euler_jacobian": lambda seed: (everything, closure),
        "static_probes": lambda seed: (Static(), probes),
        "damped_euler_jacobian": lambda seed: (Damped(everything, 1.0, _H63), closure),
        "ensemble_probes": lambda seed: (ensemble(seed), probes),
    }


# --- Lorenz-96 with two scales ---

_H96, _SLOW, _FAST, _COPIES = 0.005, 36, 10, 16
_STEP96 = lorenz.runge_kutta(lorenz.two_scale_lorenz96, _H96)
_TRUTH96 = {"coarse/forcing": 20.0, "fine/h": 1.0, "fine/c": 10.0, "fine/b": 10.0}


def lorenz96(points: int = 5) -> LorenzCase:
    """The case with `points` test points."""
    # The truth lies 1.5 spreads away in each, in directions whose effects on x add up.
    priors = {
        "coarse/forcing": (19.55, 0.3),
        "fine/h": (1.15, 0.1),
        "fine/c": (10.75, 0.5),
        "fine/b": (9.25, 0.5),
    }
    controls, truth = _controls(priors), _nested(_TRUTH96)
    return LorenzCase("lorenz96", _STEP96, _H96, _start96, {}, controls, truth, _offered96, points)


def _start96() -> State:
    random = np.random.default_rng(0)
    slow = 10.0 + random.standard_normal((_COPIES, _SLOW))
    state = {"x": slow, "y": 0.1 * random.standard_normal((_FAST, _COPIES, _SLOW))}
    return {name: np.asarray(v) for name, v in lorenz.spun_up(_STEP96, state, _TRUTH96, 2000).items()}


def coarse_step(state: Any, params: Any) -> Any:
    """The wrong twin: one scale with the cubic closure that Wilks (2005) fitted to this setting; y stays as it is."""
    closure = {"closure/a0": 0.262, "closure/a1": 1.45, "closure/a2": -0.0121, "closure/a3": -0.00713}
    given = {**closure, "closure/offset": 0.0, "coarse/forcing": params["coarse/forcing"]}
    return {"x": _COARSE({"x": state["x"]}, given)["x"]}


_COARSE = lorenz.runge_kutta(lorenz.one_scale_lorenz96, _H96)


def chain_stencil(layout: Layout) -> Stencil:
    """Slow variables see two slow neighbours to each side and their own fast ones; fast ones see two fast neighbours to
    each side along the whole circle, and their slow one."""
    x, y = layout.indices("x"), layout.indices("y")  # [M, K], [J, M, K]
    chain = np.moveaxis(y, 0, -1).reshape(len(x), -1)  # [M, K J]
    slow = np.stack([np.roll(x, shift, -1) for shift in range(-2, 3)], axis=-1).reshape(x.size, 5)
    slow = np.concatenate([slow, np.moveaxis(y, 0, -1).reshape(x.size, _FAST)], axis=1)
    near = np.stack([np.roll(chain, shift, -1) for shift in range(-2, 3)], axis=-1).reshape(chain.size, 5)
    fast = np.concatenate([near, np.repeat(x, _FAST, axis=-1).reshape(-1, 1)], axis=1)
    filled = np.concatenate([fast, np.full((len(fast), slow.shape[1] - fast.shape[1]), NOTHING)], axis=1)
    return Stencil(np.concatenate([slow, filled]), np.concatenate([x.reshape(-1, 1), chain.reshape(-1, 1)]))


def _offered96(model: FunctionStepModel, start: State) -> Mapping[str, Any]:
    probes = OneStepProbes(model, {name: 1e-4 * value for name, value in _TRUTH96.items()})
    everything = euler(lorenz.two_scale_lorenz96, _H96)
    layout = Layout.of(start)
    stencil = chain_stencil(layout)

    def ensemble(members: int, seed: int) -> EnsembleFlow:
        drawn = Ensemble(members, {"x": 1e-3, "y": 1e-4}, seed=seed)
        return EnsembleFlow(model, drawn, Regression(stencil, ridge=1e-6))

    return {
        "static_probes": lambda seed: (Static(), probes),
        "euler_jacobian": lambda seed: (everything, everything),
        "damped_static_probes": lambda seed: (Damped(Static(), 1.7, _H96), probes),
        "wrong_twin_probes": lambda seed: (OtherStep(coarse_step), probes),
        "ensemble_probes": lambda seed: (ensemble(20, seed), probes),
        "small_ensemble_probes": lambda seed: (ensemble(8, seed), probes),
    }
