"""The benchmark of gradients: scores, cells that are made once, the set-up kept away from test points, figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from bridge.errors import ConfigurationError
from bridge.model import Recording
from optim.bench.gradients.balanced_priors import adding_sides, balanced_spreads, responses
from optim.bench.gradients.boxes import balanced_cost, box_means
from optim.bench.gradients.cells import EXACT, RESPONSE, WIDE_RESPONSE, Cell, Store, reference
from optim.bench.gradients.command import Choice, main, redraw, show
from optim.bench.gradients.diagnosed import Diagnosed, Diagnostic
from optim.bench.gradients.figures import figures, rows
from optim.bench.gradients.mixed_layer import mixed_layer_depth
from optim.bench.gradients.problem import Problem
from optim.bench.gradients.run_estimators import RunEstimator
from optim.bench.gradients.runner import run_case
from optim.bench.gradients.scores import mean_random_cosine, null_scores, relative_errors, score
from optim.cost import half_square
from optim.gradients import FiniteDifference, ResponseSurface, Spsa

POINTS = np.array([[0.3, -0.4, 0.2], [-0.2, 0.1, 0.4]])


def test_scores_of_known_gradients() -> None:
    exact = np.array([1.0, -2.0, 2.0])
    assert score(exact, exact).worst_relative_error == 0.0
    half = score(0.5 * exact, exact)
    assert (half.cosine, half.norm_ratio, half.sign) == pytest.approx((1.0, 0.5, 1.0))
    wrong = score(np.array([1.0, 2.0, 2.0]), exact)
    assert (wrong.sign, wrong.worst_relative_error) == pytest.approx((2 / 3, 2.0))
    assert score(np.array([np.nan, 1.0, 1.0]), exact).worst_relative_error == np.inf
    assert score(np.array([1.0, -1e-9]), np.array([1.0, 0.0])).sign == 1.0  # 0 has no sign to get wrong
    errors = relative_errors(
        np.array([1.0, 1e-9, 3.0]), np.array([0.0, 0.0, 2.0]), np.array([0.0, 1e-8, 0.0])
    )
    np.testing.assert_allclose(errors, [0.5, 0.0, 0.5])
    assert relative_errors(np.array([1.0]), np.array([0.0]))[0] == np.inf


def test_null_scores_are_what_guesses_score() -> None:
    random = np.random.default_rng(0)
    directions = random.standard_normal((20000, 5))
    cosines = np.abs(directions[:, 0]) / np.linalg.norm(directions, axis=1)
    # standard error of the mean: 0.24/sqrt(20000) = 0.002
    assert mean_random_cosine(5) == pytest.approx(cosines.mean(), abs=0.006)
    null = null_scores(np.array([1.0, 1.0, 1.0, -1.0]))
    assert (null.same_sign, null.same_sign_cosine) == pytest.approx((0.75, 0.5))


def test_mixed_layer_of_a_linear_profile_and_its_derivative() -> None:
    depths = np.array([5.0, 15.0, 25.0, 35.0])
    mask = np.ones((4, 1, 2))
    profile = jnp.asarray((20.0 - 0.01 * depths)[:, None, None] * mask)  # 0.1 K in 10 m: 0.2 K colder at 30 m
    profile = profile.at[:, 0, 1].set(20.0)  # no level is that cold
    depth = mixed_layer_depth(profile, depths, mask)
    np.testing.assert_allclose(depth, [[30.0, 35.0]])
    steep = 20.0 - (profile * 0.0 + jnp.asarray(0.02 * depths)[:, None, None])
    np.testing.assert_allclose(mixed_layer_depth(steep, depths, mask), [[20.0, 20.0]], rtol=1e-12)
    # warmer by 1e-4 at 25 m only, where the gradient is 0.02 K/m: the crossing at 20 m, halfway, sinks by 2.5e-3 m
    warmer = steep.at[2].add(1e-4)
    change = mixed_layer_depth(warmer, depths, mask) - mixed_layer_depth(steep, depths, mask)
    np.testing.assert_allclose(change, 2.5e-3, rtol=2e-3)


def test_balanced_priors_make_every_parameter_count() -> None:
    random = np.random.default_rng(0)
    answers = [random.standard_normal((12, 4)), random.standard_normal((5, 4))]
    strength = np.array([1.0, 100.0, 0.1, 0.0])  # the last one does nothing

    def observe(x: np.ndarray) -> list[np.ndarray]:
        return [
            size * np.tanh(answer @ (strength * x)) for size, answer in zip((1e3, 1.0), answers, strict=True)
        ]

    blocks = responses(observe, 4, 1e-6)
    np.testing.assert_allclose(blocks[0], 1e3 * answers[0] * strength, rtol=1e-6, atol=1e-6)
    factors = balanced_spreads(blocks)
    assert factors[3] == 0.0 and factors.max() == factors[2] == 1.0
    scaled = [block[:, :3] * factors[:3] / np.linalg.norm(block) for block in blocks]
    columns = np.linalg.norm(np.concatenate(scaled), axis=0)
    assert (
        columns.max() < 1.5 * columns.min()
    )  # 1000 before; not 1, as blocks are weighted by unequal spreads
    with pytest.raises(ValueError, match="no parameter"):
        balanced_spreads([np.zeros((3, 2))])


def test_the_observed_run_lies_where_effects_add_up() -> None:
    effect = np.array([1.0, 2.0])
    blocks = [np.stack([effect, -effect, 0.1 * effect], axis=1)]
    np.testing.assert_array_equal(adding_sides(blocks), [1.0, -1.0, 1.0])


def test_sides_do_not_depend_on_rounding() -> None:
    random = np.random.default_rng(3)
    # two groups that know nothing of each other: their sides can be turned over together or apart
    blocks = [np.pad(random.standard_normal((4, 2)), ((0, 0), pad)) for pad in ((0, 2), (2, 0))]
    found = [adding_sides([b + 1e-10 * random.standard_normal(b.shape) for b in blocks]) for _ in range(9)]
    assert len({tuple(sides) for sides in found}) == 1


def test_box_means_leave_out_land() -> None:
    mask = np.ones((2, 4, 4))
    mask[:, :2, :2] = 0.0
    mask[1, 2, 3] = 0.0
    field = np.arange(32.0).reshape(1, 2, 4, 4)
    operator = box_means("t", mask, 2, [(0, 1), (1, 2)])
    found = operator({"t": field})
    assert found.size == 6  # the box in the south-west is land on both levels
    last = field[0, 1, 2:, 2:][mask[1, 2:, 2:] > 0]
    np.testing.assert_allclose(found[-1], last.mean())


def test_balanced_cost_gives_every_block_the_same_share() -> None:
    random = np.random.default_rng(0)
    operators = [box_means("a", np.ones((4, 4)), 2), box_means("b", np.ones((4, 4)), 4)]
    runs = [
        {name: scale * random.standard_normal((1, 4, 4)) for name, scale in (("a", 1e3), ("b", 1e-3))}
        for _ in range(9)
    ]
    cost = balanced_cost(operators, runs[0], runs[1:])
    for block in cost.blocks:
        assert np.mean([half_square(block.misfit(fields)) for fields in runs[1:]]) == pytest.approx(0.5)


@dataclass(frozen=True)
class LorenzCase:
    """L96 twin experiment with finite differences as the reference."""

    make: Callable
    asked: list
    name: str = "lorenz"
    recipe: str = "lorenz, first version"
    windows: tuple[int, ...] = (5, 10)

    @contextmanager
    def opened(self, folder: Path) -> Iterator[Callable[[int], Problem]]:
        def problem(steps: int) -> Problem:
            forward = self.make(steps=steps).forward

            def exact(x: np.ndarray) -> np.ndarray:
                self.asked.append(steps)
                return FiniteDifference(forward, 1e-3, central=True).evaluate(x, None)[0].grad

            return Problem(self.name, steps, forward.controls.names, POINTS, exact, forward)

        yield problem


ESTIMATORS = [
    RunEstimator("spsa", lambda p, f: Spsa(f, 0.1), random=True),
    RunEstimator(
        "surface", lambda p, f: ResponseSurface(f, 64, 1.5, avoid=tuple(map(tuple, p.points.tolist()))), random=True
    ),
]  # fmt: skip


def test_cells_are_made_once_and_give_the_figures(lorenz, tmp_path: Path) -> None:
    case, told, store = LorenzCase(lorenz, []), [], Store(tmp_path)
    run_case(case, ESTIMATORS, (5, 10), (0, 1), store, told.append)
    assert case.asked == [5, 5, 10, 10] and any("largest component" in line for line in told)
    cells = {(cell.estimator, cell.window, cell.seed): cell for cell in store.cells()}
    assert len(cells) == 2 + 2 * 2 * 2
    surface = cells["surface", 10, 1]
    assert (surface.setup_runs, surface.runs_per_gradient) == (64.0, 1.0) and surface.setup_distance >= 1.0
    assert cells["spsa", 10, 0].runs_per_gradient == 3.0 and cells["spsa", 10, 0].setup_runs == 0.0
    found = figures(store.cells())
    # 64 runs over ±1.5 standard deviations: 0.056 measured
    assert found["lorenz.surface.n10.scalars.worst_relative_error"] < 0.1
    assert found["lorenz.spsa.n10.scalars.worst_relative_error"] > 0.3
    assert found["lorenz.surface.n5.scalars.sign_least"] == 1.0
    # 64 runs are saved for by 3 a gradient: P + 1 = 4 less one
    assert found["lorenz.surface.n5.scalars.break_even_gradients"] == pytest.approx(64 / 3)
    assert 0.0 < found["lorenz.null.n10.scalars.largest_share"] <= 1.0

    untouched = {path: path.read_bytes() for path in tmp_path.glob("*/*.json")}
    run_case(case, ESTIMATORS, (5, 10), (0, 1), store, told.append)
    assert case.asked == [5, 5, 10, 10]
    assert untouched == {path: path.read_bytes() for path in tmp_path.glob("*/*.json")}

    result = show(store, tmp_path / "figures.json", tmp_path / "figure.png")
    assert json.loads((tmp_path / "figures.json").read_text())["figures"] == result["figures"]
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert len(rows(store.cells())) == 4
    redraw(tmp_path / "figures.json", tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "figure.png").read_bytes()
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"other\.json: expected what --json wrote"):
        redraw(tmp_path / "other.json", None)


def test_exact_components_that_no_response_confirms_are_scored_against_it() -> None:
    def cell(estimator: str, gradients: list[list[float]]) -> Cell:
        return Cell("c", estimator, 1, 0, "", "", ("a", "b"), [[0.0, 0.0]], gradients)

    exact, response = cell(EXACT, [[58.4, 1.0]]), cell(RESPONSE, [[-0.3, 1.1]])
    truth, useless = reference(exact, response)
    assert truth.tolist() == [[-0.3, 1.0]] and useless == 1
    assert reference(cell(EXACT, [[1.0, 1.3]]), response)[0].tolist() == [[-0.3, 1.1]]
    noisy = cell(WIDE_RESPONSE, [[-0.3, 0.8]])  # the response itself is not known to better than 0.3
    assert reference(cell(EXACT, [[1.0, 1.3]]), response, noisy)[0].tolist() == [[-0.3, 1.3]]
    assert reference(exact, None)[0].tolist() == [[58.4, 1.0]]
    found = figures([exact, response, cell("other", [[-0.33, 1.0]])])
    assert found["c.other.n1.scalars.worst_relative_error"] == pytest.approx(0.1)
    assert found["c.exact.n1.scalars.useless_components"] == 1.0


def test_cells_of_a_case_as_it_once_was_are_not_scored(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for estimator, recipe in (("exact", "new"), ("spsa", "new step 0.1"), ("ensemble", "old members 4")):
        store.save(Cell("c", estimator, 1, 0, recipe, "", ("a",), [[0.0]], [[1.0]]))
    assert {cell.estimator for cell in store.cells()} == {"exact", "spsa"}


def test_windows_that_a_case_does_not_have_are_refused(tmp_path: Path) -> None:
    choice = Choice(cases=("lorenz63",), estimators=("spsa",), windows=(1, 7))
    with pytest.raises(ConfigurationError, match="lorenz63 has windows of 1, .* steps, not of 7"):
        main(choice, tmp_path, None, None, print)
    with pytest.raises(ConfigurationError, match="there is no folder"):
        main(choice, tmp_path, tmp_path / "nowhere" / "x.json", None, print)


def test_set_up_runs_near_a_test_point_are_refused(lorenz, tmp_path: Path) -> None:
    near = RunEstimator("surface", lambda p, f: ResponseSurface(f, 16, 1.5), random=True)
    with pytest.raises(ConfigurationError, match="set-up run lies 0"):
        run_case(LorenzCase(lorenz, []), [near], (5,), (0,), Store(tmp_path), lambda line: None)


def test_diagnostics_are_recorded_like_fields_and_have_an_adjoint(lorenz) -> None:
    case = lorenz()
    model = Diagnosed(case.model, (Diagnostic("square", "x", lambda x: jnp.asarray(x) ** 2),))
    record = Recording(("square", "x"), 5)
    run = model.run(case.truth, case.forward.window.snapshot, 10, record)
    np.testing.assert_allclose(run.fields["square"], run.fields["x"] ** 2)
    assert (
        "x" not in model.run(case.truth, case.forward.window.snapshot, 10, Recording(("square",), 5)).fields
    )
    weights = {"square": np.ones_like(run.fields["x"]), "x": np.full_like(run.fields["x"], 3.0)}
    np.testing.assert_allclose(model.adjoint(run.fields, weights)["x"], 3.0 + 2.0 * run.fields["x"])
    told = []
    both = model.map(
        [case.truth] * 2, case.forward.window.snapshot, 10, record, lambda n, run: told.append(n)
    )
    assert told == [0, 1] and np.array_equal(both[1].fields["square"], run.fields["square"])
