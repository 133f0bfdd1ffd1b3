"""Exact derivatives of the twin over many steps: the referee of every approximate gradient.

With a step u_k+1 = M(u_k, θ), what is recorded after every `every` steps has the tangents and adjoints

    forward    δu_k+1 = A_k δu_k + B_k δθ                      cost: primal + about one step per direction
    reverse    λ_k = A_kᵀ λ_k+1 + Hᵀ w_k,  g = Σ B_kᵀ λ_k+1     cost: about four steps, however many parameters

with A, B the derivatives of M at the twin's own states. Three programs are compiled, each for one interval
between records and with states, parameters and time as arguments: windows of any length and all iterations of
a tuning job use the same three. The reverse sweep needs the state before every step: they are kept when they
fit into `memory` bytes, else one interval at a time is run again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bridge.errors import ConfigurationError
from bridge.model import Recording, Trajectory
from emulator.precision import require_float64
from emulator.tangent_linear import TangentLinear
from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.sbc import Climatology
from emulator.toy_ocean.state import State
from emulator.toy_ocean.step import step

Params = Mapping[str, Mapping[str, Any]]
Fields = dict[str, Any]  # field -> [records, (k,) j, i]
Adjoint = Callable[[Fields], tuple[float, Fields]]  # records -> cost, its gradient with respect to them

#: Fields that are part of the state, or its first level.
READERS: dict[str, Callable[[State], Array]] = {
    "thetao": lambda s: s.thetao,
    "so": lambda s: s.so,
    "uo": lambda s: s.uo,
    "vo": lambda s: s.vo,
    "zos": lambda s: s.zos,
    "en": lambda s: s.en,
    "tos": lambda s: s.thetao[0],
    "sos": lambda s: s.so[0],
}
SHAPING = {"rn_Dt", "rn_bt_cmax", "rn_shlat"}  # fix sub-steps and masks: no derivative


@dataclass(frozen=True)
class Start:
    """Where a window begins: the state after `kt` steps."""

    state: State
    kt: int


class ExactTwin:
    """The twin with its derivatives with respect to namelist entries, named "group/entry".

    `params` are the values that a run does not set. As a field surrogate (`linearise`) it starts from `start`
    and reads only the parameters and the length of a trajectory: the states are its own.
    """

    name = "exact-twin"

    def __init__(
        self,
        grid: Grid,
        config: Config,
        params: Params,
        forcing: Climatology | None = None,
        *,
        every: int = 1,
        start: Start | None = None,
        memory: float = 1.5e9,
    ) -> None:
        require_float64()
        self.grid, self.config, self.forcing = grid, config, forcing
        self.params = {group: dict(entries) for group, entries in params.items()}
        self.every, self.start, self.memory = every, start, memory
        self._surroundings = (grid, forcing)
        self._advance = jax.jit(self._advance_interval)
        self._push = jax.jit(self._push_interval)
        self._pull = jax.jit(self._pull_interval)

    @property
    def recording(self) -> Recording:
        """Nothing is needed of a real run but its parameters and steps."""
        return Recording((), self.every)

    def linearise(self, trajectory: Trajectory, names: Sequence[str], fields: Sequence[str]) -> TangentLinear:
        """Tangents [P] of the named parameters -> {field: tangents at the trajectory's records}."""
        return self.at(trajectory.params, names, len(trajectory.steps)).tangent_linear(fields)

    def at(
        self, params: Params, names: Sequence[str], records: int, start: Start | None = None
    ) -> Linearisation:
        """The window of `records` intervals with `params` over the twin's own, differentiated by `names`."""
        start = start or self.start
        if start is None:
            raise ValueError("the twin needs the state that its window starts from: pass start")
        everything = self.merged(params)
        controls = {name: self._take(everything, name) for name in names}
        return Linearisation(self, start, everything, controls, records)

    def merged(self, params: Params) -> dict[str, dict[str, Array]]:
        """The twin's own values with those of `params` in their places."""
        merged: dict[str, dict[str, Any]] = {group: dict(entries) for group, entries in self.params.items()}
        for group, entries in params.items():
            merged.setdefault(group, {}).update(entries)
        return {
            group: {entry: jnp.asarray(value, dtype=jnp.float64) for entry, value in entries.items()}
            for group, entries in merged.items()
        }

    @staticmethod
    def _take(params: dict[str, dict[str, Array]], name: str) -> Array:
        group, _, entry = name.partition("/")
        if entry in SHAPING or entry not in params.get(group, {}):
            known = ", ".join(f"{g}/{e}" for g, es in params.items() for e in es if e not in SHAPING)
            raise ConfigurationError(f"the twin has no derivative with respect to {name!r}; it knows {known}")
        return params[group][entry]

    # --- the three programs: one interval of `every` steps, the first of which is kt + 1 ---

    def _step(self, state: State, number: Array, controls: Any, params: Any, surroundings: Any) -> State:
        grid, forcing = surroundings
        merged = {group: dict(entries) for group, entries in params.items()}
        for name, value in controls.items():
            group, _, entry = name.partition("/")
            merged[group][entry] = value
        return step(state, number, merged, forcing, grid, self.config)

    def _numbers(self, kt: Array) -> Array:
        return kt + jnp.arange(1, self.every + 1)

    def _advance_interval(
        self, state: State, kt: Array, controls: Any, params: Any, surroundings: Any
    ) -> tuple[State, State]:
        """State at the end, and the states before each step, leading axis [every]."""

        def body(now: State, number: Array) -> tuple[State, State]:
            return self._step(now, number, controls, params, surroundings), now

        return jax.lax.scan(body, state, self._numbers(kt))

    def _push_interval(
        self, carry: Any, directions: Any, kt: Array, controls: Any, params: Any, surroundings: Any
    ) -> Any:
        """(state, tangents [q, ...]) at the end of the interval; the directions [q, ...] share the primal step."""

        def body(now: Any, number: Array) -> tuple[Any, None]:
            state, tangents = now

            def model(u: State, theta: Any) -> State:
                return self._step(u, number, theta, params, surroundings)

            after, linear = jax.linearize(model, state, controls)
            return (after, jax.lax.map(lambda d: linear(*d), (tangents, directions))), None

        return jax.lax.scan(body, carry, self._numbers(kt))[0]

    def _pull_interval(
        self, before: State, sensitivity: State, kt: Array, controls: Any, params: Any, surroundings: Any
    ) -> tuple[State, Any]:
        """(λ at the start, Σ Bᵀ λ) from λ at the end and the states `before` each step."""

        def body(carry: Any, record: Any) -> tuple[Any, None]:
            state, number = record
            after, gradient = carry
            _, pull = jax.vjp(lambda u, t: self._step(u, number, t, params, surroundings), state, controls)
            earlier, share = pull(after)
            return (earlier, jax.tree.map(jnp.add, gradient, share)), None

        zero = jax.tree.map(jnp.zeros_like, controls)
        return jax.lax.scan(body, (sensitivity, zero), (before, self._numbers(kt)), reverse=True)[0]


@dataclass(frozen=True)
class Linearisation:
    """The twin over one window at one set of parameters; vectors are the controls' values in order, flat [n]."""

    twin: ExactTwin
    start: Start
    params: Any
    controls: dict[str, Array]
    records: int

    def run(self, fields: Sequence[str]) -> Fields:
        """The recorded fields, [records, (k,) j, i]."""
        return self._forward(fields)[0]

    def tangent_linear(self, fields: Sequence[str]) -> TangentLinear:
        """δ(controls) [n] -> {field: [records, …]}, and its transpose; nothing is kept between products."""
        return TangentLinear(
            mv=lambda v: {f: a[0] for f, a in self._pushed(np.asarray(v)[None], fields).items()},
            rmv=lambda w: self._reverse(self._forward(())[1], w),
            mv_many=lambda directions: self._pushed(np.asarray(directions), fields),
        )

    def value_and_gradient(self, cost: Adjoint, fields: Sequence[str]) -> tuple[float, np.ndarray]:
        """Cost of the twin's own records and its gradient [n]; `cost` maps records to (value, ∂value/∂records)."""
        records, tape = self._forward(fields)
        value, weights = cost(records)
        return float(value), self._reverse(tape, weights)

    def _forward(self, fields: Sequence[str]) -> tuple[Fields, list[Any]]:
        """Records, and per interval the states before each step or (to save memory) before the first."""
        twin, state, tape = self.twin, self.start.state, []
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        keep = size * self.records * twin.every <= twin.memory
        seen: dict[str, list[np.ndarray]] = {field: [] for field in _readable(fields)}
        for number in range(self.records):
            after, before = twin._advance(state, *self._arguments(number))
            tape.append(before if keep else state)
            state = after
            for field, values in seen.items():
                values.append(np.asarray(READERS[field](state)))
        return {field: np.stack(values) for field, values in seen.items()}, tape if keep else [None, *tape]

    def _reverse(self, tape: list[Any], weights: Fields) -> np.ndarray:
        twin = self.twin
        kept = tape[0] is not None
        sensitivity = jax.tree.map(jnp.zeros_like, self.start.state)
        gradient = jax.tree.map(jnp.zeros_like, self.controls)
        for number in reversed(range(self.records)):
            arguments = self._arguments(number)
            before = tape[number] if kept else twin._advance(tape[number + 1], *arguments)[1]
            sensitivity = _add(sensitivity, weights, number)
            sensitivity, share = twin._pull(before, sensitivity, *arguments)
            gradient = jax.tree.map(jnp.add, gradient, share)
        return np.concatenate([np.ravel(gradient[name]) for name in self.controls])

    def _pushed(self, directions: np.ndarray, fields: Sequence[str]) -> Fields:
        """Tangents of the records for each row of `directions` [q, n]: {field: [q, records, …]}."""
        state = self.start.state
        tangents = jax.tree.map(lambda a: jnp.zeros((len(directions), *a.shape)), state)
        split = self._split(directions)
        seen: dict[str, list[np.ndarray]] = {field: [] for field in _readable(fields)}
        for number in range(self.records):
            state, tangents = self.twin._push((state, tangents), split, *self._arguments(number))
            for field, values in seen.items():
                values.append(np.asarray(jax.vmap(READERS[field])(tangents)))
        return {field: np.stack(values, axis=1) for field, values in seen.items()}

    def _split(self, directions: np.ndarray) -> dict[str, Array]:
        """Rows [q, n] -> {control: [q, …]} in the order of the controls."""
        ends = np.cumsum([value.size for value in self.controls.values()])
        parts = np.split(directions, ends[:-1], axis=1)
        return {
            name: jnp.asarray(part.reshape(len(directions), *value.shape))
            for (name, value), part in zip(self.controls.items(), parts, strict=True)
        }

    def _arguments(self, number: int) -> tuple[Any, ...]:
        kt = jnp.asarray(self.start.kt + number * self.twin.every)
        return kt, self.controls, self.params, self.twin._surroundings


def _readable(fields: Sequence[str]) -> Sequence[str]:
    for field in fields:
        if field not in READERS:
            raise ConfigurationError(
                f"the twin's derivatives know the fields {', '.join(READERS)}; got {field!r}"
            )
    return fields


def _add(sensitivity: State, weights: Fields, number: int) -> State:
    """λ + Hᵀ w at one record."""
    for field, values in weights.items():
        (share,) = jax.linear_transpose(READERS[field], sensitivity)(jnp.asarray(values[number]))
        sensitivity = jax.tree.map(jnp.add, sensitivity, share)
    return sensitivity
