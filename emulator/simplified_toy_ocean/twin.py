"""The simplified twin as a surrogate: recorded fields of a real run in, tangents of observed fields out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bridge.errors import ConfigurationError
from bridge.model import Params, Recording, Trajectory
from emulator.precision import require_float64
from emulator.simplified_toy_ocean import columns, dynamics
from emulator.sweep import Sweep, backward_sweep, forward_sweep
from emulator.tangent_linear import TangentLinear
from emulator.toy_ocean.config import Config
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.sbc import Climatology

VARIANTS = ("columns", "dynamics")


class SimplifiedTwin:
    """Tangent linear of reduced physics about recorded real states, held from one record to the next.

    `params` are the namelist values that a run does not set; `every` is the number of model steps between
    records, `substeps` how many steps of the surrogate span it. Surface temperature `tos` is read as the
    first level of thetao.
    """

    def __init__(
        self,
        variant: str,
        grid: Grid,
        config: Config,
        params: Mapping[str, Mapping[str, Any]],
        every: int,
        substeps: int,
        forcing: Climatology | None = None,
    ) -> None:
        require_float64()
        if variant not in VARIANTS:
            raise ConfigurationError(f"the surrogate should be one of {VARIANTS}, got {variant!r}")
        self.variant, self.grid, self.every, self.substeps = variant, grid, every, substeps
        self.params = {group: dict(entries) for group, entries in params.items()}
        self.forcing = forcing
        self.module: Any = columns if variant == "columns" else dynamics
        self.config = dataclasses.replace(config, rn_Dt=config.rn_Dt * every / substeps)
        self._compiled: dict[tuple[str, tuple[str, ...], tuple[str, ...]], Callable] = {}

    @property
    def name(self) -> str:
        """Variant and spacing, for the keys of cached Jacobians."""
        return f"simplified-{self.variant}-{self.every}-{self.substeps}"

    @property
    def recording(self) -> Recording:
        """What a real run has to record."""
        return Recording(self.module.RECORDED, self.every)

    def linearise(self, trajectory: Trajectory, names: Sequence[str], fields: Sequence[str]) -> TangentLinear:
        """Tangents [P] of the named parameters (physical units) -> {field: tangents at the records}."""
        self._check(names, fields)
        inputs = self._inputs(trajectory)
        keys = (tuple(names), tuple(fields))
        push = self._function("mv", *keys)
        pull = self._function("rmv", *keys)
        return TangentLinear(
            mv=lambda v: jax.tree.map(lambda a: a[0], push(inputs, jnp.asarray(v)[None])),
            rmv=lambda w: np.asarray(pull(inputs, {name: jnp.asarray(w[name]) for name in fields})),
            mv_many=lambda directions: push(inputs, jnp.asarray(directions)),
        )

    def _function(self, kind: str, names: tuple[str, ...], fields: tuple[str, ...]) -> Callable:
        """Compiled once per set of names and fields; the recorded states are arguments."""
        key = (kind, names, fields)
        if key not in self._compiled:
            self._compiled[key] = jax.jit(
                self._push(names, fields) if kind == "mv" else self._pull(names, fields)
            )
        return self._compiled[key]

    def _sweep(self, fields: tuple[str, ...], forcing: Any, grid: Grid) -> Sweep:
        def step(state: Any, params: Any, frozen: Any) -> Any:
            return self.module.surrogate_step(state, params, frozen, grid, self.config, forcing)

        return Sweep(step, lambda state: {name: read(state, name) for name in fields}, self.substeps)

    def _push(self, names: tuple[str, ...], fields: tuple[str, ...]) -> Callable:
        def push(inputs: tuple, directions: Any) -> Any:
            grid, forcing, states, frozen, params = inputs
            sweep = self._sweep(fields, forcing, grid)
            return jax.vmap(
                lambda v: forward_sweep(sweep, states, frozen, params, _tangent(params, names, v))
            )(directions)

        return push

    def _pull(self, names: tuple[str, ...], fields: tuple[str, ...]) -> Callable:
        def pull(inputs: tuple, weights: Any) -> Any:
            grid, forcing, states, frozen, params = inputs
            gradient = backward_sweep(self._sweep(fields, forcing, grid), states, frozen, params, weights)
            return jnp.stack([gradient[name.split("/")[0]][name.split("/")[1]] for name in names])

        return pull

    def _inputs(self, trajectory: Trajectory) -> tuple:
        steps = np.asarray(trajectory.steps)
        states, frozen = self.module.from_record(trajectory.fields, steps, self.every)
        return self.grid, self.forcing, states, frozen, self.merged(trajectory.params)

    def merged(self, params: Params) -> dict[str, dict[str, jax.Array]]:
        """The values of a run that sets `params`."""
        values: dict[str, dict[str, Any]] = {group: dict(entries) for group, entries in self.params.items()}
        for group, entries in params.items():
            values.setdefault(group, {}).update(entries)
        return jax.tree.map(lambda value: jnp.asarray(value, dtype=float), values)

    def _check(self, names: Sequence[str], fields: Sequence[str]) -> None:
        for name in names:
            group, _, entry = name.partition("/")
            if group not in self.module.GROUPS or entry not in self.params.get(group, {}):
                known = ", ".join(self.module.GROUPS)
                raise ConfigurationError(
                    f"the surrogate {self.variant!r} has no sensitivity to {name}; it knows real entries of {known}"
                )
        for field in fields:
            if field != "tos" and field not in self.module.READABLE:
                readable = ", ".join(("tos", *self.module.READABLE))
                raise ConfigurationError(
                    f"the surrogate {self.variant!r} has no tangent of {field}; observe one of {readable}"
                )


def read(state: Any, name: str) -> Any:
    """The field `name` of a state."""
    return state.thetao[0] if name == "tos" else getattr(state, name)


def _tangent(params: Any, names: tuple[str, ...], v: Any) -> Any:
    """A tangent shaped as `params`, with the components of v at `names` and 0 elsewhere."""
    tangent = jax.tree.map(jnp.zeros_like, params)
    for number, name in enumerate(names):
        group, _, entry = name.partition("/")
        tangent[group][entry] = jnp.asarray(v[number])
    return tangent
