"""What is differentiated: VEROS's ACC from a spun-up state, and four scalars of a state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emulator.veros_model import veros_model
from optim.bench.veros.cells import Cells

if TYPE_CHECKING:
    from emulator.veros.gradient import Term
    from emulator.veros.model import VerosModel
    from emulator.veros.prognostic import State

#: `kappaH_min` is not among them: the diffusivity profile of ACC hides it (see `WITHOUT_PROFILE`)
PARAMETERS = ("r_bot", "A_h", "c_k", "c_eps", "K_iso_steep", "eke_c_k")
WITHOUT_PROFILE = {"enable_kappaH_profile": False}

LOSSES = ("psi", "temp", "mld", "eke")


def spun_up(model: VerosModel, steps: int, cells: Cells) -> State:
    """The state after `steps` steps with the model's own parameters, made once."""
    import jax

    file = cells.file(f"spun_up_{model.name}_{steps}", ".npz")
    if not file.exists():
        state = model.initial_state()
        for _ in range(steps):
            state = model.compiled_step(state, model.params())
        unfinished = file.with_suffix(".part.npz")
        np.savez(unfinished, **state)
        unfinished.rename(file)
    with np.load(file) as kept:
        return {name: jax.numpy.asarray(kept[name]) for name in kept}


def loss(model: VerosModel, name: str) -> Term:
    """Mean square over the grid's interior: streamfunction in Sv, temperature in °C, mixed-layer depth in 100 m,
    or EKE in 1e-3 m2 s-2."""
    import jax.numpy as jnp

    from emulator.veros.observed import interior, mixed_layer_depth, streamfunction

    seen = {
        "psi": streamfunction,
        "temp": lambda state: interior(state["temp"]),
        "mld": lambda state: mixed_layer_depth(model, state) / 100,
        "eke": lambda state: interior(state["eke"]) / 1e-3,
    }[name]
    return lambda state, _: jnp.mean(seen(state) ** 2)


def make(setup: str, **overrides: Any) -> VerosModel:
    """The set-up with the parameters of this bench."""
    parameters = (*PARAMETERS, "kappaH_min") if overrides == WITHOUT_PROFILE else PARAMETERS
    return veros_model(setup, parameters, overrides)
