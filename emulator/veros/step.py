"""One step of VEROS: its own kernels in its own order, without restarts, diagnostics, output and sanity check."""

from __future__ import annotations

from typing import Any

from veros import VerosSetup
from veros.core import advection, eke, momentum, thermodynamics, tke, utilities

from emulator.veros.levels import LEVELS
from emulator.veros.traced_state import TracedState, arrays_of, traced_state

#: "the level just made" is the current one: diagnostics of it are then those of the current state
_CURRENT = {"taum1": LEVELS["taum1"], "tau": LEVELS["tau"], "taup1": LEVELS["tau"], "itt": 1}


def derive(state: TracedState) -> None:
    """Density, stability, dynamic enthalpy and its derivatives, and vertical velocity of the current time level."""
    settings = {name: getattr(state.settings, name) for name in state._names}
    current = traced_state(state._template, arrays_of(state), settings, _CURRENT)
    current.variables.update(thermodynamics.calc_eq_of_state(current, LEVELS["tau"]))
    momentum.vertical_velocity(current)
    state.variables.update(arrays_of(current))


def advance(setup: VerosSetup, state: TracedState) -> None:
    """The sequence of VerosSetup.step; the rotation of the time levels is left to `prognostic`."""
    variables, settings = state.variables, state.settings
    setup.set_forcing(state)
    eke.set_eke_diffusivities(state)
    tke.set_tke_diffusivities(state)
    momentum.momentum(state)
    thermodynamics.thermodynamics(state)
    if settings.enable_eke or settings.enable_tke:
        advection.calculate_velocity_on_wgrid(state)
    if settings.enable_eke:
        eke.integrate_eke(state)
    if settings.enable_tke:
        tke.integrate_tke(state)
    for name in _exchanged(settings):
        setattr(
            variables, name, utilities.enforce_boundaries(getattr(variables, name), settings.enable_cyclic_x)
        )
    momentum.vertical_velocity(state)
    setup.after_timestep(state)


def _exchanged(settings: Any) -> list[str]:
    return ["u", "v", *["tke"] * settings.enable_tke, *["eke"] * settings.enable_eke]
