"""What the state of VEROS is between two steps: the arrays that the next step depends on, and no others.

Of the 69 arrays that a step changes in the ACC set-up, most with three time levels, 16 remain: prognostic fields, the
tendencies of the step before (Adams–Bashforth), the last increments of the streamfunction (first guess and boundary
values of the solve), and the dissipation that feeds TKE. Density, stability, enthalpy and vertical velocity follow from
them (`step.derive`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from emulator.veros.levels import LEVELS, Levels

if TYPE_CHECKING:
    from veros.state import VerosState

State = dict[str, Any]

NOW, BEFORE = LEVELS["tau"], LEVELS["taum1"]


class Field(NamedTuple):
    """`name` in our state is time level `level` of VEROS's `variable` (None: it has no time levels)."""

    name: str
    variable: str
    level: int | None
    switches: tuple[str, ...] = ()


FIELDS = (
    Field("temp", "temp", NOW),
    Field("salt", "salt", NOW),
    Field("u", "u", NOW),
    Field("v", "v", NOW),
    Field("psi", "psi", NOW),
    Field("tke", "tke", NOW, ("enable_tke",)),
    Field("eke", "eke", NOW, ("enable_eke",)),
    Field("dtemp", "dtemp", BEFORE),
    Field("dsalt", "dsalt", BEFORE),
    Field("du", "du", BEFORE),
    Field("dv", "dv", BEFORE),
    Field("dtke", "dtke", BEFORE, ("enable_tke", "enable_tke_superbee_advection")),
    Field("deke", "deke", BEFORE, ("enable_eke", "enable_eke_superbee_advection")),
    Field("dpsi", "dpsi", NOW),
    Field("dpsi_before", "dpsi", BEFORE),
    Field("dpsin", "dpsin", BEFORE),
    Field("K_diss_v", "K_diss_v", None, ("enable_tke",)),
)

#: VEROS's names of the dimensions that are held apart
_APART = ("timesteps", "tensor1", "tensor2")

#: the entry of a state that counts steps, a whole number: the time of the forcing follows from it
CLOCK = "step"


def fields_of(template: VerosState) -> tuple[Field, ...]:
    """The fields of the state with the physics that the settings switch on."""
    settings = template.settings
    return tuple(field for field in FIELDS if all(getattr(settings, switch) for switch in field.switches))


def before_a_step(fields: tuple[Field, ...], base: Mapping[str, Any], state: State) -> dict[str, Any]:
    """VEROS's arrays with `state` in them; `base` has what never changes and what is overwritten."""
    arrays = dict(base)
    levels: dict[str, dict[int, Any]] = {}
    for field in fields:
        if field.level is None:
            arrays[field.variable] = state[field.name]
        else:
            levels.setdefault(field.variable, {})[field.level] = state[field.name]
    for variable, known in levels.items():
        arrays[variable] = Levels(
            known.get(level, base[variable].parts[level]) for level in sorted(LEVELS.values())
        )
    return arrays


def fields_and_clock(state: State) -> tuple[State, State]:
    """The entries of a state that have derivatives, and the clock."""
    return {n: x for n, x in state.items() if n != CLOCK}, {n: x for n, x in state.items() if n == CLOCK}


def after_a_step(fields: tuple[Field, ...], arrays: Mapping[str, Any]) -> State:
    """The fields in VEROS's arrays at the end of a step, where the next level is the one just made."""
    return {
        field.name: arrays[field.variable]
        if field.level is None
        else arrays[field.variable][..., field.level + 1]
        for field in fields
    }


def as_set_up(fields: tuple[Field, ...], template: VerosState) -> State:
    """The fields of a VEROS that has been set up and made no step."""
    variables = template.variables
    levels = {name: int(getattr(variables, name)) for name in LEVELS}
    if levels != LEVELS:
        raise ValueError(f"expected a VEROS that has made no step, with {LEVELS}, got {levels}")
    return {
        field.name: jnp.asarray(values if field.level is None else values[..., field.level])
        for field, values in ((field, getattr(variables, field.variable)) for field in fields)
    }


def base_of(template: VerosState) -> dict[str, jax.Array | Levels]:
    """All variables of a VEROS that has been set up; time levels and tensor components are arrays of their own."""
    from emulator.veros.traced_state import arrays_of

    return {
        name: _apart(np.asarray(value), template.var_meta[name].dims or ())
        for name, value in arrays_of(template).items()
    }


def _apart(array: np.ndarray, dims: tuple[str, ...]) -> jax.Array | Levels:
    if dims and dims[-1] in _APART:
        return Levels(_apart(part, dims[:-1]) for part in np.moveaxis(array, -1, 0))
    return jnp.asarray(array)
