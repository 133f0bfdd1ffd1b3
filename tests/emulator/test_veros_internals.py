"""What we use of VEROS's inside exists: the first test to fail with another release."""

from __future__ import annotations

import inspect

import jax.numpy as jnp
import numpy as np
import pytest

from emulator.veros.runtime import VERSION, ready


@pytest.fixture(autouse=True)
def veros_imported() -> None:
    """VEROS with our settings."""
    ready()


def test_the_release_is_the_one_that_pyproject_names() -> None:
    from pathlib import Path

    assert f'"veros=={VERSION}"' in (Path(__file__).parents[2] / "pyproject.toml").read_text()


def test_solvers_are_remembered_by_state() -> None:
    from veros.core.external.solvers import get_linear_solver
    from veros.core.external.solvers.scipy import SciPySolver

    assert isinstance(get_linear_solver.cache, dict)
    assert list(inspect.signature(SciPySolver._assemble_poisson_matrix).parameters) == ["state"]


def test_a_state_is_made_of_settings_and_variables() -> None:
    from veros.state import VerosSettings, get_default_state

    state = get_default_state()
    assert isinstance(state._settings, VerosSettings)
    assert state._settings.__metadata__["r_bot"].type is float
    indices = {name: state.var_meta[name].initial for name in ("taum1", "tau", "taup1")}
    from emulator.veros.levels import LEVELS

    assert {name: value or 0 for name, value in indices.items()} == LEVELS


def test_the_steps_of_a_step_have_not_changed() -> None:
    """Our sequence is a copy of the order in VerosSetup.step."""
    from veros import veros

    calls = [
        "self.set_forcing", "eke.set_eke_diffusivities", "tke.set_tke_diffusivities", "momentum.momentum",
        "thermodynamics.thermodynamics", "advection.calculate_velocity_on_wgrid", "eke.integrate_eke",
        "tke.integrate_tke", "utilities.enforce_boundaries", "momentum.vertical_velocity", "self.after_timestep",
    ]  # fmt: skip
    source = inspect.getsource(veros)
    step = source[source.index("def step(") : source.index("def run(")]
    places = [step.index(f"{call}(") for call in calls]
    assert places == sorted(places)


def test_levels_are_indexed_like_the_array_they_stand_for() -> None:
    from emulator.veros.levels import Levels

    array = np.random.default_rng(0).normal(size=(4, 5, 2, 3))
    field = Levels(jnp.moveaxis(jnp.asarray(array), -1, 0))
    assert field.shape == array.shape
    for index in [
        (..., 1),
        (slice(1, -1), slice(2), slice(None), 0),
        (slice(2), 3, ..., 2),
        (0, slice(1, 3), None, 1, 2),
    ]:
        np.testing.assert_array_equal(field[index], array[index])
        changed = array.copy()
        changed[index] += 2.0
        np.testing.assert_array_equal(jnp.stack(field.at[index].add(2.0).parts, axis=-1), changed)
    for index in [
        (slice(1, 3),),
        (slice(1, 3), ...),
        (..., slice(None)),
        (slice(1), slice(None), 1, slice(None)),
    ]:
        np.testing.assert_array_equal(jnp.stack(field[index].parts, axis=-1), array[index])
        changed = array.copy()
        changed[index] = array[index][::-1]
        moved = field.at[index].set(jnp.asarray(array[index][::-1]))
        np.testing.assert_array_equal(jnp.stack(moved.parts, axis=-1), changed)
    with pytest.raises(TypeError, match="one time level or all"):
        field[..., 0:2]
