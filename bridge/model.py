"""The words shared by everything: parameters, snapshots, trajectories, and what a Model is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from bridge.fields import FieldSpec
from bridge.north_fold import Edges

if TYPE_CHECKING:
    import xarray

#: the model counts its steps in 4 bytes
LARGEST_STEP = 2**31 - 1

#: {namelist group: {entry: value}}, the shape of the namelist, e.g. {"namzdf_tke": {"rn_ediff": 0.1}}
Params = dict[str, dict[str, "float | np.ndarray"]]


def require_finite(name: str, values: np.ndarray) -> None:
    """ValueError for a parameter, number or map, that is nan or inf somewhere: how many, and where the first is."""
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        first = tuple(int(number) for number in wrong[0])
        where = f" in {len(wrong)} of {values.size} places, first at index {first}" if values.ndim else ""
        raise ValueError(f"{name!r} should be finite, got {values[first]}{where}")


def whole_number(name: str, value: Any, least: int) -> int:
    """`value` as an int. ValueError unless it is a whole number, of numpy or not, from `least` to `LARGEST_STEP`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or not least <= int(value) <= LARGEST_STEP:
        raise ValueError(
            f"expected {name} to be a whole number from {least} to {LARGEST_STEP}, got {value!r:.200}"
        )
    return int(value)


@dataclass(frozen=True)
class Recording:
    """Record these `fields` every `every` steps, counted from the start of the run.

    With `dtype` float32, fields of float64 travel and are kept as float32 (infinite beyond its range).
    """

    fields: tuple[str, ...]
    every: int = 1
    dtype: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "every", whole_number("every", self.every, 1))
        if self.dtype is None:
            return
        if np.dtype(self.dtype) != np.float32:
            raise ValueError(f"expected a recording of dtype None or float32, got {np.dtype(self.dtype)}")
        object.__setattr__(self, "dtype", np.dtype(np.float32))


class OutcomeKind(str, Enum):
    """How a run ended. A failed run is data, not an exception."""

    COMPLETED = "completed"
    BLEW_UP = "blew up"
    CRASHED = "crashed"
    TIMED_OUT = "timed out"


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and at which model step."""

    kind: OutcomeKind
    step: int
    message: str = ""

    @property
    def completed(self) -> bool:
        """True when the run reached its last step."""
        return self.kind is OutcomeKind.COMPLETED


@dataclass(frozen=True)
class Snapshot:
    """A full prognostic state. `id` is a hash of its content or of its recipe."""

    id: str
    slot: int | None
    step: int
    path: Path | None = None


@dataclass(frozen=True)
class Grid:
    """Sizes and geometry of the global grid.

    `arrays` holds what the model published under NEMO's names: `tmask` [k, j, i], `glamt` `gphit` `e1t` `e2t`
    [j, i] (degrees, m), `gdept_0` [k] or [k, j, i] (m) and so on. Each is also an attribute: `grid.tmask`.
    `edges` says how the grid continues beyond its borders (see `bridge.north_fold.extend`).
    """

    nx: int
    ny: int
    nz: int
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    edges: Edges = Edges()

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.arrays:
            published = ", ".join(sorted(self.arrays)) or "nothing"
            raise KeyError(f"the model did not publish the grid array {name!r}; it published {published}")
        return self.arrays[name]

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_") or name == "arrays":
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from error


@dataclass(frozen=True)
class ModelDescription:
    """What a model says about itself. `time_step` in s; `parameters` maps "group/entry" to the current value."""

    name: str
    version: str
    time_step: float
    grid: Grid
    fields: Mapping[str, FieldSpec]
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Trajectory:
    """Recorded fields of one run.

    `steps` [m] are model steps (the state *after* that many steps), `time_step` is in s, and each field is
    [m, (k,) j, i] in C order with land = 0. A run that blew up keeps what it recorded until then.
    """

    steps: np.ndarray
    time_step: float
    fields: dict[str, np.ndarray]
    params: Params
    outcome: Outcome
    initial: Snapshot

    def to_xarray(self, grid: Grid | None = None) -> xarray.Dataset:
        """CF dataset of the fields; with `grid`, coordinates are attached and land becomes NaN."""
        from bridge.dataset import trajectory_to_dataset

        return trajectory_to_dataset(self, grid)


@runtime_checkable
class Model(Protocol):
    """Anything that can be described and run: a Session, an Ensemble, a JAX twin, VEROS."""

    def describe(self) -> ModelDescription:
        """Name, version, time step, grid, fields and current parameters."""
        ...

    def run(self, params: Params, snapshot: Snapshot, steps: int, record: Recording) -> Trajectory:
        """Run `steps` steps from `snapshot` with `params`.

        Recorded steps are `snapshot.step + every`, `+ 2 every`, … A blow-up is returned as an outcome with the
        fields recorded so far, never raised.
        """
        ...


@runtime_checkable
class BatchModel(Model, Protocol):
    """A model that makes several runs at once: an Ensemble."""

    def map(
        self,
        params_batch: Iterable[Params],
        snapshot: Snapshot,
        steps: int,
        record: Recording,
        finished: Callable[[int, Trajectory], None] | None = None,
    ) -> list[Trajectory]:
        """One run for each of `params_batch`, in its order; `finished(position, trajectory)` as each one ends."""
        ...
