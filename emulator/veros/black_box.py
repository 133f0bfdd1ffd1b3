"""VEROS as nothing but a model: set, get, run, record, snapshot, restore. No derivative can be asked for.

The verbs are those of `bridge.session.Session`, and the arrays those of NEMO: [k, j, i] from the surface down, without
ghost points, land = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from bridge.fields import FieldSpec
from bridge.ledger_key import content_hash
from bridge.model import (
    Grid,
    ModelDescription,
    Outcome,
    OutcomeKind,
    Params,
    Recording,
    Snapshot,
    Trajectory,
    require_finite,
    whole_number,
)
from bridge.north_fold import Edges
from emulator.veros.observed import mixed_layer_depth
from emulator.veros.prognostic import CLOCK, State
from emulator.veros.runtime import VERSION

if TYPE_CHECKING:
    from emulator.veros.model import VerosModel

#: the group under which VEROS's settings appear as parameters
GROUP = "veros"

_VOLUME, _SURFACE = ("k", "j", "i"), ("j", "i")
_SPECS = {
    spec.name: spec
    for spec in (
        FieldSpec("temp", "tsn(jp_tem)", "sea_water_potential_temperature", "degC", "T", _VOLUME),
        FieldSpec("salt", "tsn(jp_sal)", "sea_water_practical_salinity", "1e-3", "T", _VOLUME),
        FieldSpec("u", "uu", "sea_water_x_velocity", "m s-1", "U", _VOLUME, True),
        FieldSpec("v", "vv", "sea_water_y_velocity", "m s-1", "V", _VOLUME, True),
        FieldSpec("tke", "en", "specific_turbulent_kinetic_energy_of_sea_water", "m2 s-2", "W", _VOLUME),
        FieldSpec("eke", "eke", "eddy_kinetic_energy", "m2 s-2", "W", _VOLUME),
        FieldSpec("psi", "psi", "ocean_barotropic_streamfunction", "m3 s-1", "F", _SURFACE),
        FieldSpec("mld", "hmlp", "ocean_mixed_layer_thickness_defined_by_sigma_t", "m", "T", _SURFACE),
    )
}


class VerosBlackBox:
    """`model` behind the verbs of a Session, in this process, started from `state` (default: as set up).

    Parameters are "veros/<setting>" for the settings the model was made with. Fields are those of the state and `mld`.
    """

    def __init__(self, model: VerosModel, state: State | None = None) -> None:
        self._model = model
        self._state = dict(model.initial_state() if state is None else state)
        self._params = {name: float(value) for name, value in model.params().items()}
        self._shelf: dict[int, tuple[str, State]] = {}
        self._last_slot = -1
        self._diagnostics: dict[str, Callable[[State], Any]] = {
            "mld": jax.jit(lambda state: mixed_layer_depth(model, state))
        }
        self.steps_spent = 0

    @property
    def step(self) -> int:
        """The model's step number."""
        return int(self._state[CLOCK])

    def describe(self) -> ModelDescription:
        """Name, version, time step, grid, fields of the state that lie on the grid, parameters."""
        settings = self._model.settings
        fields = {
            name: spec for name, spec in _SPECS.items() if name in self._state or name in self._diagnostics
        }
        return ModelDescription(
            f"veros_{self._model.name}",
            VERSION,
            self._model.time_step,
            Grid(settings.nx, settings.ny, settings.nz, self._grid(), Edges(settings.enable_cyclic_x)),
            fields,
            {f"{GROUP}/{name}": value for name, value in self._params.items()},
        )

    def set(self, values: Mapping[str, Any]) -> None:
        """Write parameters ("veros/r_bot") and fields of the state, [k, j, i] or [j, i]."""
        for name, value in values.items():
            array = np.asarray(value, dtype=float)
            require_finite(name, array)
            if name.startswith(f"{GROUP}/"):
                self._params[self._parameter(name)] = float(array)
            else:
                self._state[name] = self._from_bridge(self._field(name), array)

    def get(self, name: str) -> Any:
        """A parameter's value, or a field, [k, j, i] or [j, i]."""
        if name.startswith(f"{GROUP}/"):
            return self._params[self._parameter(name)]
        if name in self._diagnostics:
            return to_bridge(self._diagnostics[name](self._state), ghosts=False)
        return to_bridge(self._state[self._field(name)], self._tiled(name))

    def snapshot(self) -> Snapshot:
        """Remember the state, bit by bit."""
        kept = {name: np.asarray(value) for name, value in self._state.items()}
        identity, slot = content_hash(kept)[:16], self._last_slot + 1
        self._shelf[slot], self._last_slot = (identity, dict(self._state)), slot
        return Snapshot(identity, slot, self.step)

    def restore(self, snapshot: Snapshot) -> None:
        """Bring a remembered state back, its step number with it."""
        self._state = dict(self._shelf[self._slot(snapshot)][1])

    def drop(self, snapshot: Snapshot) -> None:
        """Forget a snapshot."""
        del self._shelf[self._slot(snapshot)]

    def run(self, params: Params, snapshot: Snapshot, steps: int, record: Recording) -> Trajectory:
        """Run from `snapshot` with `params` (see `bridge.model.Model`), which hold for this run alone."""
        self.restore(snapshot)
        standing = dict(self._params)
        try:
            self.set(
                {f"{group}/{name}": v for group, entries in params.items() for name, v in entries.items()}
            )
            return self._advanced(whole_number("steps", steps, 0), record, snapshot)
        finally:
            self._params = standing

    def advance(self, steps: int, record: Recording) -> Trajectory:
        """Run from where the model is, with its standing parameters."""
        return self._advanced(whole_number("steps", steps, 0), record, Snapshot("", None, self.step))

    def _advanced(self, steps: int, record: Recording, initial: Snapshot) -> Trajectory:
        recorded: list[int] = []
        fields: dict[str, list[np.ndarray]] = {name: [] for name in record.fields}
        outcome = Outcome(OutcomeKind.COMPLETED, self.step + steps)
        values = self._model.params(**self._params)
        for done in range(0, steps, record.every):
            count = min(record.every, steps - done)
            for _ in range(count):
                self._state = self._model.compiled_step(self._state, values)
            self.steps_spent += count
            if not self._finite():
                outcome = Outcome(OutcomeKind.BLEW_UP, self.step, "temperature is not finite")
                break
            if count == record.every:
                recorded.append(self.step)
                for name in record.fields:
                    fields[name].append(self.get(name).astype(record.dtype or float))
        params: Params = {GROUP: dict(self._params)}
        stacked = {name: np.array(values) for name, values in fields.items()}
        return Trajectory(np.array(recorded), self._model.time_step, stacked, params, outcome, initial)

    def _finite(self) -> bool:
        return bool(np.all(np.isfinite(self._state["temp"])) and np.all(np.isfinite(self._state["psi"])))

    def _slot(self, snapshot: Snapshot) -> int:
        identity, _ = self._shelf.get(snapshot.slot, ("", {}))  # type: ignore[arg-type]
        if not identity or identity != snapshot.id:
            raise ValueError(
                f"expected a snapshot that this model remembers, got slot {snapshot.slot} of step {snapshot.step}: "
                "dropped, or of another model"
            )
        return int(snapshot.slot)  # type: ignore[arg-type]

    def _parameter(self, name: str) -> str:
        setting = name.removeprefix(f"{GROUP}/")
        if setting not in self._params:
            own = ", ".join(f"{GROUP}/{known}" for known in self._params) or "none"
            raise ValueError(f"{name!r} is no parameter of this model; it was made with {own}")
        return setting

    def _field(self, name: str) -> str:
        if name not in self._state or name == CLOCK:
            raise ValueError(f"{name!r} is no field of the state; it has {', '.join(self._state)}")
        return name

    def _tiled(self, name: str) -> bool:
        return name != "dpsin"

    def _from_bridge(self, name: str, array: np.ndarray) -> np.ndarray:
        """`array` in VEROS's layout; ghost points in x continue the grid, those in y stay as they are."""
        inside = np.array(self._state[name])
        expected = to_bridge(inside, self._tiled(name)).shape
        if array.shape != expected:
            raise ValueError(f"expected {name!r} with shape {expected}, got {array.shape}")
        if not self._tiled(name):
            return array.copy()
        inside[2:-2, 2:-2] = array[::-1].transpose(2, 1, 0) if array.ndim == 3 else array.T
        if self._model.settings.enable_cyclic_x:
            inside[-2:], inside[:2] = inside[2:4], inside[-4:-2]
        return inside

    def _grid(self) -> dict[str, np.ndarray]:
        model = self._model
        lon, lat = np.meshgrid(model.constant("xt")[2:-2], model.constant("yt")[2:-2])
        masks = {
            f"{p.lower()}mask": to_bridge(model.constant(f"mask{p}"), True).astype(float) for p in "TUVW"
        }
        depth = -model.constant("zt")[::-1]
        area, thickness = to_bridge(model.constant("area_t")), model.constant("dzt")[::-1]
        return {
            **masks,
            "glamt": lon,
            "gphit": lat,
            "gdept_0": depth,
            "e3t_0": thickness,
            "e1e2t": area,
        }


def to_bridge(array: Any, ghosts: bool = True) -> np.ndarray:
    """[k, j, i] from the surface down of VEROS's [x, y, z], without ghost points if it has any."""
    values = np.asarray(array)
    if ghosts and values.ndim >= 2:
        values = values[2:-2, 2:-2]
    return np.array(values.transpose(2, 1, 0)[::-1] if values.ndim == 3 else values.T)
