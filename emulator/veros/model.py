"""A set-up of VEROS as a pure function `step(state, params) -> state`, differentiable in both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from veros import VerosSetup
from veros.core.external.solvers import get_linear_solver

from emulator.veros import prognostic
from emulator.veros.barotropic import DirectSolver
from emulator.veros.levels import Levels
from emulator.veros.prognostic import CLOCK, State, fields_and_clock
from emulator.veros.step import advance, derive
from emulator.veros.traced_state import TracedState, traced_state
from emulator.veros.window_sums import with_window_sums

Params = Mapping[str, Any]

_QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


class VerosModel:
    """`setup` (a VerosSetup that is not set up yet) as a function of its state and of the settings `parameters`.

    The state is {name: array} (`prognostic.FIELDS`), in VEROS's own layout [x, y, z] with two ghost points at each side
    of x and y and the lowest level first. `params` maps the names in `parameters` to numbers; each must be a float
    setting of VEROS. Other settings are `overrides`, fixed when the model is made. With `quick_compile`, compiling
    takes half the time and a step two or three times as long.
    """

    def __init__(
        self,
        setup: Callable[..., VerosSetup],
        parameters: Sequence[str] = (),
        overrides: Mapping[str, Any] | None = None,
        solver: DirectSolver | None = None,
        quick_compile: bool = False,
    ) -> None:
        self.setup = setup(override=dict(overrides or {}))
        template = self.setup.state
        get_linear_solver.cache[(template,)] = solver or DirectSolver()
        self.setup.setup()
        self.settings = template.settings
        _require_supported(self.settings)
        self.parameters = tuple(_checked_parameter(self.settings, name) for name in parameters)
        self.fields = prognostic.fields_of(template)
        self._template = template
        self._compiler_options = _QUICK if quick_compile else None
        self._base = prognostic.base_of(template)

    @property
    def name(self) -> str:
        """VEROS's identifier of the set-up."""
        return str(self.settings.identifier)

    @property
    def time_step(self) -> float:
        """Length of a step in s (that of tracers)."""
        return float(self.settings.dt_tracer)

    def initial_state(self) -> State:
        """The state of the set-up before its first step."""
        return {**prognostic.as_set_up(self.fields, self._template), CLOCK: jnp.zeros((), dtype=int)}

    def params(self, **values: float) -> dict[str, jax.Array]:
        """The parameters as the set-up has them, some of them replaced by `values`."""
        _require_known(values, self.parameters)
        own = {name: float(getattr(self.settings, name)) for name in self.parameters}
        return {name: jnp.asarray(value, dtype=float) for name, value in (own | values).items()}

    def step(self, state: State, params: Params) -> State:
        """The state after one step of VEROS."""
        inside = self._inside(state, params)
        derive(inside)
        advance(self.setup, inside)
        after = prognostic.after_a_step(self.fields, vars(inside.variables))
        return {**after, CLOCK: state[CLOCK] + 1}

    @cached_property
    def compiled_step(self) -> Callable[[State, Params], State]:
        """`step`, compiled once for all who use this model."""
        return self.compiled(self.step)

    @cached_property
    def compiled_reverse(self) -> Callable[[State, Params, State], tuple[State, dict[str, jax.Array]]]:
        """(state, params, λ) -> (Aᵀ λ, Bᵀ λ): the transposed derivative of `step` there, compiled once."""

        def reverse(state: State, params: Params, cotangent: State) -> tuple[State, dict[str, jax.Array]]:
            fields, clock = fields_and_clock(state)
            _, pull = jax.vjp(
                lambda u, theta: fields_and_clock(self.step(u | clock, theta))[0], fields, params
            )
            return pull(cotangent)

        return self.compiled(with_window_sums(reverse))

    def compiled(self, function: Callable) -> Callable:
        """`function` compiled as this model's steps are."""
        return jax.jit(function, compiler_options=self._compiler_options)

    def derived(self, state: State, names: Sequence[str]) -> dict[str, jax.Array]:
        """Arrays of VEROS that follow from the state: prho, rho, Nsqr, w, … at the current time level."""
        inside = self._inside(state, {})
        derive(inside)
        values = {name: getattr(inside.variables, name) for name in names}
        return {n: x[..., prognostic.NOW] if isinstance(x, Levels) else x for n, x in values.items()}

    def _inside(self, state: State, params: Params) -> TracedState:
        _require_known(params, self.parameters)
        # arguments of stock VEROS's kernels: XLA would turn divisions by constants into products
        base = lax.optimization_barrier(self._base)
        arrays = prognostic.before_a_step(self.fields, base, state)
        arrays["time"] = base["time"] + state[CLOCK] * self.settings.dt_tracer
        return traced_state(
            self._template, arrays, {name: params[name] for name in self.parameters if name in params}
        )

    def constant(self, name: str) -> np.ndarray:
        """One of VEROS's arrays that never change: the grid, masks, forcing of constant set-ups."""
        return np.asarray(self._base[name])


def _require_supported(settings: Any) -> None:
    if not settings.enable_streamfunction:
        raise ValueError(
            "expected a set-up with enable_streamfunction, got one that solves for surface pressure"
        )
    if settings.enable_idemix:
        raise ValueError(
            "expected a set-up without IDEMIX (enable_idemix), which has never been differentiated"
        )


def _require_known(values: Mapping[str, Any], parameters: Sequence[str]) -> None:
    unknown = sorted(set(values) - set(parameters))
    if unknown:
        own = ", ".join(parameters) or "none: the model was made without"
        raise ValueError(f"expected parameters among {own}, got {', '.join(unknown)}")


def _checked_parameter(settings: Any, name: str) -> str:
    meta = settings.__metadata__.get(name)
    if meta is None or meta.type is not float:
        kind = "no setting" if meta is None else f"of type {meta.type.__name__}"
        raise ValueError(f"expected the name of a float setting of VEROS as a parameter; {name!r} is {kind}")
    return name
