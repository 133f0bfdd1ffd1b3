"""What a tuning job found out: the content of report.json, and the maps drawn from it.

The JSON form is a stable format, documented in docs/formats.md: names are only ever added.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bridge.errors import ConfigurationError

FORMAT = 1
RESULT_FILE = "result.json"
MAPS_FILE = "maps.npz"


@dataclass(frozen=True)
class ParameterResult:
    """One tuned parameter, physical values in `units`. `truth` only in a twin experiment.

    `patch` (row from the south, column from the west) if it is the value of a map on one patch.
    """

    name: str
    start: float
    tuned: float
    lower: float
    upper: float
    units: str = "1"
    prior_mean: float | None = None
    prior_spread: float | None = None
    transform: str = "linear"
    posterior_spread: float | None = None
    at_bound: bool = False
    truth: float | None = None
    patch: tuple[int, int] | None = None

    @property
    def map_name(self) -> str:
        """The name of the map that it is a part of; its own if it is a number."""
        return self.name.partition("[")[0] if self.patch is not None else self.name

    @property
    def relative_error(self) -> float | None:
        """|tuned − truth| / |truth|, None outside twin experiments."""
        if self.truth is None:
            return None
        return abs(self.tuned - self.truth) / abs(self.truth) if self.truth else abs(self.tuned)


@dataclass(frozen=True)
class IterationResult:
    """One trial of the minimiser. `cosine` with a reference gradient, by the name of the reference.

    `error` in a twin experiment: root-mean-square distance from the truth, in prior standard deviations.
    """

    number: int
    model_runs: int
    cost: float
    best_cost: float
    accepted: bool = True
    parameters: Mapping[str, float] = field(default_factory=dict)
    cosine: Mapping[str, float] = field(default_factory=dict)
    error: float | None = None


@dataclass(frozen=True)
class Curve:
    """Best cost after so many model runs, for a method run beside the one that tuned; `error` of that best."""

    name: str
    model_runs: Sequence[int]
    best_cost: Sequence[float]
    error: Sequence[float] = ()


@dataclass(frozen=True)
class Score:
    """Misfit of one quantity and period before and after; `used` tells if the tuning saw it."""

    name: str
    used: bool
    initial: float
    final: float
    units: str = "1"
    measure: str = "root-mean-square difference"


@dataclass(frozen=True)
class BiasMap:
    """Model minus observation before and after, [j, i] in `units`; `mask` is 1 on sea. Coordinates in degrees."""

    name: str
    units: str
    longitude: np.ndarray
    latitude: np.ndarray
    mask: np.ndarray
    before: np.ndarray
    after: np.ndarray


@dataclass(frozen=True)
class RunResult:
    """A finished, or interrupted, tuning job."""

    title: str
    parameters: Sequence[ParameterResult]
    cost_initial: float
    cost_final: float
    model_runs: int
    outcome: str
    wall_seconds: float
    message: str = ""
    iterations: Sequence[IterationResult] = ()
    comparison: Sequence[Curve] = ()
    validation: Sequence[Score] = ()
    setting: Mapping[str, Any] = field(default_factory=dict)
    maps: Sequence[BiasMap] = ()

    def to_json(self) -> dict[str, Any]:
        """The content of report.json."""
        return _clean(
            {
                "format": FORMAT,
                "title": self.title,
                "outcome": self.outcome,
                "message": self.message,
                "wall_seconds": self.wall_seconds,
                "model_runs": self.model_runs,
                "cost": {
                    "initial": self.cost_initial,
                    "final": self.cost_final,
                    "reduction": self._reduction(),
                    "history": [item.best_cost for item in self.iterations],
                },
                "parameters": {item.name: _parameter(item) for item in self.parameters},
                "iterations": [asdict(item) for item in self.iterations],
                "comparison": [asdict(item) for item in self.comparison],
                "validation": [asdict(item) for item in self.validation],
                "setting": dict(self.setting),
            }
        )

    def write(self, directory: Path) -> Path:
        """Write `result.json` and `maps.npz` into the run directory, each whole or not at all."""
        arrays = {
            f"{number}.{name}": np.asarray(getattr(item, name), dtype=float)
            for number, item in enumerate(self.maps)
            for name in ("longitude", "latitude", "mask", "before", "after")
        }
        names = np.array([json.dumps([item.name, item.units]) for item in self.maps])
        temporary = directory / (MAPS_FILE + ".tmp.npz")
        np.savez_compressed(temporary, names=names, **arrays)  # type: ignore[arg-type]
        os.replace(temporary, directory / MAPS_FILE)
        return write_json(self.to_json(), directory / RESULT_FILE)

    @staticmethod
    def read(directory: Path) -> RunResult:
        """The result that `write` left in a run directory; ConfigurationError when there is none."""
        path = directory / RESULT_FILE
        if not path.is_file():
            raise ConfigurationError(
                f"{directory}: no {RESULT_FILE}: not a tuning run, or one that has not ended"
            )
        content = json.loads(path.read_text())
        if content.get("format") != FORMAT:
            raise ConfigurationError(f"{path}: format {content.get('format')}, this version reads {FORMAT}")
        return RunResult(
            title=content["title"],
            parameters=[_parameter_from(name, item) for name, item in content["parameters"].items()],
            cost_initial=_number(content["cost"]["initial"]),
            cost_final=_number(content["cost"]["final"]),
            model_runs=content["model_runs"],
            outcome=content["outcome"],
            wall_seconds=content["wall_seconds"],
            message=content["message"],
            iterations=[_iteration_from(item) for item in content["iterations"]],
            comparison=[Curve(**item) for item in content["comparison"]],
            validation=[Score(**item) for item in content["validation"]],
            setting=content["setting"],
            maps=_read_maps(directory / MAPS_FILE),
        )

    def _reduction(self) -> float | None:
        """Share of the initial cost that is gone."""
        if not (math.isfinite(self.cost_initial) and math.isfinite(self.cost_final) and self.cost_initial):
            return None
        return 1.0 - self.cost_final / self.cost_initial


def write_json(content: Mapping[str, Any], path: Path) -> Path:
    """Write JSON whole or not at all; numbers that JSON lacks (nan, inf) become null."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(_clean(content), indent=2, allow_nan=False) + "\n")
    os.replace(temporary, path)
    return path


def _parameter(item: ParameterResult) -> dict[str, Any]:
    content = {name: value for name, value in asdict(item).items() if name != "name" and value is not None}
    if item.truth is not None:
        content["relative_error"] = item.relative_error
    return content


def _parameter_from(name: str, content: Mapping[str, Any]) -> ParameterResult:
    values = {key: value for key, value in content.items() if key != "relative_error"}
    if "patch" in values:
        values["patch"] = tuple(values["patch"])
    return ParameterResult(name, **values)


def _iteration_from(content: Mapping[str, Any]) -> IterationResult:
    numbers = {name: _number(content[name]) for name in ("cost", "best_cost")}
    return IterationResult(**(dict(content) | numbers))


def _number(value: float | None) -> float:
    """null in the file is a number that JSON lacks: the cost of a failed run."""
    return math.inf if value is None else float(value)


def _read_maps(path: Path) -> list[BiasMap]:
    if not path.is_file():
        return []
    with np.load(path, allow_pickle=False) as arrays:
        maps = []
        for number, name in enumerate(arrays["names"]):
            title, units = json.loads(str(name))
            fields = ("longitude", "latitude", "mask", "before", "after")
            maps.append(BiasMap(title, units, *(arrays[f"{number}.{field_name}"] for field_name in fields)))
        return maps


def _clean(value: Any) -> Any:
    """`value` in JSON's types; numbers that are not finite become None."""
    if isinstance(value, Mapping):
        return {str(name): _clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _clean(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value
