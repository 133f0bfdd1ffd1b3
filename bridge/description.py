"""What the ranks of a model say about themselves (JSON from bridge_description.f90), checked and merged."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bridge.decomposition import Decomposition, Tile
from bridge.description_checks import checked
from bridge.errors import ConfigurationError, ProtocolError
from bridge.fields import CATALOGUE, FieldSpec, lookup
from bridge.north_fold import Edges
from bridge.protocol import DTYPES, LOGICAL, Role

_ONE_MODEL = "if these are two models: give each program of the job a NEMO_BRIDGE_INSTANCE of its own"
_DIMS = {0: (), 1: ("k",), 2: ("j", "i"), 3: ("k", "j", "i")}


@dataclass(frozen=True)
class Entry:
    """One registered name. `shape` is global, in C order; `number` is what travels."""

    number: int
    name: str
    role: Role
    dtype_code: int
    shape: tuple[int, ...]
    point: str
    units: str
    value: Any = None  # scalars: as the model started

    @cached_property
    def dtype(self) -> np.dtype:
        """numpy dtype of the values on the wire."""
        return DTYPES[self.dtype_code]

    @cached_property
    def tiled(self) -> bool:
        """On the horizontal grid: each rank holds a tile. Otherwise all ranks hold the whole."""
        return len(self.shape) >= 2

    @property
    def spec(self) -> FieldSpec:
        """Catalogue entry with the model's own units and point."""
        known = lookup(self.name)
        point = self.point or known.point
        along_axis = point in ("U", "V") and self.role is not Role.STATIC  # of a field that nobody knows
        dims = _DIMS.get(len(self.shape), tuple(f"dim_{n}" for n in range(len(self.shape))))
        return FieldSpec(
            self.name,
            known.nemo,
            known.standard_name,
            self.units or known.units,
            point,
            dims,
            known.vector if self.name in CATALOGUE else along_axis,
        )

    def as_python(self, values: np.ndarray) -> Any:
        """Values without dimensions as a Python number or bool; logical arrays as bool."""
        if self.dtype_code == LOGICAL:
            values = values.astype(bool)
        return values if values.ndim else values.item()


@dataclass(frozen=True)
class Registration:
    """Everything a model registered, and how its grid is cut."""

    model: str
    version: str
    time_step: float
    global_shape: tuple[int, int, int]  # nx, ny, nz
    decomposition: Decomposition
    entries: dict[str, Entry]

    def entry(self, name: str, roles: Sequence[Role] | None = None) -> Entry:
        """The entry called `name`; ConfigurationError with the nearest names if there is none with such a role."""
        found = self.entries.get(name)
        if found is not None and (roles is None or found.role in roles):
            return found
        kind = "parameter" if roles == (Role.PARAMETER,) else "field or parameter"
        names = [e.name for e in self.entries.values() if roles is None or e.role in roles]
        if found is not None:
            raise ConfigurationError(f"{name!r} is a {found.role.name.lower()} of {self.model}, not a {kind}")
        near = difflib.get_close_matches(name, names, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"it has {', '.join(names) or 'none'}"
        raise ConfigurationError(f"{self.model} has no {kind} {name!r}: {hint}")

    def of_role(self, role: Role) -> list[Entry]:
        """All entries with a role, as registered."""
        return [entry for entry in self.entries.values() if entry.role == role]


def parse(texts: Sequence[str]) -> Registration:
    """Merge the descriptions of all ranks; ProtocolError where they contradict each other."""
    ranks = [_checked(number, text) for number, text in enumerate(texts)]
    first = ranks[0]
    for number, rank in enumerate(ranks):
        _check_same(first, rank, number)
    nx, ny, nz = first["global_shape"]
    tiles = tuple(
        Tile(rank["tile_start"][0] - 1, rank["tile_start"][1] - 1, *rank["tile_shape"]) for rank in ranks
    )
    entries = [_entry(n, field, nx, ny) for n, field in enumerate(first["fields"], start=1)]
    return Registration(
        first["model"],
        first["version"],
        first["time_step"],
        (nx, ny, nz),
        Decomposition(nx, ny, tiles, _edges(first)) if nx > 0 else Decomposition(1, 1, (Tile(0, 0, 1, 1),)),
        {entry.name: entry for entry in entries},
    )


def _checked(rank: int, text: str) -> dict[str, Any]:
    try:
        return checked(text)
    except ProtocolError as error:
        raise ProtocolError(f"what rank {rank} says of itself: {error}") from error


def _edges(rank: dict[str, Any]) -> Edges:
    """How the grid continues, from `periodic` and `fold`; ProtocolError if the two contradict each other."""
    in_i, in_j = rank.get("periodic", (False, False))
    try:
        return Edges(in_i, in_j, rank.get("fold", "none").strip())
    except ValueError as error:
        raise ProtocolError(f"the model's bridge_grid: {error}") from error


def _entry(number: int, field: dict[str, Any], nx: int, ny: int) -> Entry:
    extents = tuple(field["extents"])
    shape = tuple(reversed(extents[2:])) + (ny, nx) if len(extents) >= 2 else extents
    return Entry(
        number, field["name"], Role(field["role"]), field["dtype"], shape,
        field["point"], field["units"], field.get("value"),
    )  # fmt: skip


def _check_same(first: dict[str, Any], other: dict[str, Any], rank: int) -> None:
    """All ranks must have registered the same names, in the same order, on the same grid."""
    for key in ("model", "version", "time_step", "global_shape", "periodic", "fold"):
        if first.get(key) != other.get(key):
            raise ProtocolError(
                f"rank 0 gave {key} = {first.get(key)}, rank {rank} gave {other.get(key)}; {_ONE_MODEL}"
            )
    mine, theirs = ([_shared(field) for field in described["fields"]] for described in (first, other))
    if mine != theirs:
        odd = sorted({f[0] for f in set(mine) ^ set(theirs)}) or "the same names in another order"
        raise ProtocolError(f"ranks 0 and {rank} registered different fields: {odd}")


def _shared(field: dict[str, Any]) -> tuple[Any, ...]:
    """What must be the same on all ranks: of an array on the grid, all extents but those of the tile."""
    extents = field["extents"]
    beyond_the_tile = extents[2:] if len(extents) >= 2 else extents
    return field["name"], field["role"], field["dtype"], len(extents), *beyond_the_tile
