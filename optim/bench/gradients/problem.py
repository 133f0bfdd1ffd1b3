"""What a case offers to estimators at one window, and what an estimator gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from optim.forward import Forward
from optim.gradients.linearisation import FlowKind, ForcingKind

Field = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class StepProblem:
    """The same cost for estimators that see the model step by step (`optim.gradients.step_model`).

    `linearisations` are what the case offers to trajectory adjoints, by name: seed -> (flow kind, forcing kind).
    `values(x)` are the parameters "group/entry" of a run, `slopes(x)` their derivatives dtheta/dx [P];
    `weights(states)` gives dJ/du_k of the states 0 … n, a mapping or None each; `scale` are typical sizes of the
    initial fields' errors, which make gradients with respect to them comparable.
    """

    model: Any
    start: dict[str, np.ndarray]
    names: tuple[str, ...]
    values: Callable[[np.ndarray], dict[str, Any]]
    slopes: Callable[[np.ndarray], np.ndarray]
    weights: Callable[[Sequence[Field]], list[Field | None]]
    scale: Mapping[str, float] | None = None
    linearisations: Mapping[str, Callable[[int], tuple[FlowKind, ForcingKind]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """One case at one window of `steps` model steps.

    `points` [S, P] are the test points, `exact(x)` the exact gradient [P] of the cost without prior rows, both in
    prior standard deviations. `exact_field(x)` is the one with respect to initial fields. An estimator of a kind
    that the case offers nothing for is not run on it.
    """

    case: str
    steps: int
    names: tuple[str, ...]
    points: np.ndarray
    exact: Callable[[np.ndarray], np.ndarray]
    forward: Forward | None = None
    step_problem: StepProblem | None = None
    exact_field: Callable[[np.ndarray], Field] | None = None
    surrogates: Mapping[str, Any] | None = None  # field surrogates (`optim.gradients.FieldSurrogate`) by name


@dataclass(frozen=True)
class Estimate:
    """A gradient [P] in scaled coordinates and the steps of the real model that it took, set-up included.

    `field_steps` is what the gradient with respect to initial fields alone would have taken.
    """

    gradient: np.ndarray
    steps: float
    field: Field | None = None
    field_steps: float = 0.0


class Prepared(Protocol):
    """An estimator that is set up for a problem."""

    @property
    def setup_steps(self) -> float:
        """Steps of the real model that went into the set-up, and are paid for once."""
        ...

    @property
    def setup_points(self) -> np.ndarray:
        """Where the real model was run for the set-up, [N, P]; empty without."""
        ...

    def at(self, x: np.ndarray) -> Estimate:
        """The gradient at x."""
        ...


class Estimator(Protocol):
    """A kind of gradient estimator with its settings, as the benchmark runs it."""

    @property
    def name(self) -> str: ...

    @property
    def recipe(self) -> str:
        """All settings: a stored cell with another recipe is made again."""
        ...

    @property
    def random(self) -> bool:
        """Whether its answer depends on the seed."""
        ...

    def serves(self, problem: Problem) -> bool:
        """Whether the problem offers what it needs."""
        ...

    def prepare(self, problem: Problem, seed: int) -> Prepared:
        """Set it up for a problem."""
        ...


class Case(Protocol):
    """A real model with an exact reference."""

    @property
    def name(self) -> str: ...

    @property
    def recipe(self) -> str:
        """Everything that its figures depend on."""
        ...

    @property
    def windows(self) -> tuple[int, ...]: ...

    def opened(self, folder: Path) -> AbstractContextManager[Callable[[int], Problem]]:
        """The problem of a window, while the model is there; the case may keep files in `folder`."""
        ...
