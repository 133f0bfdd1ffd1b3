"""Gradients of online training: a small model in memory, closures in JAX and torch, differences as the referee."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from bridge.coupling import Coupling
from bridge.errors import ModelBlewUp
from bridge.model import Outcome, OutcomeKind, Params, Recording, Snapshot, Trajectory
from emulator.closure import JaxClosure
from emulator.forced_step import EulerForcing, ForcedStep
from emulator.torch_interop import TorchClosure, coupled_run
from optim.gradients import CoupledWindow

SHAPE, H, STEPS, EVERY = (3, 2, 2), 0.05, 12, 2
START = Snapshot("start", 0, 5)
DECAY = 0.8


def relax(state: Any, forcing: Any) -> Any:
    """One step of the model: each column decays, its levels mix, and colder water mixes less."""
    t = state["t"]
    mixed = jnp.roll(t, 1, axis=0) - t
    return {"t": t + H * (-DECAY * t + mixed * jnp.tanh(t) + forcing["push"])}


class Columns:
    """`relax` as a model with a bridge would run it: coupled at the beginning of each interval."""

    def __init__(self) -> None:
        self.start = np.random.default_rng(1).standard_normal(SHAPE)
        self.state = self.start.copy()
        self.largest = np.inf

    def restore(self, snapshot: Snapshot) -> None:
        self.state = self.start.copy()

    def get(self, name: str) -> np.ndarray:
        return self.state

    def run(
        self, params: Params, snapshot: Snapshot, steps: int, record: Recording, coupling: Coupling | None
    ) -> Trajectory:
        assert coupling is not None
        self.restore(snapshot)
        made: list[Any] = []
        records, forcing = [], np.zeros(SHAPE)
        for number in range(steps):
            interval, inside = divmod(number, coupling.every)
            if not inside:
                if interval + coupling.lag < steps // coupling.every:
                    made.append(coupling.closure(snapshot.step + number, {"t": self.state}))
                if interval >= coupling.lag:
                    forcing = made[interval - coupling.lag]["push"]
            self.state = np.array(relax({"t": self.state}, {"push": forcing})["t"])
            if (number + 1) % record.every == 0:
                records.append(self.state)
            if np.abs(self.state).max() > self.largest:
                outcome = Outcome(OutcomeKind.BLEW_UP, snapshot.step + number + 1)
                return Trajectory(
                    np.arange(len(records)), H, {"t": np.array(records)}, params, outcome, START
                )
        outcome = Outcome(OutcomeKind.COMPLETED, snapshot.step + steps)
        return Trajectory(np.arange(len(records)), H, {"t": np.stack(records)}, params, outcome, snapshot)


class Derivatives:
    """The exact derivatives of `relax` over an interval, about the states and forcing it is given."""

    recorded = ("t",)

    def __init__(self) -> None:
        self._forced = ForcedStep(lambda u, f, *_: relax(relax(u, f), f))

    def linearise(self, states: Any, forcing: Any, first_step: int, params: Params) -> Any:
        return self._forced.about(states, forcing)


def window(model: Columns, lag: int = 0, lineariser: Any = None) -> CoupledWindow:
    chosen = lineariser or Derivatives()
    return CoupledWindow(model, START, STEPS, ("t",), ("push",), chosen, ("t",), EVERY, lag)


def network(weights: Any, fields: Any) -> Any:
    """Column by column: tanh of a linear map, and back."""
    columns = fields["t"].reshape(SHAPE[0], -1).T
    hidden = jnp.tanh(columns @ weights["into"] + weights["bias"])
    return {"push": (hidden @ weights["out"]).T.reshape(SHAPE)}


class Network(torch.nn.Module):
    """The same in torch."""

    def __init__(self, weights: Any) -> None:
        super().__init__()
        for name, values in weights.items():
            self.register_parameter(name, torch.nn.Parameter(torch.from_numpy(values.copy())))

    def forward(self, fields: Any) -> Any:
        columns = fields["t"].reshape(SHAPE[0], -1).T
        hidden = torch.tanh(columns @ self.into + self.bias)
        return {"push": (hidden @ self.out).T.reshape(SHAPE)}


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    random = np.random.default_rng(2)
    shapes = {"into": (SHAPE[0], 4), "bias": (4,), "out": (4, SHAPE[0])}
    return {name: random.standard_normal(shape) for name, shape in shapes.items()}


TARGET = np.random.default_rng(3).standard_normal((STEPS // EVERY, *SHAPE))


def loss(records: Any) -> Any:
    return ((records["t"] - TARGET) ** 2).mean()


def slope(records: Any) -> dict[str, np.ndarray]:
    return {"t": 2.0 * (records["t"] - TARGET) / TARGET.size}


def jax_gradient(weights: Any, chosen: CoupledWindow) -> Any:
    records, pull = chosen.run(JaxClosure(network, weights))
    return pull(slope(records))


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_gradient_is_that_of_differences_of_the_run(weights: Any, lag: int) -> None:
    chosen = window(Columns(), lag)
    gradient = jax_gradient(weights, chosen)
    random = np.random.default_rng(4)
    direction = {name: random.standard_normal(values.shape) for name, values in weights.items()}
    step = 1e-5

    def shifted(by: float) -> float:
        moved = {name: values + by * direction[name] for name, values in weights.items()}
        return loss(chosen.run(JaxClosure(network, moved))[0])

    difference = (shifted(step) - shifted(-step)) / (2 * step)
    slope_along = sum(float(np.vdot(gradient[name], direction[name])) for name in weights)
    # rounding of the loss over the step, 1e-16/1e-5, and its square: far below 1e-7
    assert slope_along == pytest.approx(difference, rel=1e-7)


@pytest.mark.parametrize("lag", [0, 1])
def test_torch_and_jax_have_the_same_gradient(weights: Any, lag: int) -> None:
    module = Network(weights)
    records = coupled_run(window(Columns(), lag), module)
    ((records["t"] - torch.from_numpy(TARGET)) ** 2).mean().backward()
    expected = jax_gradient(weights, window(Columns(), lag))
    for name, parameter in module.named_parameters():
        # the same operations in two libraries: rounding
        assert parameter.grad.numpy() == pytest.approx(np.asarray(expected[name]), rel=1e-10, abs=1e-14)


def test_static_gradient_needs_nothing_of_the_model_and_is_right_for_short_windows(weights: Any) -> None:
    static = jax_gradient(weights, window(Columns(), lineariser=EulerForcing({"push": "t"}, EVERY * H)))
    exact = jax_gradient(weights, window(Columns()))
    a, b = (np.concatenate([np.ravel(g[name]) for name in weights]) for g in (static, exact))
    error = np.linalg.norm(a - b) / np.linalg.norm(b)
    # about half the window times the Jacobian, ½ · 0.6 · 1.5: not small, and not blind either
    assert 0.02 < error < 0.5


def test_a_run_that_blows_up_has_no_gradient(weights: Any) -> None:
    model = Columns()
    model.largest = 0.1
    with pytest.raises(ModelBlewUp):
        window(model).run(JaxClosure(network, weights))


def test_a_module_of_float32_is_refused(weights: Any) -> None:
    module = Network(weights).float()
    with pytest.raises(ValueError, match=r"float64.*\.double\(\)"):
        coupled_run(window(Columns()), module)
    assert TorchClosure(module.double())


def test_a_field_that_the_lineariser_does_not_know_is_refused(weights: Any) -> None:
    _, pull = window(Columns()).run(JaxClosure(network, weights))
    with pytest.raises(ValueError, match=r"knows nothing of \['salt'\]"):
        pull({"salt": np.zeros_like(TARGET)})
