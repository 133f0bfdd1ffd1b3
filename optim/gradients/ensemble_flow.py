"""The flow from an ensemble: perturbed single steps of the real model, regressed locally on the grid.

Ensemble tangent linear model (Frolov & Bishop 2016, Mon. Wea. Rev. 144:1373; Allen et al. 2017), with three additions:

    base      what is regressed is what another linearisation leaves over; without one, what the identity leaves over
    modes     what crosses the grid in one step (the free surface of a split-explicit model) is regressed first, on
              wide features of the state; its value *after* the step is then an input of the local regressions, which
              makes the rest local:   z' = G Phi u,   u' = base u + L [u; features; z']
    pool      consecutive steps share their coefficients, so that their members add up

In each cell several times as many members are wanted, over a pool, as it has inputs. With fewer, coefficients are
noise, and the noise of one step multiplies that of the next: a long sweep blows up before a short one looks wrong.
`unexplained` tells beforehand, from members of another seed: what it leaves should be small against one over the steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from optim.gradients.euler import Static
from optim.gradients.layout import Derived, Layout, stacked_matrix
from optim.gradients.linearisation import Flow, FlowKind, Needs, RecordedRun
from optim.gradients.local_regression import LocalOperator, fit
from optim.gradients.stencil import Stencil
from optim.gradients.step_model import State, StepModel, difference, displaced, step_each


@dataclass(frozen=True)
class Modes:
    """What is regressed globally: fields `after` the step (linear in the state) on features `before` it."""

    before: tuple[Derived, ...] = ()
    after: tuple[Derived, ...] = ()
    ridge: float = 1e-4


@dataclass(frozen=True)
class Ensemble:
    """How the ensemble is drawn: `members` at each step, in pools of `pool` steps, all from `seed`.

    `spread` is the standard deviation of the perturbations by field, in its units, a number or an array: such that
    each field's spread makes changes of the order of the others' spreads within a step; `uniform` is the part of their
    variance that is the same at all levels of a column (of fields with levels). `wet` masks what is perturbed and
    regressed, by field; all of it where a field has none.
    """

    members: int
    spread: Mapping[str, Any]
    pool: int = 1
    seed: int = 0
    uniform: float = 0.0
    wet: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.members < 1 or self.pool < 1 or not 0.0 <= self.uniform < 1.0:
            raise ValueError(
                f"expected members >= 1, pool >= 1 and uniform in [0, 1), got {self.members}, {self.pool}, "
                f"{self.uniform}"
            )

    def draw(self, layout: Layout, k: int) -> list[State]:
        """Perturbations at step k, the same at every call."""
        random = np.random.default_rng([self.seed, k])
        return [self._one(layout, random) for _ in range(self.members)]

    def _one(self, layout: Layout, random: np.random.Generator) -> State:
        found = {}
        for name, shape in layout.shapes.items():
            values = random.standard_normal(shape)
            if len(shape) == 3 and self.uniform:
                column = random.standard_normal(shape[1:])
                values = np.sqrt(1.0 - self.uniform) * values + np.sqrt(self.uniform) * column
            found[name] = self.spread[name] * values * self.wet.get(name, 1.0)
        return found


@dataclass(frozen=True)
class Regression:
    """Where the local regressions look: stencil over the state, then `features` of it, then the modes after the step.

    `extended` is the layout that the stencil's inputs are indices of. `outliers`: see `local_regression`; pools want
    it, since a step that throws a switch in a cell would spoil the others of its pool there.
    """

    stencil: Stencil
    features: tuple[Derived, ...] = ()
    modes: Modes = Modes()
    ridge: float = 1e-4
    outliers: float = np.inf

    @staticmethod
    def extended(layout: Layout, features: Sequence[Derived] = (), modes: Modes = Modes()) -> Layout:
        """State, features and modes, in this order."""
        more = {derived.name: derived.shape for derived in (*features, *modes.after)}
        return Layout({**layout.shapes, **more})


@dataclass(frozen=True)
class EnsembleFlow:
    """The flow from an ensemble of perturbed steps about a recorded run; made anew for every run.

    `fields` are those that are perturbed and regressed (default: all); the others are left to the base.
    """

    model: StepModel
    ensemble: Ensemble
    regression: Regression
    base: FlowKind = Static()
    fields: tuple[str, ...] = ()

    @property
    def needs(self) -> Needs:
        """States that can be set, single steps from them, and what the base needs."""
        return Needs(state_access=True, probes=True, tendency=self.base.needs.tendency)

    def steps_per_run(self, run: RecordedRun) -> int:
        """Steps of the model that `flow` takes."""
        return self.ensemble.members * run.steps

    def layout(self, state: State) -> Layout:
        """Of what is perturbed and regressed."""
        return Layout.of({name: state[name] for name in self.fields} if self.fields else state)

    def flow(self, run: RecordedRun) -> Flow:
        """Fit along `run`, for `run`."""
        return self.fit(run).flow(run)

    def fit(self, run: RecordedRun) -> FittedFlow:
        """Make the ensemble and its regressions, one pool of steps after the other."""
        layout, base = self.layout(run.states[0]), self.base.flow(run)
        operators = Operators.of(self.regression, layout, layout.filled(self.ensemble.spread))
        coefficients, before, after = [], [], []
        for first in range(0, run.steps, self.ensemble.pool):
            pool = range(first, min(first + self.ensemble.pool, run.steps))
            changes, responses, left = self._samples(run, layout, base, pool)
            after_step = responses @ operators.after.T
            inputs = np.concatenate([changes, changes @ operators.features.T, after_step], axis=1)
            settings = self.regression
            coefficients.append(fit(inputs, left, settings.stencil, settings.ridge, settings.outliers))
            before.append(changes @ operators.before.T)
            after.append(after_step)
        modes = _ridge_map(np.concatenate(before), np.concatenate(after), self.regression.modes.ridge)
        return FittedFlow(self.base, operators, coefficients, modes, self.ensemble.pool)

    def _samples(
        self, run: RecordedRun, layout: Layout, base: Flow, pool: range
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Perturbations, responses, and what the base leaves of them: [members of the pool, size] in spreads."""
        scale = layout.filled(self.ensemble.spread)
        rows: tuple[list, list, list] = ([], [], [])
        for k in pool:
            drawn = self.ensemble.draw(layout, k)
            after = step_each(
                self.model, [displaced(run.states[k], d) for d in drawn], [run.params] * len(drawn)
            )
            for change, state in zip(drawn, after, strict=True):
                response = difference(state, run.states[k + 1])
                expected = base.tangent(k, {**run.no_change(), **change})
                left = {name: value - expected[name] for name, value in response.items()}
                for kept, fields in zip(rows, (change, response, left), strict=True):
                    kept.append((layout.flat(fields) / scale).astype(np.float32))
        changes, responses, left_over = (np.stack(kept) for kept in rows)
        return changes, responses, left_over


@dataclass(frozen=True)
class Operators:
    """The fixed linear maps of a regression, on flat states in spreads [size]; outputs of order one."""

    layout: Layout
    scale: np.ndarray
    stencil: Stencil
    features: sparse.csr_matrix
    before: sparse.csr_matrix
    after: sparse.csr_matrix

    @classmethod
    def of(cls, regression: Regression, layout: Layout, scale: np.ndarray) -> Operators:
        """The maps of `regression`; each row of theirs has length one, the spread of its output.

        ValueError unless all spreads are positive, on land too: everything is divided by them.
        """
        if not np.all(scale > 0.0):
            raise ValueError(f"expected positive spreads, got {scale.min()} in {np.sum(scale <= 0.0)} places")
        parts = (regression.features, regression.modes.before, regression.modes.after)
        matrices = [_unit_rows(stacked_matrix(part, layout.size) @ sparse.diags(scale)) for part in parts]
        return cls(layout, scale, regression.stencil, *matrices)


@dataclass(frozen=True)
class FittedFlow:
    """What an ensemble has taught: coefficients of each pool [cells, q, p] and the global modes [after, before].

    As a kind it serves other runs than its own, of the same length or shorter, for nothing: right as far as the flow
    has not changed between them. Runs that are longer go on with the last pool.
    """

    base: FlowKind
    operators: Operators
    coefficients: Sequence[np.ndarray]
    modes: np.ndarray
    pool: int

    @property
    def needs(self) -> Needs:
        """It has been trained."""
        return Needs(training=True, tendency=self.base.needs.tendency)

    def flow(self, run: RecordedRun) -> Flow:
        """Products along `run`."""
        return _EnsembleProducts(self, self.base.flow(run))

    def save(self, path: Path) -> None:
        """The numbers, as npz; the settings are the caller's."""
        pools = {f"pool_{number}": values for number, values in enumerate(self.coefficients)}
        np.savez(path, allow_pickle=False, modes=self.modes, pool=self.pool, **pools)

    @classmethod
    def load(cls, path: Path, kind: EnsembleFlow, layout: Layout) -> FittedFlow:
        """What `save` wrote, with the settings of `kind` for states of `layout`."""
        operators = Operators.of(kind.regression, layout, layout.filled(kind.ensemble.spread))
        with np.load(path) as file:
            coefficients = [file[f"pool_{number}"] for number in range(len(file.files) - 2)]
            modes, pool = file["modes"], int(file["pool"])
        expected = kind.regression.stencil.inputs.shape
        for values in coefficients:
            if (len(values), values.shape[2]) != expected:
                raise ValueError(
                    f"{path} has coefficients for {len(values)} cells and {values.shape[2]} inputs, the stencil has "
                    f"{expected[0]} and {expected[1]}"
                )
        return cls(kind.base, operators, coefficients, modes, pool)


class _EnsembleProducts:
    """A = base + S L E S^-1 with E x = [x; features x; G before x] and S the spreads."""

    def __init__(self, fitted: FittedFlow, base: Flow) -> None:
        self._fitted, self._base = fitted, base
        maps = fitted.operators
        inputs = maps.layout.size + maps.features.shape[0] + maps.after.shape[0]
        self._local = [
            LocalOperator(maps.stencil, values, maps.layout.size, inputs) for values in fitted.coefficients
        ]

    def tangent(self, k: int, change: State) -> State:
        maps = self._fitted.operators
        scaled = maps.layout.flat(change) / maps.scale
        extended = np.concatenate(
            [scaled, maps.features @ scaled, self._fitted.modes @ (maps.before @ scaled)]
        )
        moved = maps.layout.fields(maps.scale * self._at(k).apply(extended))
        return _plus(self._base.tangent(k, change), moved)

    def adjoint(self, k: int, sensitivity: State) -> State:
        maps = self._fitted.operators
        pulled = self._at(k).transposed(maps.scale * maps.layout.flat(sensitivity))
        own, features, after = np.split(pulled, np.cumsum([maps.layout.size, maps.features.shape[0]]))
        total = own + maps.features.T @ features + maps.before.T @ (self._fitted.modes.T @ after)
        return _plus(self._base.adjoint(k, sensitivity), maps.layout.fields(total / maps.scale))

    def _at(self, k: int) -> LocalOperator:
        return self._local[min(k // self._fitted.pool, len(self._local) - 1)]


def unexplained(
    flow: Flow, run: RecordedRun, model: StepModel, ensemble: Ensemble, k: int
) -> dict[str, float]:
    """Share of the variance of one-step responses that `flow` misses at step k, by field.

    Measured on members that it was not fitted to (give another seed); costs `members` steps.
    """
    layout = Layout.of({name: run.states[k][name] for name in ensemble.spread})
    drawn = ensemble.draw(layout, k)
    after = step_each(
        model, [displaced(run.states[k], change) for change in drawn], [run.params] * len(drawn)
    )
    missed, total = dict.fromkeys(layout.shapes, 0.0), dict.fromkeys(layout.shapes, 0.0)
    for change, state in zip(drawn, after, strict=True):
        response = difference(state, run.states[k + 1])
        predicted = flow.tangent(k, {**run.no_change(), **change})
        for name in layout.shapes:
            missed[name] += float(np.sum((response[name] - predicted[name]) ** 2))
            total[name] += float(np.sum((response[name] - change[name]) ** 2))
    return {name: missed[name] / max(total[name], np.finfo(float).tiny) for name in total}


def _ridge_map(x: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    """G [outputs, inputs] with y ≈ G x, rows being samples of order one; by samples or inputs, whichever are fewer."""
    members, inputs = x.shape
    x, y = x.astype(float), y.astype(float)
    if inputs <= members:
        return np.linalg.solve(x.T @ x + ridge * members * np.eye(inputs), x.T @ y).T
    return (x.T @ np.linalg.solve(x @ x.T + ridge * members * np.eye(members), y)).T


def _unit_rows(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1.0 / np.where(lengths > 0.0, lengths, 1.0)) @ matrix)


def _plus(first: State, second: State) -> State:
    return {name: value + second[name] if name in second else value for name, value in first.items()}
