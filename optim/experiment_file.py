"""The experiment file: one TOML, checked and turned into settings (format: docs/experiment.md).

The table [model] is read by the commands, which start the model; everything else is read here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from bridge.errors import ConfigurationError
from bridge.model import Params
from optim.control import ControlVector
from optim.control_tables import from_table, start_values, true_values
from optim.gradients import ColouredDifferences, Ensemble, FiniteDifference, ResponseSurface, Spsa
from optim.map_tuning import MapSettings
from optim.minimisers import LBFGS, Adam, LevenbergMarquardt, Minimiser
from optim.patches import maps_of
from optim.refine import RefineSettings
from optim.settings_check import (
    Count,
    Index,
    NonNegative,
    Positive,
    Range,
    as_table,
    as_tables,
    check,
    checked,
    make,
    refuse_unknown,
)

MINIMISERS: dict[str, type] = {"gauss-newton": LevenbergMarquardt, "lbfgs": LBFGS, "adam": Adam}
SECONDS_PER_DAY = 86400.0
DAYS_PER_MONTH = 30.0  # the model's year has 360 days
Month = Annotated[int, Range(1, 12)]
Latitude = Annotated[float, Range(-90.0, 90.0)]
ALL_LATITUDES = (-90.0, 90.0)


@dataclass(frozen=True)
class WindowSettings:
    """Which part of the model's time is run and scored.

    Either `months` (1-12, of the 360-day year; the first of them that begins at or after the initial state)
    or `days` after the initial state. `every` is the number of steps between records; `mean_days` the
    length of the means over a window of `days` (0: every record by itself).
    """

    every: Count
    months: tuple[Month, ...] = ()
    months_held_out: tuple[Month, ...] = ()
    days: NonNegative = 0.0
    mean_days: NonNegative = 0.0
    spinup_days: NonNegative = 0.0

    def __post_init__(self) -> None:
        if bool(self.months) == (self.days > 0.0):
            raise ConfigurationError("[window]: give either months = [...] or days = ...")
        if self.months_held_out and not self.months:
            raise ConfigurationError("[window]: months_held_out belongs to months, not to days")
        named = (*self.months, *self.months_held_out)
        repeated = sorted({month for month in named if named.count(month) > 1})
        if repeated:
            raise ConfigurationError(
                f"[window]: month {repeated[0]} is named twice in months and months_held_out together"
            )
        if self.mean_days > self.days:
            raise ConfigurationError(
                f"[window]: mean_days should be at most days = {self.days:g}, got {self.mean_days:g}"
            )


@dataclass(frozen=True)
class ObservationSettings:
    """One `[[observations]]` table: a climatology file, or a twin experiment's own run with the true parameters."""

    kind: Literal["climatology", "twin"]
    field: str
    sigma: NonNegative = 0.0
    file: str = ""
    variable: str = ""
    sigma_variable: str = ""
    levels: tuple[Index, ...] = ()
    latitudes: tuple[Latitude, Latitude] = ALL_LATITUDES
    area_weighted: bool = False
    cells_per_degree_of_freedom: Positive = 1.0
    box: tuple[Positive, ...] = ()  # compare area means over boxes of (degrees latitude, degrees longitude)
    noise: bool = False
    seed: Index = 0

    def __post_init__(self) -> None:
        if self.latitudes[0] >= self.latitudes[1]:
            raise ConfigurationError(
                f"{self.label}: latitudes should be [south, north], got {list(self.latitudes)}"
            )
        if self.kind == "climatology":
            self._check_climatology()
        else:
            self._check_twin()

    @property
    def label(self) -> str:
        """What names this table in errors."""
        return f"[[observations]] of {self.field}"

    def _check_climatology(self) -> None:
        if not (self.file and self.variable):
            raise ConfigurationError(f"{self.label}: a climatology needs file and variable")
        if self.noise:
            raise ConfigurationError(f"{self.label}: noise = true belongs to a twin, not to a climatology")
        if self.box and len(self.box) != 2:
            raise ConfigurationError(
                f"{self.label}: box should be [degrees latitude, degrees longitude], got {list(self.box)}"
            )
        if self.box and self.sigma == 0.0:
            raise ConfigurationError(
                f"{self.label}: means over boxes need sigma > 0, that of a box of average area"
            )
        if self.sigma == 0.0 and not self.sigma_variable:
            raise ConfigurationError(
                f"{self.label}: give sigma > 0 (in the units of the field) or sigma_variable"
            )

    def _check_twin(self) -> None:
        for name in ("file", "variable", "sigma_variable", "box"):
            if getattr(self, name):
                raise ConfigurationError(f"{self.label}: {name} belongs to a climatology, not to a twin")
        if self.sigma == 0.0:
            raise ConfigurationError(f"{self.label}: give sigma > 0 (in the units of the field)")


@dataclass(frozen=True)
class SurrogateSettings:
    """What `[estimator]` says of a surrogate: its variant, and its steps per record interval."""

    surrogate: Literal["columns", "dynamics"] = "columns"
    substeps: Count = 1


ESTIMATORS: dict[str, type] = {
    "surrogate": SurrogateSettings,
    "finite-difference": FiniteDifference,
    "ensemble": Ensemble,
    "spsa": Spsa,
    "response-surface": ResponseSurface,
    "coloured-differences": ColouredDifferences,
}
#: fields of the estimators that no file sets
_NOT_IN_FILES = ("forward", "avoid", "clearance", "numbers_only")


@dataclass(frozen=True)
class EstimatorSettings:
    """The `[estimator]` table; `options` go to the estimator or the surrogate named in `surrogate`."""

    kind: str = "surrogate"
    surrogate: str = "columns"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check("[estimator]", "kind", self.kind, Literal[tuple(ESTIMATORS)])

    def first_gradient(self, controls: int) -> int:
        """Model runs that the first gradient with respect to so many controls takes, as far as the file tells."""
        if self.kind == "finite-difference":
            return controls * (2 if self.options.get("central") else 1) + 1
        if self.kind == "ensemble":
            return self.options.get("members", controls) + 1
        if self.kind == "spsa":
            return 2 * self.options.get("repeats", Spsa.repeats) + 1
        if self.kind == "response-surface":
            return self.options.get("runs", ResponseSurface.runs) + 1
        return 2 if self.kind == "coloured-differences" else 1


@dataclass(frozen=True)
class CompareSettings:
    """What is run or computed beside the tuning, for the report.

    Each method that is run has `model_runs`, as many as the tuning if 0. `dfo_ls_directions` are tried by DFO-LS before
    its first step, all if 0.
    """

    finite_difference_gauss_newton: bool = False
    finite_difference_step: Positive = 0.2
    dfo_ls: bool = False
    dfo_ls_directions: Index = 0
    model_runs: Index = 0
    exact_cosine: bool = False


@dataclass(frozen=True)
class BudgetSettings:
    """The `[budget]` table."""

    model_runs: Count = 20


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
    maps: MapSettings = MapSettings()
    prior: bool = True
    truth: Params = field(default_factory=dict)
    fixed: Params = field(default_factory=dict)
    seed: int = 0
    model: Mapping[str, Any] = field(default_factory=dict)


_TABLES = {
    "title", "model", "window", "controls", "observations", "estimator", "minimiser", "maps", "refine",
    "compare", "truth", "fixed", "budget", "prior", "seed",
}  # fmt: skip


_MODEL = {
    "kind": str, "ranks": Count, "timeout": Positive, "program": str, "namelist": str, "executable": str,
    "directory": str, "relaunch": bool, "transport": Literal["mpi", "zmq"], "instances": Count, "endpoint": str,
    "keys": str, "restarts": Index,
}  # fmt: skip


def refuse_spin_up(experiment: Experiment) -> None:
    """ConfigurationError for a spin-up before the window, when the model is started anew for every run."""
    if experiment.window.spinup_days > 0.0:
        raise ConfigurationError(
            f"{experiment.path}: [window] spinup_days needs a model that can be rewound, but here it is started anew "
            "for every run ([model] relaunch = true, or a parameter that only a fresh start takes): leave spinup_days "
            "out, and let the model start from a restart"
        )


def read(path: Path) -> Experiment:
    """The experiment of a TOML file; `ConfigurationError` names the file and what is wrong."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read the experiment ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: should be UTF-8 text, but {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    try:
        return from_dict(table, path)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def from_dict(table: Mapping[str, Any], path: Path = Path("experiment.toml")) -> Experiment:
    """The experiment of the content of a TOML file; relative file names count from the folder of `path`."""
    refuse_unknown("the file", table, _TABLES)
    controls = from_table(table.get("controls", ()))
    estimator = _estimator(table.get("estimator", {}))
    experiment = Experiment(
        path=path,
        title=check("the file", "title", table.get("title", path.stem), str),
        controls=controls,
        start=start_values(table["controls"], controls),
        window=make(WindowSettings, "[window]", table.get("window", {})),
        observations=_observations(table.get("observations", ())),
        estimator=estimator,
        minimiser=_minimiser(table.get("minimiser", {})),
        refine=make(RefineSettings, "[refine]", table.get("refine", {})),
        compare=make(CompareSettings, "[compare]", table.get("compare", {})),
        maps=make(MapSettings, "[maps]", table.get("maps", {})),
        budget=_budget(table.get("budget", {}), estimator, len(controls)),
        prior=check("the file", "prior", table.get("prior", True), bool),
        truth=true_values(as_table("[truth]", table.get("truth", {})), controls),
        fixed=_fixed(table.get("fixed", {}), controls),
        seed=check("the file", "seed", table.get("seed", 0), Index),
        model=_model(table.get("model", {})),
    )
    _check_together(experiment)
    return experiment


def _check_together(experiment: Experiment) -> None:
    """What concerns several tables."""
    if experiment.model.get("kind") == "nemo":
        _check_for_nemo(experiment)
    _check_maps(experiment)
    for item in experiment.observations:
        if item.kind == "climatology" and not experiment.window.months:
            raise ConfigurationError(
                f"{item.label}: a climatology is compared by months: give months in [window]"
            )
        missing = sorted(set(experiment.controls.names) - set(_names(experiment.truth)))
        if item.kind == "twin" and missing:
            raise ConfigurationError(
                f"[truth]: a twin experiment needs the true value of {', '.join(missing)}"
            )


def _check_maps(experiment: Experiment) -> None:
    """What does not go together with maps, and what needs them."""
    kind, maps = experiment.estimator.kind, maps_of(experiment.controls)
    if kind == "coloured-differences" and not maps:
        raise ConfigurationError(
            "[estimator]: coloured-differences perturb patches of a map that are far apart in one run, but no control "
            'is a map (patches = [rows, columns]); give "finite-difference" or "ensemble"'
        )
    if experiment.maps != MapSettings() and kind != "coloured-differences":
        raise ConfigurationError(
            f'[maps]: belongs to [estimator] kind = "coloured-differences", but it is "{kind}"'
        )
    if maps and kind == "surrogate":
        raise ConfigurationError(
            f"[estimator]: the simplified twins tune numbers, but {maps[0].name} is a map; give another kind, e.g. "
            '"coloured-differences"'
        )
    if maps and experiment.compare.exact_cosine:
        raise ConfigurationError(f"[compare]: exact_cosine is for numbers, but {maps[0].name} is a map")


def _check_for_nemo(experiment: Experiment) -> None:
    """What there is for toy_ocean alone."""
    if experiment.window.months:
        raise ConfigurationError(
            "[window]: months count in toy_ocean's year of 360 days; for NEMO give days after the initial state"
        )
    if experiment.estimator.kind == "surrogate":
        raise ConfigurationError(
            '[estimator]: there is no surrogate of NEMO; give another kind, e.g. "finite-difference" or "ensemble"'
        )
    for item in experiment.observations:
        if item.kind == "climatology":
            raise ConfigurationError(
                f'{item.label}: a climatology is compared by months, which NEMO has not yet; give kind = "twin"'
            )


def _observations(tables: Any) -> tuple[ObservationSettings, ...]:
    found = tuple(
        make(ObservationSettings, f"[[observations]] number {number}", table)
        for number, table in enumerate(as_tables("[[observations]]", tables), start=1)
    )
    if not found:
        raise ConfigurationError("no [[observations]]: there is nothing to tune against")
    return found


def _estimator(table: Any) -> EstimatorSettings:
    """The estimator with its options; an ensemble that does not say how many members has as many as controls."""
    kind = as_table("[estimator]", table).get("kind", "surrogate")
    check("[estimator]", "kind", kind, Literal[tuple(ESTIMATORS)])
    options = {name: value for name, value in table.items() if name != "kind"}
    without = _NOT_IN_FILES if "members" in options else (*_NOT_IN_FILES, "members")
    options = checked(ESTIMATORS[kind], f"[estimator] of kind {kind}", options, without)
    surrogate = options.pop("surrogate", SurrogateSettings.surrogate)
    return EstimatorSettings(kind, surrogate, options)


def _minimiser(table: Any) -> Minimiser:
    kind = as_table("[minimiser]", table).get("kind", "gauss-newton")
    check("[minimiser]", "kind", kind, Literal[tuple(MINIMISERS)])
    settings = {name: value for name, value in table.items() if name != "kind"}
    return make(MINIMISERS[kind], f"[minimiser] of kind {kind}", settings)


def _budget(table: Any, estimator: EstimatorSettings, controls: int) -> int:
    """Model runs, enough for the first gradient. A map counts as one control: its patches are known with the grid."""
    runs = make(BudgetSettings, "[budget]", table).model_runs
    needed = estimator.first_gradient(controls)
    if runs < needed:
        raise ConfigurationError(
            f"[budget]: model_runs = {runs} is too small: the first gradient of estimator {estimator.kind} takes "
            f"{needed} runs with {controls} controls"
        )
    return runs


def _model(table: Any) -> dict[str, Any]:
    """The table [model] with entries of the right types; which of them there may be, the commands know."""
    for name, value in as_table("[model]", table).items():
        if name in _MODEL:
            check("[model]", name, value, _MODEL[name])
    return dict(table)


def _fixed(table: Any, controls: ControlVector) -> Params:
    """Values of entries that are no controls."""
    params = _params("[fixed]", table)
    tuned = {name.casefold() for name in controls.names}
    for name in _names(params):
        if name.casefold() in tuned:
            raise ConfigurationError(
                f"[fixed]: {name} is one of the [[controls]], it cannot be fixed as well"
            )
    return params


def _params(label: str, table: Any) -> Params:
    """`{"group/entry" = value}` as `Params`."""
    params: Params = {}
    for key, value in as_table(label, table).items():
        group, _, entry = key.partition("/")
        if not (group and entry):
            raise ConfigurationError(f'{label}: entries are "group/entry" = value, got {key!r}')
        params.setdefault(group, {})[entry] = check(label, key, value, float)
    return params


def _names(params: Params) -> list[str]:
    return [f"{group}/{entry}" for group, entries in params.items() for entry in entries]
