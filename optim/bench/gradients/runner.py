"""The loop of `nemo-bridge bench gradients`: cases, windows, estimators, seeds; each cell made once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from bridge.errors import ConfigurationError, ModelBlewUp
from optim.bench.commit import commit
from optim.bench.gradients.cells import EXACT, Cell, Store
from optim.bench.gradients.problem import Case, Estimate, Estimator, Prepared, Problem
from optim.bench.gradients.scores import largest_share
from optim.check import cosine

#: least distance of a set-up run to a test point, in prior standard deviations
CLEARANCE = 1.0
MODEL_FOLDER = "model"
Progress = Callable[[str], None]


def run_case(
    case: Case,
    estimators: Sequence[Estimator],
    windows: Iterable[int],
    seeds: Sequence[int],
    store: Store,
    progress: Progress,
) -> None:
    """Make the cells of a case that are not in the store."""
    with case.opened(store.folder / case.name / MODEL_FOLDER) as problem_at:
        for window in windows:
            problem = problem_at(window)
            exact = _exact(case, problem, store, progress)
            for estimator in estimators:
                if estimator.serves(problem):
                    for seed in seeds if estimator.random else seeds[:1]:
                        _made(case, problem, estimator, seed, store, exact, progress)


def _exact(case: Case, problem: Problem, store: Store, progress: Progress) -> Cell:
    """The reference, and how evenly its components share its norm."""
    found = store.load(case.name, EXACT, problem.steps, 0, case.recipe)
    if found is None:
        gradients = [problem.exact(x) for x in problem.points]
        found = _cell(case.recipe, problem, EXACT, 0, gradients)
        store.save(found)
    shares = [largest_share(np.array(gradient)) for gradient in found.gradients]
    progress(
        f"{case.name} n={problem.steps}: exact gradient at {len(shares)} points; "
        f"its largest component holds {max(shares):.0%} of the norm at most"
    )
    return found


def _made(
    case: Case,
    problem: Problem,
    estimator: Estimator,
    seed: int,
    store: Store,
    exact: Cell,
    progress: Progress,
) -> None:
    recipe = f"{case.recipe} {estimator.recipe}"
    cell = store.load(case.name, estimator.name, problem.steps, seed, recipe)
    if cell is None:
        try:
            cell = _measured(recipe, problem, estimator, seed)
        except (ModelBlewUp, np.linalg.LinAlgError, FloatingPointError) as error:
            progress(f"{case.name} n={problem.steps} {estimator.name} seed {seed}: no gradient: {error}")
            return
        store.save(cell)
    scores = cell.scores(np.array(exact.gradients))
    progress(
        f"{case.name} n={problem.steps} {estimator.name} seed {seed}: "
        f"cosine {min(s.cosine for s in scores):.4f}, sign {min(s.sign for s in scores):.2f}, "
        f"worst relative error {max(s.worst_relative_error for s in scores):.3g}, "
        f"{cell.runs_per_gradient:.3g} runs"
    )


def _measured(recipe: str, problem: Problem, estimator: Estimator, seed: int) -> Cell:
    prepared = estimator.prepare(problem, seed)
    estimates = [prepared.at(x) for x in problem.points]
    setup = prepared.setup_steps
    return _cell(
        recipe,
        problem,
        estimator.name,
        seed,
        [estimate.gradient for estimate in estimates],
        steps_per_gradient=(sum(estimate.steps for estimate in estimates) - setup) / len(estimates),
        setup_steps=setup,
        setup_distance=_clearance(problem, prepared, estimator.name),
        field_cosines=list(_field_cosines(problem, estimates)),
        field_steps=float(np.mean([estimate.field_steps for estimate in estimates])),
    )


def _clearance(problem: Problem, prepared: Prepared, name: str) -> float | None:
    """Distance of the nearest set-up run to a test point; ConfigurationError if it is below `CLEARANCE`."""
    design = prepared.setup_points
    if not len(design):
        return None
    gaps = np.linalg.norm(design[:, None] - problem.points[None], axis=-1)
    nearest = float(gaps.min())
    if nearest < CLEARANCE:
        raise ConfigurationError(
            f"{name}: a set-up run lies {nearest:.2f} prior standard deviations from a test point of {problem.case}; "
            f"at least {CLEARANCE:g} are needed for a fair test"
        )
    return nearest


def _field_cosines(problem: Problem, estimates: Sequence[Estimate]) -> Iterator[float]:
    """Cosine of the gradients with respect to the initial fields, all together, at each point."""
    for x, estimate in zip(problem.points, estimates, strict=True):
        if estimate.field is None or problem.exact_field is None:
            continue
        exact = problem.exact_field(x)
        names = sorted(exact)
        yield cosine(
            np.concatenate([np.ravel(estimate.field[name]) for name in names]),
            np.concatenate([np.ravel(exact[name]) for name in names]),
        )


def _cell(
    recipe: str, problem: Problem, name: str, seed: int, gradients: Sequence[np.ndarray], **more
) -> Cell:
    return Cell(
        problem.case,
        name,
        problem.steps,
        seed,
        recipe,
        commit(),
        problem.names,
        np.asarray(problem.points, float).tolist(),
        np.asarray(gradients, float).tolist(),
        **more,
    )
