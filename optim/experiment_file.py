"""The experiment file: one TOML, checked and turned into settings (format: docs/experiment.md).

The table [model] is read by the commands, which start the model; everything else is read here.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.errors import ConfigurationError
from bridge.model import Params
from optim.control import ControlVector, from_table
from optim.minimisers import LBFGS, Adam, LevenbergMarquardt, Minimiser
from optim.refine import RefineSettings

MINIMISERS: dict[str, type] = {"gauss-newton": LevenbergMarquardt, "lbfgs": LBFGS, "adam": Adam}
ESTIMATORS = ("surrogate", "finite-difference", "ensemble")
SECONDS_PER_DAY = 86400.0
DAYS_PER_MONTH = 30.0  # the model's year has 360 days


@dataclass(frozen=True)
class WindowSettings:
    """Which part of the model's time is run and scored.

    Either `months` (1-12, of the 360-day year; the first of them that begins at or after the initial state)
    or `days` after the initial state. `every` is the number of steps between records; `mean_days` the
    length of the means over a window of `days` (0: every record by itself).
    """

    every: int
    months: tuple[int, ...] = ()
    months_held_out: tuple[int, ...] = ()
    days: float = 0.0
    mean_days: float = 0.0
    spinup_days: float = 0.0

    def __post_init__(self) -> None:
        if bool(self.months) == (self.days > 0.0):
            raise ConfigurationError("[window]: give either months = [...] or days = ...")
        for month in (*self.months, *self.months_held_out):
            if not 1 <= month <= 12:
                raise ConfigurationError(f"[window]: months are 1 to 12, got {month}")
        if self.every < 1:
            raise ConfigurationError(f"[window]: every should be at least 1 step, got {self.every}")


@dataclass(frozen=True)
class ObservationSettings:
    """One `[[observations]]` table: a climatology file, or a twin experiment's own run with the true parameters."""

    kind: str
    field: str
    sigma: float = 0.0
    file: str = ""
    variable: str = ""
    sigma_variable: str = ""
    levels: tuple[int, ...] = ()
    latitudes: tuple[float, ...] = (-90.0, 90.0)
    area_weighted: bool = False
    cells_per_degree_of_freedom: float = 1.0
    box: tuple[float, ...] = ()  # compare area means over boxes of (degrees latitude, degrees longitude)
    noise: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        label = f"[[observations]] of {self.field}"
        if self.kind not in ("climatology", "twin"):
            raise ConfigurationError(f'{label}: kind should be "climatology" or "twin", got {self.kind!r}')
        if self.kind == "climatology" and not (self.file and self.variable):
            raise ConfigurationError(f"{label}: a climatology needs file and variable")
        if self.box and (len(self.box) != 2 or min(self.box) <= 0.0 or self.kind != "climatology"):
            raise ConfigurationError(
                f"{label}: box is [degrees latitude, degrees longitude] of a climatology, got {list(self.box)}"
            )
        if self.box and self.sigma <= 0.0:
            raise ConfigurationError(
                f"{label}: means over boxes need sigma > 0, that of a box of average area"
            )
        if self.sigma <= 0.0 and not self.sigma_variable:
            raise ConfigurationError(f"{label}: give sigma > 0 (in the units of the field) or sigma_variable")


@dataclass(frozen=True)
class EstimatorSettings:
    """The `[estimator]` table; `options` go to the estimator or the surrogate named in `surrogate`."""

    kind: str = "surrogate"
    surrogate: str = "columns"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in ESTIMATORS:
            raise ConfigurationError(f"[estimator]: kind should be one of {ESTIMATORS}, got {self.kind!r}")


@dataclass(frozen=True)
class CompareSettings:
    """What is run or computed beside the tuning, for the report."""

    finite_difference_gauss_newton: bool = False
    finite_difference_step: float = 0.2
    exact_cosine: bool = False


@dataclass(frozen=True)
class Experiment:
    """Everything that one experiment file says, apart from [model]."""

    path: Path
    title: str
    controls: ControlVector
    start: Params
    window: WindowSettings
    observations: tuple[ObservationSettings, ...]
    estimator: EstimatorSettings
    minimiser: Minimiser
    refine: RefineSettings
    compare: CompareSettings
    budget: int
    prior: bool = True
    truth: Params = field(default_factory=dict)
    fixed: Params = field(default_factory=dict)
    seed: int = 0
    model: Mapping[str, Any] = field(default_factory=dict)


_TABLES = {
    "title", "model", "window", "controls", "observations", "estimator", "minimiser", "refine", "compare",
    "truth", "fixed", "budget", "prior", "seed",
}  # fmt: skip


def read(path: Path) -> Experiment:
    """The experiment of a TOML file; `ConfigurationError` names the file and what is wrong."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read the experiment ({error.strerror})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    try:
        return from_dict(table, path)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def from_dict(table: Mapping[str, Any], path: Path = Path("experiment.toml")) -> Experiment:
    """The experiment of the content of a TOML file; relative file names count from the folder of `path`."""
    _refuse_unknown("the file", table, _TABLES)
    if not table.get("observations"):
        raise ConfigurationError("no [[observations]]: there is nothing to tune against")
    controls = from_table(table.get("controls", ()))
    truth = _params(table, "truth", controls)
    kinds = {item.get("kind") for item in table["observations"]}
    if "twin" in kinds and set(_names(truth)) != set(controls.names):
        missing = sorted(set(controls.names) - set(_names(truth)))
        raise ConfigurationError(f"[truth]: a twin experiment needs the true value of {', '.join(missing)}")
    return Experiment(
        path=path,
        title=str(table.get("title", path.stem)),
        controls=controls,
        start=_start(table["controls"]),
        window=_make(WindowSettings, "[window]", table.get("window", {})),
        observations=tuple(_make(ObservationSettings, "[[observations]]", t) for t in table["observations"]),
        estimator=_estimator(table.get("estimator", {})),
        minimiser=_minimiser(table.get("minimiser", {})),
        refine=_make(RefineSettings, "[refine]", table.get("refine", {})),
        compare=_make(CompareSettings, "[compare]", table.get("compare", {})),
        budget=_budget(table.get("budget", {})),
        prior=bool(table.get("prior", True)),
        truth=truth,
        fixed=_params(table, "fixed", None),
        seed=int(table.get("seed", 0)),
        model=dict(table.get("model", {})),
    )


def _make(kind: type, label: str, table: Mapping[str, Any]) -> Any:
    """A settings dataclass from a table, lists as tuples; unknown and missing keys are named."""
    known = {item.name: item for item in dataclasses.fields(kind)}
    _refuse_unknown(label, table, set(known))
    needed = {
        name
        for name, item in known.items()
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    }
    if needed - set(table):
        raise ConfigurationError(f"{label}: missing {', '.join(sorted(needed - set(table)))}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in table.items()})


def _refuse_unknown(label: str, table: Mapping[str, Any], known: set[str]) -> None:
    for name in table:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(known))}"
            raise ConfigurationError(f"{label}: unknown entry {name!r}{hint}")


def _estimator(table: Mapping[str, Any]) -> EstimatorSettings:
    named = {name: table[name] for name in ("kind", "surrogate") if name in table}
    options = {name: value for name, value in table.items() if name not in named}
    return EstimatorSettings(**named, options=options)


def _minimiser(table: Mapping[str, Any]) -> Minimiser:
    kind = table.get("kind", "gauss-newton")
    if kind not in MINIMISERS:
        raise ConfigurationError(f"[minimiser]: kind should be one of {sorted(MINIMISERS)}, got {kind!r}")
    settings = {name: value for name, value in table.items() if name != "kind"}
    return _make(MINIMISERS[kind], "[minimiser]", settings)


def _budget(table: Mapping[str, Any]) -> int:
    _refuse_unknown("[budget]", table, {"model_runs"})
    runs = table.get("model_runs", 20)
    if not isinstance(runs, int) or runs < 1:
        raise ConfigurationError(f"[budget]: model_runs should be a positive number, got {runs!r}")
    return runs


def _start(tables: Any) -> Params:
    """Start values where a control gives one; elsewhere the tuning starts from the prior mean."""
    params: Params = {}
    for table in tables:
        if "start" in table:
            params.setdefault(table["group"], {})[table["entry"]] = float(table["start"])
    return params


def _params(table: Mapping[str, Any], name: str, controls: ControlVector | None) -> Params:
    """`{"group/entry" = value}` as `Params`; entries must be controls if `controls` is given."""
    params: Params = {}
    for key, value in table.get(name, {}).items():
        group, _, entry = key.partition("/")
        if not entry:
            raise ConfigurationError(f'[{name}]: entries are "group/entry" = value, got {key!r}')
        if controls is not None and key not in controls.names:
            raise ConfigurationError(
                f"[{name}]: {key} is not among the controls, which are {', '.join(controls.names)}"
            )
        params.setdefault(group, {})[entry] = float(value)
    return params


def _names(params: Params) -> list[str]:
    return [f"{group}/{entry}" for group, entries in params.items() for entry in entries]
