"""The simplified twin: adjoint against tangent, tangents against differences and against the exact twin."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bridge.errors import ConfigurationError
from bridge.model import Outcome, OutcomeKind, Snapshot, Trajectory
from emulator.simplified_toy_ocean import ForcedTwin, SimplifiedTwin
from emulator.tangent_linear import inner_product
from emulator.toy_ocean.config import DEFAULT_PARAMETERS, Config
from emulator.toy_ocean.step import step

EVERY, RECORDS = 4, 3
NAMES = {
    "columns": ("namzdf_tke/rn_ediff", "namzdf_tke/rn_ebb", "namtra_ldf/rn_Ud", "namtra_qsr/rn_si1"),
    "dynamics": ("namzdf_tke/rn_ediff", "namdyn_ldf/rn_Uv", "namdrg_bot/rn_Cd0", "namtra_qsr/rn_si1"),
}
OBSERVED = {"columns": ("thetao", "tos"), "dynamics": ("thetao", "uo", "vo", "zos")}


@pytest.fixture(scope="module")
def box(make_grid: Callable) -> SimpleNamespace:
    """Three records of a small stratified box with random currents, as a real run would give them."""
    grid = make_grid(np.full((7, 8), 5), np.array([10.0, 15.0, 25.0, 50.0, 100.0]))
    random = np.random.default_rng(5)
    shape = (RECORDS, grid.nz, grid.ny, grid.nx)
    warm = 20.0 - 2.0 * np.arange(grid.nz)[:, None, None] + 0.3 * random.standard_normal(shape)
    fields = {
        "thetao": warm * np.asarray(grid.tmask),
        "so": (35.0 + 0.05 * random.standard_normal(shape)) * np.asarray(grid.tmask),
        "uo": 0.05 * random.standard_normal(shape) * np.asarray(grid.umask),
        "vo": 0.05 * random.standard_normal(shape) * np.asarray(grid.vmask),
        "zos": 0.02 * random.standard_normal((RECORDS, grid.ny, grid.nx)) * np.asarray(grid.ssmask),
        "en": 1e-4 * (1.0 + random.random(shape)) * np.asarray(grid.wmask),
    }
    steps = EVERY * np.arange(1, RECORDS + 1)
    trajectory = Trajectory(
        steps, 7200.0, fields, {}, Outcome(OutcomeKind.COMPLETED, 12), Snapshot("s", 0, 0)
    )
    return SimpleNamespace(grid=grid, config=Config(nn_e=10), params=DEFAULT_PARAMETERS, run=trajectory)


def twin_of(box: SimpleNamespace, variant: str, substeps: int = 2) -> SimplifiedTwin:
    return SimplifiedTwin(variant, box.grid, box.config, box.params, EVERY, substeps)


@pytest.mark.parametrize("variant", ["columns", "dynamics"])
def test_products_in_batch_one_by_one_and_transposed_agree(box: SimpleNamespace, variant: str) -> None:
    tangent = twin_of(box, variant).linearise(box.run, NAMES[variant], OBSERVED[variant])
    sizes = {"columns": (0.1, 10.0, 0.01, 10.0), "dynamics": (0.1, 1.0, 1e-3, 10.0)}[variant]
    columns = tangent.columns(np.diag(sizes))
    random = np.random.default_rng(0)
    v = random.standard_normal(4)
    pushed = tangent.mv(v * sizes)
    for name, combined in pushed.items():
        expected = np.tensordot(v, np.asarray(columns[name]), 1)
        assert np.abs(np.asarray(combined) - expected).max() < 1e-11 * np.abs(expected).max()
    # every field weighs the same, so that none hides an error of another
    weights = {n: random.standard_normal(a.shape) / float(np.abs(a).max()) for n, a in pushed.items()}
    forward = inner_product(pushed, weights)
    assert float((v * sizes) @ tangent.rmv(weights)) == pytest.approx(forward, rel=1e-10)


# Nothing that these parameters change in one step is held, so the step's own differences are its derivative.
@pytest.mark.parametrize(
    ("variant", "name", "value"),
    [
        ("columns", "namtra_qsr/rn_si1", 23.0),
        ("columns", "namtra_ldf/rn_Ud", 0.02),
        ("columns", "namzdf_tke/rn_ebb", 67.83),
        ("dynamics", "namtra_qsr/rn_si1", 23.0),
        ("dynamics", "namtra_ldf/rn_Ud", 0.02),
        ("dynamics", "namdyn_ldf/rn_Uv", 2.0),
        ("dynamics", "namdrg_bot/rn_Cd0", 1e-3),
        ("dynamics", "namzdf_tke/rn_ebb", 67.83),
    ],
)
def test_one_step_tangent_matches_differences_of_the_step(
    box: SimpleNamespace, variant: str, name: str, value: float
) -> None:
    twin = twin_of(box, variant)
    grid, forcing, states, frozen, params = twin._inputs(box.run)
    state, held = jax.tree.map(lambda a: a[0], (states, frozen))
    group, entry = name.split("/")

    def after(theta: float):
        changed = {**params, group: {**params[group], entry: jnp.asarray(theta)}}
        return twin.module.surrogate_step(state, changed, held, grid, twin.config, forcing)

    h = 1e-4 * value
    tangent = jax.jvp(after, (value,), (1.0,))[1]
    difference = jax.tree.map(lambda a, b: (a - b) / (2 * h), after(value + h), after(value - h))
    for expected, found in zip(difference, tangent, strict=True):
        # rounding of the state over h: 1e-16 · 35 / h; truncation of order (h/θ)²
        tolerance = 1e-5 * float(jnp.abs(expected).max()) + 1e-14 * 40.0 / h
        assert float(jnp.abs(found - expected).max()) <= tolerance


def test_viscosity_acts_in_the_first_step_as_in_the_exact_twin(box: SimpleNamespace) -> None:
    twin = SimplifiedTwin("dynamics", box.grid, box.config, box.params, EVERY, EVERY)
    grid, forcing, states, frozen, params = twin._inputs(box.run)
    state, held = jax.tree.map(lambda a: a[0], (states, frozen))

    def reduced(theta: float):
        changed = {**params, "namdyn_ldf": {**params["namdyn_ldf"], "rn_Uv": theta}}
        return twin.module.surrogate_step(state, changed, held, grid, twin.config, forcing)

    def exact(theta: float):
        changed = {**params, "namdyn_ldf": {**params["namdyn_ldf"], "rn_Uv": theta}}
        return step(state, held.kt, changed, None, grid, box.config)

    ours, theirs = (jax.jvp(f, (2.0,), (1.0,))[1] for f in (reduced, exact))
    for name in ("uo", "vo", "zos"):
        scale = float(jnp.abs(getattr(theirs, name)).max())
        # not to rounding: transports are products, and the reduced step reaches a slightly other flow
        assert float(jnp.abs(getattr(ours, name) - getattr(theirs, name)).max()) < 1e-5 * scale


def test_run_parameters_override_the_namelist(box: SimpleNamespace) -> None:
    twin = twin_of(box, "columns")
    dim = Trajectory(**{**vars(box.run), "params": {"namtra_qsr": {"rn_si1": 5.0}}})
    usual, changed = (
        twin.linearise(run, ("namtra_qsr/rn_si1",), ("tos",)).mv(np.ones(1))["tos"] for run in (box.run, dim)
    )
    assert float(np.abs(changed).max()) > 2.0 * float(np.abs(usual).max())


def test_what_the_surrogate_cannot_do_is_refused(box: SimpleNamespace) -> None:
    with pytest.raises(ConfigurationError, match="no sensitivity to namdyn_ldf/rn_Uv"):
        twin_of(box, "columns").linearise(box.run, ("namdyn_ldf/rn_Uv",), ("thetao",))
    with pytest.raises(ConfigurationError, match="no tangent of uo"):
        twin_of(box, "columns").linearise(box.run, ("namtra_qsr/rn_si1",), ("uo",))
    with pytest.raises(ConfigurationError, match="should be one of"):
        twin_of(box, "rows")


@pytest.mark.parametrize("variant", ["columns", "dynamics"])
def test_forced_intervals_are_transposed_rightly(box: SimpleNamespace, variant: str) -> None:
    twin = ForcedTwin(twin_of(box, variant), ("thetao_tendency",))
    forcing = {"thetao_tendency": np.zeros_like(box.run.fields["thetao"])}
    linear = twin.linearise(box.run.fields, forcing, 0, {})
    random = np.random.default_rng(7)
    state = {"thetao": random.standard_normal(forcing["thetao_tendency"].shape[1:])}
    push = {"thetao_tendency": 1e-6 * random.standard_normal(state["thetao"].shape)}
    weights = {"thetao": random.standard_normal(state["thetao"].shape)}
    pushed = linear.tangent(1, state, push)
    of_state, of_forcing = linear.adjoint(1, weights)
    backward = inner_product(
        {"a": of_state["thetao"], "b": of_forcing["thetao_tendency"]},
        {"a": state["thetao"], "b": push["thetao_tendency"]},
    )
    assert inner_product({"t": pushed["thetao"]}, {"t": weights["thetao"]}) == pytest.approx(
        backward, rel=1e-10
    )


@pytest.mark.parametrize("variant", ["columns", "dynamics"])
def test_a_tendency_heats_what_it_should(box: SimpleNamespace, variant: str) -> None:
    twin = ForcedTwin(twin_of(box, variant))
    forcing = {"thetao_tendency": np.zeros_like(box.run.fields["thetao"])}
    linear = twin.linearise(box.run.fields, forcing, 0, {})
    rate, seconds = 1e-6, EVERY * box.run.time_step
    heated = np.asarray(
        linear.tangent(0, {}, {"thetao_tendency": rate * np.asarray(box.grid.tmask)})["thetao"]
    )
    cells = (
        np.asarray(box.grid.e1e2t)[None]
        * np.asarray(box.grid.e3t_0)[:, None, None]
        * np.asarray(box.grid.tmask)
    )
    mean = (cells * heated).sum() / cells.sum()
    # all of the heat is there, but for what the restoring at the surface takes within the interval
    lost = 1.0 - mean / (rate * seconds)
    assert 0.0 < lost < 0.01
