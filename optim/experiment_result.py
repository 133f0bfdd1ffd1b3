"""From what an experiment found out to the report's words: parameters, curves, scores, maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bridge.model import Grid, Trajectory
from optim.control import Control
from optim.cost import Cost, Observations
from optim.data import Timetable, timetable
from optim.minimise import Iteration, Solution, posterior_covariance
from optim.minimisers import LevenbergMarquardt
from optim.patches import PatchControl
from optim.report.result import BiasMap, Curve, IterationResult, ParameterResult, RunResult, Score

if TYPE_CHECKING:
    from optim.experiment import ExperimentResult

_MOST_MAPS = 6


def run_result(result: ExperimentResult) -> RunResult:
    """The result of an experiment as the report and report.json know it."""
    experiment, solution = result.experiment, result.solution
    first = solution.history[0].value if solution.history else np.inf
    return RunResult(
        title=experiment.title,
        parameters=_parameters(result),
        cost_initial=first,
        cost_final=solution.value,
        model_runs=solution.runs,
        outcome=solution.ending.value,
        wall_seconds=result.wall_seconds,
        message=solution.message,
        iterations=_iterations(result),
        comparison=[_curve(name, other, result) for name, other in result.comparison.items()],
        validation=_scores(result),
        setting=_setting(result),
        maps=_maps(result),
    )


def posterior_spreads(result: ExperimentResult) -> np.ndarray:
    """Posterior standard deviation of each parameter [n], physical units, to first order."""
    solution, minimiser = result.solution, result.experiment.minimiser
    if solution.evaluation is None or solution.evaluation.tangent is None:
        return np.full(solution.x.size, np.nan)
    jacobian = result.refined.jacobian if result.refined is not None else None
    if jacobian is None and isinstance(minimiser, LevenbergMarquardt) and solution.state is not None:
        jacobian = minimiser.corrected(solution.state.memory)  # the surrogate's, as repaired by real runs
    covariance = posterior_covariance(solution, jacobian)
    return np.sqrt(np.diag(covariance)) * result.experiment.controls.slopes(solution.x)


def _parameters(result: ExperimentResult) -> list[ParameterResult]:
    experiment = result.experiment
    controls = experiment.controls
    start = controls.to_values(controls.to_vector(experiment.start))
    tuned = controls.to_values(result.solution.x)
    spreads = posterior_spreads(result)
    return [
        _parameter(
            control,
            start[n],
            tuned[n],
            spreads[n],
            control.value_in(experiment.truth),
        )
        for n, control in enumerate(controls.controls)
    ]


def _parameter(
    control: Control, start: float, tuned: float, spread: float, truth: float | None
) -> ParameterResult:
    return ParameterResult(
        name=control.name,
        start=float(start),
        tuned=float(tuned),
        lower=control.lower,
        upper=control.upper,
        units=control.units,
        prior_mean=control.prior_mean,
        prior_spread=control.prior_spread,
        transform=control.transform,
        posterior_spread=float(spread) if np.isfinite(spread) else None,
        at_bound=control.at_bound(float(tuned)),
        truth=truth,
        patch=control.place if isinstance(control, PatchControl) else None,
    )


def _iterations(result: ExperimentResult) -> list[IterationResult]:
    return [
        IterationResult(
            number=trial.number,
            model_runs=trial.runs,
            cost=trial.value,
            best_cost=trial.best_value,
            accepted=trial.accepted,
            parameters=_values(result, trial),
            cosine={result.exact_name: result.cosines[trial.number]}
            if trial.number in result.cosines
            else {},
            error=_error(result, trial.x),
        )
        for trial in result.solution.history
    ]


def _values(result: ExperimentResult, trial: Iteration) -> dict[str, float]:
    """Every number of a trial, also fixed ones, and the values on patches, by name."""
    numbers = {
        f"{group}/{entry}": float(value)
        for group, entries in trial.params.items()
        for entry, value in entries.items()
        if np.ndim(value) == 0
    }
    controls = result.experiment.controls
    return numbers | dict(zip(controls.names, map(float, controls.to_values(trial.x)), strict=True))


def _curve(name: str, solution: Solution, result: ExperimentResult) -> Curve:
    """Best cost against runs; a method that never got past its first Jacobian still shows its start and its end."""
    runs = [trial.runs for trial in solution.history] + [solution.runs]
    best = [trial.best_value for trial in solution.history] + [solution.value]
    errors: list[float] = []
    for trial in solution.history:
        error = _error(result, trial.x)
        if error is not None:
            errors.append(error if trial.accepted or not errors else errors[-1])
    return Curve(name, runs, best, [*errors, errors[-1]] if errors else [])


def _error(result: ExperimentResult, x: np.ndarray) -> float | None:
    """Root-mean-square distance of x from the truth, if that is known for every control."""
    controls, truth = result.experiment.controls, result.experiment.truth
    if any(control.value_in(truth) is None for control in controls.controls):
        return None
    return float(np.sqrt(np.mean((x - controls.to_vector(truth)) ** 2)))


def _scores(result: ExperimentResult) -> list[Score]:
    verification = result.verification
    if verification is None:
        return []
    table = _timetable(result, held_out=False)
    pairs = [(verification.used, verification.used_start, verification.used_tuned, True, table)]
    if verification.held_out is not None:
        later = _timetable(result, held_out=True)
        pairs.append((verification.held_out, verification.start, verification.tuned, False, later))
    units = result.forward.model.describe().fields
    scores = []
    for cost, before, after, used, when in pairs:
        for block in cost.blocks:
            name = block.operator.field
            unit = units[name].units if name in units else "1"
            for shown in filter(None, (block, block.cells)):
                scores += _block_scores(shown, before, after, used, when, unit)
    return scores


def _block_scores(
    block: Observations, before: Trajectory, after: Trajectory, used: bool, table: Timetable, units: str
) -> list[Score]:
    """Weighted root-mean-square difference of one block: each calendar month by itself, else the whole window."""
    rows = block.operator.time_weights.shape[0]
    errors = [_squared(block, run).reshape(rows, -1) for run in (before, after)]
    weights = (1.0 / block.sigma**2).reshape(rows, -1)
    labels = [period.label for period in table.periods] if any(p.month for p in table.periods) else []
    groups = [(f"{block.label}, {label}", [n]) for n, label in enumerate(labels)]
    groups = groups or [(block.label, list(range(rows)))]
    scores = []
    for name, chosen in groups:
        total = float(np.sum(weights[chosen]))
        initial, final = (float(np.sqrt(np.sum(e[chosen] * weights[chosen]) / total)) for e in errors)
        measure = "root-mean-square difference, weighted as in the cost"
        scores.append(Score(name, used, initial, final, units, measure))
    return scores


def _squared(block: Observations, run: Trajectory) -> np.ndarray:
    return (np.asarray(block.operator(run.fields)) - block.values) ** 2


def _timetable(result: ExperimentResult, *, held_out: bool) -> Timetable:
    step = result.forward.window.snapshot.step
    return timetable(
        result.experiment.window, step, result.forward.model.describe().time_step, held_out=held_out
    )


def _maps(result: ExperimentResult) -> list[BiasMap]:
    """Model minus observation, mean over the periods, for the levels of each block (the first few)."""
    verification = result.verification
    if verification is None:
        return []
    description = result.forward.model.describe()
    maps: list[BiasMap] = []
    cases: list[tuple[str, Cost, Trajectory, Trajectory]] = [
        ("", verification.used, verification.used_start, verification.used_tuned)
    ]
    if verification.held_out is not None:
        cases.append((", months not used", verification.held_out, verification.start, verification.tuned))
    for suffix, cost, before, after in cases:
        for block in (block.cells or block for block in cost.blocks):
            spec = description.fields.get(block.operator.field)
            maps += _block_maps(block, before, after, description.grid, spec.units if spec else "1", suffix)
    return maps[:_MOST_MAPS]


def _block_maps(
    block: Observations, before: Trajectory, after: Trajectory, grid: Grid, units: str, suffix: str
) -> list[BiasMap]:
    if not block.shape or block.where is None or "glamt" not in grid:
        return []
    levels = np.unique(block.where // (grid.ny * grid.nx))
    bias = [_on_grid(block, run) for run in (before, after)]
    chosen = levels if levels.size <= 2 else levels[[0, -1]]
    maps = []
    for level in chosen:
        mask = ~np.isnan(bias[0][level])
        label = block.label + (f", level {level}" if levels.size > 1 else "") + suffix
        fields = [np.where(mask, b[level], 0.0) for b in bias]
        maps.append(
            BiasMap(label, units, grid["glamt"], grid["gphit"], mask.astype(float), fields[0], fields[1])
        )
    return maps


def _on_grid(block: Observations, run: Trajectory) -> np.ndarray:
    """Mean bias over the block's rows, [level, j, i]; NaN where nothing is observed."""
    rows, *shape = block.shape
    bias = (np.asarray(block.operator(run.fields)) - block.values).reshape(rows, -1).mean(axis=0)
    field = np.full(int(np.prod(shape)), np.nan)
    assert block.where is not None
    field[block.where] = bias
    return field.reshape(shape)


def _remaining(result: ExperimentResult) -> float | str:
    return "not refined" if result.refined is None else float(np.max(np.abs(result.refined.remaining)))


def _setting(result: ExperimentResult) -> dict[str, object]:
    experiment, forward = result.experiment, result.forward
    estimator = experiment.estimator.kind
    if estimator == "surrogate":
        estimator += f" ({experiment.estimator.surrogate})"
    window = experiment.window
    return {
        "estimator": estimator,
        "minimiser": type(experiment.minimiser).__name__,
        "model": forward.model.describe().name,
        "steps per run": forward.window.steps,
        "months used": list(window.months) or f"{window.days:g} days",
        "months not used": list(window.months_held_out),
        "observations": [f"{block.label}: {block.operator.size} values" for block in forward.cost.blocks],
        "budget of model runs": experiment.budget,
        "runs made now, the others were in the ledger": forward.live_runs,
        "refined to within, posterior standard deviations": _remaining(result),
        "seed": experiment.seed,
    }
