"""Small in-process models for the tests of `optim`: real models with parameters, steps and blow-ups."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bridge.fields import FieldSpec
from bridge.model import Grid, ModelDescription, Outcome, OutcomeKind, Params, Recording, Snapshot, Trajectory
from emulator.sweep import Sweep, backward_sweep, forward_sweep
from emulator.tangent_linear import TangentLinear
from optim.control import Control, ControlVector
from optim.cost import Cost, Observations
from optim.forward import Forward, Window
from optim.observe import ObservationOperator, each_record, select

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode does not: for `import diffusion_model`

START = Snapshot("start", 0, 0)
GROUP = "namtest"


class StepModel:
    """A model x_{n+1} = step(x_n, θ) on one row of points; field "x" is [record, 1, point].

    A run whose state exceeds `limit` or is not a number ends with BLEW_UP, as the ocean model's does.
    """

    def __init__(self, step: Callable, initial: Any, defaults: dict[str, float], limit: float = 1e6) -> None:
        self.step, self.initial, self.defaults, self.limit = (
            step,
            jnp.asarray(initial, float),
            defaults,
            limit,
        )
        self.calls = 0
        self._steps = jax.jit(
            lambda theta, n: jax.lax.scan(lambda x, _: (step(x, theta),) * 2, self.initial, None, length=n)[
                1
            ],
            static_argnums=1,
        )

    def theta(self, params: Params) -> np.ndarray:
        """Parameter vector in the order of the defaults."""
        values = self.defaults | {entry: float(value) for entry, value in params.get(GROUP, {}).items()}
        return np.array([values[entry] for entry in self.defaults])

    def describe(self) -> ModelDescription:
        size = self.initial.size
        return ModelDescription(
            "small", "1", 1.0, Grid(size, 1, 1, {"tmask": np.ones((1, 1, size))}),
            {"x": FieldSpec("x", "x", "", "1", "T", ("j", "i"))},
            {f"{GROUP}/{entry}": value for entry, value in self.defaults.items()},
        )  # fmt: skip

    def run(self, params: Params, snapshot: Snapshot, steps: int, record: Recording) -> Trajectory:
        self.calls += 1
        states = np.asarray(self._steps(self.theta(params), steps))
        good = np.cumprod(np.all(np.abs(states) < self.limit, axis=1)).astype(bool)
        outcome = Outcome(OutcomeKind.COMPLETED, steps)
        if not good.all():
            outcome = Outcome(OutcomeKind.BLEW_UP, int(good.sum()) + 1, "x left its range")
        kept = np.arange(record.every, int(good.sum()) + 1, record.every)
        fields = dict.fromkeys(record.fields, states[kept - 1][:, None, :])
        return Trajectory(kept, 1.0, fields, params, outcome, snapshot)


class StepSurrogate:
    """Tangent linear of another step (θ -> state) along the states that the model recorded."""

    name = "step"
    recording = Recording(("x",), 1)

    def __init__(self, model: StepModel, step: Callable, flow: str = "model") -> None:
        self.model = model
        sweep = Sweep(lambda u, theta, _: step(u, theta), flow=flow)
        # compiled once, with the recorded states as arguments: a closure would compile anew at every x
        self._mv = jax.jit(lambda states, theta, v: forward_sweep(sweep, states, None, theta, v))
        self._rmv = jax.jit(lambda states, theta, w: backward_sweep(sweep, states, None, theta, w))

    def linearise(self, trajectory: Trajectory, names: Sequence[str], fields: Sequence[str]) -> TangentLinear:
        recorded = jnp.asarray(trajectory.fields["x"][:, 0])
        states = jnp.concatenate([self.model.initial[None], recorded[:-1]])
        order = [list(self.model.defaults).index(name.split("/")[1]) for name in names]
        theta = jnp.asarray(self.model.theta(trajectory.params))
        shape = trajectory.fields["x"].shape

        def mv(v: Any) -> dict[str, Any]:
            tangent = jnp.zeros_like(theta).at[jnp.array(order)].set(jnp.asarray(v))
            return {"x": self._mv(states, theta, tangent).reshape(shape)}

        def rmv(w: dict[str, Any]) -> Any:
            forcing = jnp.asarray(w["x"]).reshape(states.shape)
            return self._rmv(states, theta, forcing)[jnp.array(order)]

        return TangentLinear(mv, rmv, jax.vmap(mv))


def lorenz96(x: Any, theta: Any, h: float = 0.01) -> Any:
    """One RK4 step of Lorenz (1996) with forcing θ0, linear damping θ1 and a quadratic closure θ2."""

    def tendency(x: Any) -> Any:
        return (jnp.roll(x, -1) - jnp.roll(x, 2)) * jnp.roll(x, 1) - theta[1] * x + theta[0] - theta[2] * x**2

    k1 = tendency(x)
    k2 = tendency(x + 0.5 * h * k1)
    k3 = tendency(x + 0.5 * h * k2)
    k4 = tendency(x + h * k3)
    return x + h / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)


def control(entry: str, mean: float, spread: float, lower: float, upper: float, transform: str) -> Control:
    return Control(GROUP, entry, lower, upper, mean, spread, transform)


def forward_of(model: Any, controls: ControlVector, blocks: Any, steps: int, **options: Any) -> Forward:
    prior = options.pop("prior", False)
    window = Window(START, steps, Recording(("x",), 1))
    return Forward(model, controls, Cost(tuple(blocks), prior), window, **options)


def lorenz_case(steps: int = 20, ledger: Any = None, prior: bool = False) -> SimpleNamespace:
    """Twin experiment with L96 over `steps`·0.01 time units (a Lyapunov time is about 0.5): truth (8, 1, 0.05)."""
    random = np.random.default_rng(0)
    initial = 3.0 + 3.0 * random.standard_normal(36)
    model = StepModel(lorenz96, initial, {"forcing": 8.0, "damping": 1.0, "closure": 0.05})
    controls = ControlVector(
        (
            control("forcing", 6.0, 2.0, 1.0, 20.0, "linear"),
            control("damping", 0.6, 0.3, 0.1, 5.0, "log"),
            control("closure", 0.02, 0.02, 0.0, 0.2, "logit"),
        )
    )
    truth = {GROUP: {"forcing": 8.0, "damping": 1.0, "closure": 0.05}}
    data = model.run(truth, START, steps, Recording(("x",), 1)).fields
    operator = select("x", each_record(steps)[4::5], np.ones((1, 36), bool))
    values = np.asarray(operator(data))
    block = Observations(operator, values, np.full(values.size, 0.1), "x")
    model.calls = 0
    forward = forward_of(model, controls, [block], steps, ledger=ledger, prior=prior)
    return SimpleNamespace(model=model, controls=controls, truth=truth, forward=forward, operator=operator)


def least_squares_case(name: str) -> SimpleNamespace:
    """Residual problems with a known minimum, as a model of one step whose field is the residual's model part."""
    times = np.linspace(0.0, 2.0, 15)
    random = np.random.default_rng(1)
    matrix = random.standard_normal((15, 3))
    problems: dict[str, tuple[Callable, list[float], list[float]]] = {
        "linear": (lambda t: jnp.asarray(matrix) @ t, [0.5, -1.0, 2.0], [0.0, 0.0, 0.0]),
        "exponential": (lambda t: t[0] * jnp.exp(-t[1] * times), [2.0, 1.5], [1.0, 0.7]),
        # Rosenbrock (1960) as a residual: a curved valley, minimum at (1, 1)
        "rosenbrock": (lambda t: jnp.stack([10.0 * (t[1] - t[0] ** 2), t[0]]), [1.0, 1.0], [-0.2, 0.6]),
    }
    function, minimum, start = problems[name]
    entries = {f"t{n}": value for n, value in enumerate(start)}
    size = int(np.asarray(function(jnp.asarray(minimum))).size)
    model = StepModel(lambda x, theta: function(theta), np.zeros(size), entries)
    controls = ControlVector(
        tuple(control(e, v, 1.0, v - 50.0, v + 50.0, "linear") for e, v in entries.items())
    )
    operator = ObservationOperator("x", each_record(1), np.arange(size)[:, None], np.ones((size, 1)))
    values = np.asarray(function(jnp.asarray(minimum)))
    block = Observations(operator, values, np.full(size, 1.0), name)
    forward = forward_of(model, controls, [block], 1)
    return SimpleNamespace(
        model=model, controls=controls, forward=forward, minimum=np.array(minimum), function=function
    )


@pytest.fixture
def lorenz() -> Callable[..., SimpleNamespace]:
    """Factory of L96 twin experiments."""
    return lorenz_case


@pytest.fixture
def least_squares() -> Callable[..., SimpleNamespace]:
    """Factory of small least-squares problems with known minima."""
    return least_squares_case


@pytest.fixture
def step_surrogate() -> type[StepSurrogate]:
    """Surrogate made of a step function."""
    return StepSurrogate


@pytest.fixture
def biased_lorenz() -> Callable:
    """L96 whose derivative with respect to state and parameters is 20-30 % off: a structurally wrong twin."""

    def step(x: Any, theta: Any) -> Any:
        advance = lorenz96(x, theta, 0.008)
        return advance + 0.002 * (1.1 * theta[0] - 0.8 * theta[1] * x)

    return step
