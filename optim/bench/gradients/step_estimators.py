"""Trajectory adjoints as the benchmark runs them: one for each linearisation that a case offers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optim.bench.gradients.problem import Estimate, Problem, StepProblem
from optim.gradients.linearisation import FlowKind, ForcingKind, RecordedRun, linearise
from optim.gradients.probes import OneStepProbes
from optim.gradients.trajectory_adjoint import gradient


@dataclass(frozen=True)
class StepEstimator:
    """The linearisation that a case calls `name`."""

    name: str
    random: bool = False

    @property
    def recipe(self) -> str:
        """The name alone: a case's recipe says what it means by it."""
        return self.name

    def serves(self, problem: Problem) -> bool:
        """Whether the case offers it."""
        return problem.step_problem is not None and self.name in problem.step_problem.linearisations

    def prepare(self, problem: Problem, seed: int) -> PreparedSteps:
        """Train or draw what has to be; the steps of the model that it takes are the set-up."""
        steps = problem.step_problem
        assert steps is not None
        before = steps.model.steps_spent
        flow, forcing = steps.linearisations[self.name](seed)
        spent = float(steps.model.steps_spent - before)
        return PreparedSteps(steps, problem.steps, flow, forcing, spent, spent)


@dataclass
class PreparedSteps:
    """A linearisation that is ready for recorded runs."""

    problem: StepProblem
    steps: int
    flow: FlowKind
    forcing: ForcingKind
    setup_steps: float
    owed: float  # of the set-up, by the first gradient

    @property
    def setup_points(self) -> np.ndarray:
        """None is made anywhere but about the runs at test points."""
        return np.zeros((0, len(self.problem.names)))

    def at(self, x: np.ndarray) -> Estimate:
        """One real run, its linearisation, one sweep backwards."""
        problem, model = self.problem, self.problem.model
        before = model.steps_spent
        run = RecordedRun.of(model, problem.start, problem.values(x), self.steps, problem.names)
        linearisation = linearise(self.flow, self.forcing, run)
        found = gradient(linearisation, run, problem.weights(run.states))
        parameters = np.array([float(found.parameters[name]) for name in problem.names])
        scale = problem.scale or {}
        field = {name: value * scale.get(name, 1.0) for name, value in found.initial.items()}
        steps = float(model.steps_spent - before)
        probed = self.forcing.steps_per_run(run) if isinstance(self.forcing, OneStepProbes) else 0
        owed, self.owed = self.owed, 0.0
        return Estimate(parameters * problem.slopes(x), steps + owed, field, steps - probed)
