"""Composition root: from one experiment file and a live model to a tuned set of parameters.

The runs, in order: the truth (twin experiments only), the tuning within its budget, the comparison at equal
model runs, and the verification of start and result over the months that were not used. All of them go
through the ledger, so a resumed job repeats none.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from bridge.errors import ConfigurationError, ModelBlewUp
from bridge.ledger import Ledger
from bridge.model import Model, OutcomeKind, Recording, Snapshot, Trajectory
from optim import data
from optim.check import cosine
from optim.cost import Cost
from optim.dfo_ls import minimise_by_dfo_ls, require_dfo_ls
from optim.experiment_file import Experiment
from optim.forward import Forward, Identity, Window
from optim.gradients import (
    ColouredDifferences,
    Ensemble,
    FieldSurrogate,
    FiniteDifference,
    GradientEstimator,
    ResponseSurface,
    Spsa,
    SurrogateGradient,
)
from optim.map_tuning import tune_maps
from optim.minimise import Iteration, Solution, minimise
from optim.minimisers import LevenbergMarquardt
from optim.patches import lay, lay_values, maps_of
from optim.refine import Refined, refine
from optim.report.result import RunResult

Progress = Callable[[str], None]
Stage = TypeVar("Stage")


@dataclass(frozen=True)
class Setting:
    """What surrounds an experiment: the live model, its initial state, what else identifies its runs.

    `surrogate` makes the field surrogate that [estimator] names; `exact_gradient` is the gradient of a
    referee (x -> [n]) for the per-iteration cosines.
    """

    model: Model
    snapshot: Snapshot
    identity: Identity = Identity("in-process model")
    ledger: Ledger | None = None
    surrogate: Callable[[Experiment], FieldSurrogate] | None = None
    exact_gradient: Callable[[Forward], Callable[[np.ndarray], np.ndarray]] | None = None
    exact_name: str = "exact twin"


@dataclass(frozen=True)
class Verification:
    """Runs at the start and at the result, with the blocks of the used and of the held-out months."""

    used: Cost
    held_out: Cost | None
    start: Trajectory
    tuned: Trajectory
    used_start: Trajectory
    used_tuned: Trajectory


@dataclass(frozen=True)
class ExperimentResult:
    """All that an experiment found out; `report` turns it into files."""

    experiment: Experiment
    forward: Forward
    solution: Solution
    comparison: Mapping[str, Solution]
    cosines: Mapping[int, float]
    verification: Verification | None
    wall_seconds: float
    exact_name: str = "exact twin"
    refined: Refined | None = None

    def to_run_result(self) -> RunResult:
        """The result in the report's terms."""
        from optim.experiment_result import run_result

        return run_result(self)


def conduct(
    experiment: Experiment, setting: Setting, progress: Progress = lambda line: None
) -> ExperimentResult:
    """Do the whole experiment with a live model."""
    began = time.monotonic()
    if experiment.compare.dfo_ls:
        require_dfo_ls()
    experiment = laid_on_grid(experiment, setting.model)
    surrogate = None
    if experiment.estimator.kind == "surrogate":
        if setting.surrogate is None:
            raise ConfigurationError(
                "[estimator]: this model has no surrogate; use finite-difference or ensemble"
            )
        surrogate = setting.surrogate(experiment)
    forward = make_forward(experiment, setting, surrogate, progress)
    estimator = make_estimator(experiment, forward, surrogate)
    cosines: dict[int, float] = {}
    exact = None
    if experiment.compare.exact_cosine and setting.exact_gradient is not None:
        exact = setting.exact_gradient(forward)

    def show(trial: Iteration) -> None:
        progress(describe_trial(trial, experiment))
        if exact is not None and trial.accepted and trial.gradient is not None:
            cosines[trial.number] = cosine(trial.gradient, exact(trial.x))
            progress(f"    cosine with the gradient of the {setting.exact_name}: {cosines[trial.number]:.4f}")

    start = experiment.controls.to_vector(experiment.start)
    _check_budget(experiment, estimator, start)
    compiled = "; what is differentiated is compiled first (up to a minute of silence)"
    progress(f"tuning {len(start)} parameters" + (compiled if surrogate is not None else ""))
    solution = _tuned(experiment, estimator, start, show)
    progress(f"{solution.ending.value}: {solution.message or 'done'}")
    refined = _optional(lambda: refine(forward, solution, experiment.refine, show), "refinement", progress)
    if refined is not None:
        solution = refined.solution
        progress(
            f"refined with real runs, {solution.runs} in all: J {solution.value:.6g}; "
            f"{np.max(np.abs(refined.remaining)):.2g} posterior standard deviations from the minimum"
        )
    best = solution
    comparison = _optional(
        lambda: _compare(experiment, forward, start, best, progress), "comparison", progress
    )
    verification = _optional(
        lambda: _verify(experiment, setting, forward, start, best, progress), "verification", progress
    )
    return ExperimentResult(
        experiment,
        forward,
        solution,
        comparison or {},
        cosines,
        verification,
        time.monotonic() - began,
        setting.exact_name,
        refined,
    )


def _tuned(
    experiment: Experiment, estimator: GradientEstimator, start: np.ndarray, show: Callable[[Iteration], None]
) -> Solution:
    """The minimisation within the budget; that of maps by coloured differences in parts."""
    if isinstance(estimator, ColouredDifferences):
        return tune_maps(
            estimator,
            experiment.minimiser,
            start,
            experiment.maps,
            budget=experiment.budget,
            key=experiment.seed,
            progress=show,
        )
    return minimise(
        estimator, experiment.minimiser, start, budget=experiment.budget, key=experiment.seed, progress=show
    )


def _optional(stage: Callable[[], Stage], name: str, progress: Progress) -> Stage | None:
    """What a stage after the tuning finds; None, with a line that says why, when it cannot: the result is kept."""
    try:
        return stage()
    except (ModelBlewUp, np.linalg.LinAlgError) as error:
        progress(f"no {name}: {error}")
        return None


def laid_on_grid(experiment: Experiment, model: Model) -> Experiment:
    """The experiment with the patches that its maps have on the model's grid."""
    if not maps_of(experiment.controls):
        return experiment
    grid, controls = model.describe().grid, experiment.controls
    return dataclasses.replace(
        experiment,
        controls=lay(controls, grid),
        start=lay_values(controls, experiment.start, grid),
        truth=lay_values(controls, experiment.truth, grid),
    )


def _check_budget(experiment: Experiment, estimator: GradientEstimator, start: np.ndarray) -> None:
    """ConfigurationError if not even the first gradient fits: with maps, the file alone does not tell."""
    needed = estimator.runs_needed(start, estimator.init(experiment.seed))
    if needed > experiment.budget:
        raise ConfigurationError(
            f"[budget]: model_runs = {experiment.budget} is too small: the first gradient of estimator "
            f"{experiment.estimator.kind} takes {needed} runs with {len(start)} controls"
        )


def make_forward(
    experiment: Experiment, setting: Setting, surrogate: FieldSurrogate | None, progress: Progress
) -> Forward:
    """The model as a function of x, with the experiment's observations."""
    description = setting.model.describe()
    table = data.timetable(experiment.window, setting.snapshot.step, description.time_step)
    fields = tuple(dict.fromkeys(item.field for item in experiment.observations))
    if surrogate is not None:
        fields = tuple(dict.fromkeys(fields + surrogate.recording.fields))
        if surrogate.recording.every != experiment.window.every:
            raise ConfigurationError(
                f"[window]: every = {experiment.window.every}, but the surrogate needs {surrogate.recording.every}"
            )
    window = Window(setting.snapshot, table.run_steps, Recording(fields, experiment.window.every))
    forward = Forward(
        setting.model,
        experiment.controls,
        Cost(()),
        window,
        setting.ledger,
        setting.identity,
        experiment.fixed,
    )
    forward.cost = make_cost(experiment, forward, table, progress)
    return forward


def make_cost(experiment: Experiment, forward: Forward, table: data.Timetable, progress: Progress) -> Cost:
    """Observation blocks over the periods of `table`, and the prior rows."""
    grid = forward.model.describe().grid
    truth = None
    if any(item.kind == "twin" for item in experiment.observations):
        progress("running the model with the true parameters")
        truth = truth_run(experiment, forward)
    blocks = []
    for number, item in enumerate(experiment.observations):
        if item.kind == "twin":
            assert truth is not None
            blocks.append(data.twin(item, grid, table, truth, number))
        else:
            blocks.append(data.climatology(item, experiment.path.parent, grid, table))
    return Cost(tuple(blocks), experiment.prior)


def truth_run(experiment: Experiment, forward: Forward) -> Trajectory:
    """The run with the true parameters; not counted against the budget."""
    other = dataclasses.replace(forward, cost=Cost(()), _seen={}, _latest=None)
    trajectory = other.trajectory(experiment.controls.to_vector(experiment.truth))
    if trajectory.outcome.kind is not OutcomeKind.COMPLETED:
        raise ConfigurationError(
            f"[truth]: the run with the true parameters failed at step {trajectory.outcome.step}: "
            f"{trajectory.outcome.message}"
        )
    return trajectory


def make_estimator(
    experiment: Experiment, forward: Forward, surrogate: FieldSurrogate | None
) -> GradientEstimator:
    """The estimator that [estimator] names."""
    settings = experiment.estimator
    if settings.kind == "surrogate":
        assert surrogate is not None
        return SurrogateGradient(forward, surrogate)
    try:
        if settings.kind == "finite-difference":
            return FiniteDifference(forward, **settings.options)
        if settings.kind == "spsa":
            return Spsa(forward, **settings.options)
        if settings.kind == "response-surface":
            return ResponseSurface(forward, **settings.options)
        if settings.kind == "coloured-differences":
            return ColouredDifferences(forward, **settings.options)
        return Ensemble(forward, **{"members": len(experiment.controls), **settings.options})
    except TypeError as error:
        raise ConfigurationError(f"[estimator]: {error}") from error


def describe_trial(trial: Iteration, experiment: Experiment) -> str:
    """One line of live progress; a map by its least and largest value."""
    names = dict.fromkeys((control.group, control.entry) for control in experiment.controls.controls)
    values = "  ".join(f"{entry} {_in_short(trial.params[group][entry])}" for group, entry in names)
    if not np.isfinite(trial.value):
        return f"run {trial.runs:3d}  {trial.outcome}  {values}"
    mark = "" if trial.accepted else f" (rejected; best {trial.best_value:.6g})"
    return f"run {trial.runs:3d}  J {trial.value:.6g}{mark}  {values}"


def _in_short(value: float | np.ndarray) -> str:
    return f"{np.min(value):.4g}" + (f" … {np.max(value):.4g}" if np.ndim(value) else "")


def _compare(
    experiment: Experiment, forward: Forward, start: np.ndarray, solution: Solution, progress: Progress
) -> dict[str, Solution]:
    """What [compare] names, with as many model runs as the tuning used unless it says otherwise."""
    settings, found = experiment.compare, {}
    budget = settings.model_runs or solution.runs

    def show(trial: Iteration) -> None:
        progress(describe_trial(trial, experiment))

    def fresh() -> Forward:
        # nothing but the observed fields is needed from these runs, and only their misfits are kept
        return dataclasses.replace(forward, runs=0, live_runs=0, _seen={}, _latest=None)

    if settings.finite_difference_gauss_newton:
        progress(f"finite-difference Gauss–Newton with {budget} model runs")
        estimator = FiniteDifference(fresh(), settings.finite_difference_step)
        minimiser = (
            dataclasses.replace(experiment.minimiser, verify=0.0)  # finite differences are real runs already
            if isinstance(experiment.minimiser, LevenbergMarquardt)
            else LevenbergMarquardt()
        )
        found["finite-difference Gauss–Newton"] = minimise(
            estimator, minimiser, start, budget=budget, progress=show
        )
    if settings.dfo_ls:
        progress(f"DFO-LS with {budget} model runs")
        few = f" from {settings.dfo_ls_directions} directions" if settings.dfo_ls_directions else ""
        found["DFO-LS" + few] = minimise_by_dfo_ls(
            fresh(),
            start,
            budget=budget,
            step=settings.finite_difference_step,
            directions=settings.dfo_ls_directions,
            key=experiment.seed,
            progress=show,
        )
    return found


def _verify(
    experiment: Experiment,
    setting: Setting,
    forward: Forward,
    start: np.ndarray,
    solution: Solution,
    progress: Progress,
) -> Verification | None:
    """Start and result over the used window and on over the held-out months."""
    if solution.evaluation is None or not solution.evaluation.ok:
        return None
    used_start, used_tuned = forward.trajectory(start), forward.trajectory(solution.x)
    if not experiment.window.months_held_out:
        return Verification(forward.cost, None, used_start, used_tuned, used_start, used_tuned)
    progress("running start and result over the months that were not used")
    table = data.timetable(
        experiment.window, setting.snapshot.step, setting.model.describe().time_step, held_out=True
    )
    fields = tuple(dict.fromkeys(item.field for item in experiment.observations))
    window = Window(setting.snapshot, table.run_steps, Recording(fields, experiment.window.every))
    longer = dataclasses.replace(forward, cost=Cost(()), window=window, _seen={}, _latest=None)
    longer.cost = make_cost(experiment, longer, table, progress)
    return Verification(
        forward.cost,
        longer.cost,
        longer.trajectory(start),
        longer.trajectory(solution.x),
        used_start,
        used_tuned,
    )
