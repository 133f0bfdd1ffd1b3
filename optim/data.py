"""Observation blocks from files and from twin experiments, and the windows that they are means over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray

from bridge.errors import ConfigurationError
from bridge.fields import CATALOGUE, SURFACE
from bridge.model import Grid, Trajectory
from optim.cost import Observations
from optim.experiment_file import (
    ALL_LATITUDES,
    DAYS_PER_MONTH,
    SECONDS_PER_DAY,
    ObservationSettings,
    WindowSettings,
)
from optim.observe import ObservationOperator, area_weights, box_means, each_record, select, window_means

MONTH = DAYS_PER_MONTH * SECONDS_PER_DAY
YEAR = 12.0 * MONTH


@dataclass(frozen=True)
class Period:
    """One averaging window, (start, end] in s since step 0; `month` (1-12) if it is a calendar month."""

    label: str
    start: float
    end: float
    month: int = 0


@dataclass(frozen=True)
class Timetable:
    """What is run: steps recorded, and the periods that are scored."""

    steps: np.ndarray  # recorded model steps
    run_steps: int  # steps to run
    periods: tuple[Period, ...]  # empty: every record by itself
    time_step: float

    def weights(self) -> np.ndarray:
        """Time weights [periods or records, records]; `ConfigurationError` for a period without a record."""
        if not self.periods:
            return each_record(len(self.steps))
        windows = [(period.start, period.end) for period in self.periods]
        try:
            return window_means(self.steps, windows, self.time_step)
        except ValueError as error:
            raise ConfigurationError(f"[window]: {error}") from error


def timetable(
    window: WindowSettings, initial_step: int, time_step: float, *, held_out: bool = False
) -> Timetable:
    """Steps and periods of a run from `initial_step`; with `held_out`, of the months that were not used."""
    begin = initial_step * time_step
    if window.months:
        used = _month_periods(window.months, begin)
        periods = _month_periods(window.months_held_out, begin) if held_out else used
        if not periods:
            raise ConfigurationError("[window]: no months_held_out")
        end = max(period.end for period in periods)
    else:
        end = begin + window.days * SECONDS_PER_DAY
        periods = _mean_periods(window, begin, end)
    run_steps = round((end - begin) / time_step)
    run_steps -= run_steps % window.every
    steps = initial_step + np.arange(window.every, run_steps + 1, window.every)
    if steps.size == 0:
        raise ConfigurationError(
            f"[window]: nothing is recorded in {run_steps} steps with every = {window.every}"
        )
    return Timetable(steps, run_steps, periods, time_step)


def _month_periods(months: tuple[int, ...], begin: float) -> tuple[Period, ...]:
    periods = []
    for month in months:
        year = np.floor(begin / YEAR)
        start = year * YEAR + (month - 1) * MONTH
        if start < begin - 1.0:
            start += YEAR
        periods.append(Period(f"month {month}", start, start + MONTH, month))
    return tuple(sorted(periods, key=lambda period: period.start))


def _mean_periods(window: WindowSettings, begin: float, end: float) -> tuple[Period, ...]:
    if window.mean_days <= 0.0:
        return ()
    length = window.mean_days * SECONDS_PER_DAY
    count = int((end - begin) / length + 1e-9)
    return tuple(
        Period(
            f"days {n * window.mean_days:g}-{(n + 1) * window.mean_days:g}",
            begin + n * length,
            begin + (n + 1) * length,
        )
        for n in range(count)
    )


def climatology(settings: ObservationSettings, folder: Path, grid: Grid, table: Timetable) -> Observations:
    """Block of a monthly climatology on the model's grid: variable [month, (k,) j, i], 0 or NaN on land."""
    path = folder / settings.file
    values, by_level = _read(path, settings)
    if any(period.month == 0 for period in table.periods) or not table.periods:
        raise ConfigurationError("a climatology is compared by months: give months in [window]")
    _check_shape(path, settings, values, grid)
    operator = _operator(settings, grid, table.weights(), values.shape[1] if values.ndim == 4 else 0)
    months = np.stack([values[period.month - 1].ravel() for period in table.periods])
    observed = months[:, operator.index[:, 0]]
    _refuse_gaps(path, settings.variable, observed, operator, grid)
    spread = _sigma(settings, _checked_sigma(path, settings, by_level, operator, grid), operator, grid)
    cells = _block(settings, operator, observed.ravel(), spread, grid)
    return _boxes(settings, cells, grid) if settings.box else cells


def _read(path: Path, settings: ObservationSettings) -> tuple[np.ndarray, np.ndarray | None]:
    """The variable of a netCDF file, and its standard deviation if the file has it."""
    if not path.is_file():
        raise ConfigurationError(f"{settings.label}: no file {path}")
    names = list(filter(None, (settings.variable, settings.sigma_variable)))
    try:
        with xarray.open_dataset(path, decode_times=False) as data:
            for name in names:
                if name not in data:
                    raise ConfigurationError(
                        f"{path}: no variable {name!r}; it has {', '.join(map(str, data.data_vars))}"
                    )
            arrays = [np.asarray(data[name].values, float) for name in names]
    except ConfigurationError:
        raise
    except (OSError, ValueError, TypeError) as error:  # no netCDF, or no numbers
        raise ConfigurationError(f"{path}: cannot read {', '.join(names)} as numbers ({error})") from error
    return arrays[0], arrays[1] if len(arrays) > 1 else None


def _check_shape(path: Path, settings: ObservationSettings, values: np.ndarray, grid: Grid) -> None:
    flat = settings.field in CATALOGUE and CATALOGUE[settings.field].dims == SURFACE
    expected = (12, grid.ny, grid.nx)
    if values.shape != expected and (flat or (*values.shape[:1], *values.shape[2:]) != expected):
        raise ConfigurationError(
            f"{path}: {settings.variable} has shape {values.shape}, expected 12 months on the grid "
            f"{(grid.ny, grid.nx)}{'' if flat else ', by levels or not'}"
        )


def _refuse_gaps(
    path: Path, variable: str, observed: np.ndarray, operator: ObservationOperator, grid: Grid
) -> None:
    """ConfigurationError for values [month, point] that are not finite, with the place of the first."""
    gaps = np.argwhere(~np.isfinite(observed))
    if gaps.size:
        level, cell = divmod(int(operator.index[gaps[0][1], 0]), grid.ny * grid.nx)
        raise ConfigurationError(
            f"{path}: {variable} is not finite at {len(gaps)} of {observed.size} observed points, which are ocean in "
            f"the model; the first is level {level}, j {cell // grid.nx}, i {cell % grid.nx} (counted from 0): fill "
            "them, or leave them out with levels and latitudes"
        )


def _checked_sigma(
    path: Path,
    settings: ObservationSettings,
    by_level: np.ndarray | None,
    operator: ObservationOperator,
    grid: Grid,
) -> np.ndarray | None:
    """The standard deviations of the file, if they are one positive number for each observed level."""
    if by_level is None:
        return None
    levels = np.unique(operator.index[:, 0] // (grid.ny * grid.nx))
    if by_level.ndim != 1 or by_level.size <= levels.max():
        raise ConfigurationError(
            f"{path}: {settings.sigma_variable} has shape {by_level.shape}, expected one value for each level, "
            f"at least {levels.max() + 1}"
        )
    used = by_level[levels]
    if not np.all(np.isfinite(used) & (used > 0.0)):
        raise ConfigurationError(
            f"{path}: {settings.sigma_variable} should be finite and above 0 on every observed level, got {used}"
        )
    return by_level


def _boxes(settings: ObservationSettings, cells: Observations, grid: Grid) -> Observations:
    """The same observations as area means over boxes; σ is that of a mean of average area."""
    area = np.asarray(grid["e1t"]) * np.asarray(grid["e2t"])
    latitude, longitude = np.asarray(grid["gphit"]), np.asarray(grid["glamt"])
    operator, areas = box_means(cells.operator, latitude, longitude, area, (settings.box[0], settings.box[1]))
    periods = operator.time_weights.shape[0]
    month = np.zeros((periods, int(np.prod(cells.shape[1:]))))
    month[:, cells.operator.index[:, 0]] = cells.values.reshape(periods, -1)
    values = (month[:, operator.index] * operator.point_weights).sum(axis=-1)
    sigma = np.full(values.shape, settings.sigma * np.sqrt(settings.cells_per_degree_of_freedom))
    if settings.area_weighted:
        sigma = sigma / np.sqrt(areas / areas.mean())
    label = f"{cells.label}, means over {settings.box[0]:g}° × {settings.box[1]:g}°"
    return Observations(operator, values.ravel(), sigma.ravel(), label, cells=cells)


def twin(
    settings: ObservationSettings, grid: Grid, table: Timetable, truth: Trajectory, number: int
) -> Observations:
    """Block of a twin experiment: what the run with the true parameters shows, with Gaussian noise if asked."""
    depth = truth.fields[settings.field].shape[1] if truth.fields[settings.field].ndim == 4 else 0
    operator = _operator(settings, grid, table.weights(), depth)
    values = np.array(operator(truth.fields))
    if settings.noise:
        random = np.random.default_rng([settings.seed, number])
        values = values + settings.sigma * random.standard_normal(values.size)
    spread = _sigma(settings, None, operator, grid)
    return _block(settings, operator, values, spread, grid)


def _operator(
    settings: ObservationSettings, grid: Grid, weights: np.ndarray, depth: int
) -> ObservationOperator:
    """Wet points of the field's own grid point within the latitudes, on the levels (all if none are named)."""
    mask = _mask(settings.field, grid)[: depth or 1]
    if "gphit" in grid:
        south, north = settings.latitudes
        mask = mask & (grid["gphit"] >= south) & (grid["gphit"] <= north)
    elif settings.latitudes != ALL_LATITUDES:
        raise ConfigurationError(
            f"{settings.label}: latitudes cannot be used, the model did not publish its own"
        )
    levels = settings.levels or tuple(range(depth or 1))
    if max(levels) >= len(mask):
        raise ConfigurationError(
            f"{settings.label}: level {max(levels)}, but there are {len(mask)} (0 is the surface)"
        )
    if not mask[list(levels)].any():
        raise ConfigurationError(
            f"{settings.label}: nothing to observe, the model has no ocean at latitudes {list(settings.latitudes)} on "
            f"the levels {list(levels)}"
        )
    # points are numbered in the model's levels, whose plane is the same as the file's
    return select(settings.field, weights, mask, levels)


def _mask(field: str, grid: Grid) -> np.ndarray:
    name = {"uo": "umask", "vo": "vmask"}.get(field, "tmask")
    return np.asarray(grid[name if name in grid else "tmask"]) > 0.5


def _sigma(
    settings: ObservationSettings, by_level: np.ndarray | None, operator: ObservationOperator, grid: Grid
) -> np.ndarray:
    """σ [m]: by level or constant, over √(area weight), times √(cells per degree of freedom)."""
    sigma = np.full(operator.size, settings.sigma)
    if by_level is not None:
        level = operator.index[:, 0] // (grid.ny * grid.nx)
        sigma = np.tile(by_level[level], operator.time_weights.shape[0])
    sigma = sigma * np.sqrt(settings.cells_per_degree_of_freedom)
    if settings.area_weighted:
        sigma = sigma / np.sqrt(area_weights(grid["e1t"], grid["e2t"], operator))
    return sigma


def _block(
    settings: ObservationSettings,
    operator: ObservationOperator,
    values: np.ndarray,
    sigma: np.ndarray,
    grid: Grid,
) -> Observations:
    label = settings.field if not settings.variable else f"{settings.field} against {settings.variable}"
    levels = int(operator.index.max()) // (grid.ny * grid.nx) + 1
    shape = (operator.time_weights.shape[0], levels, grid.ny, grid.nx)
    return Observations(operator, values, sigma, label, shape, operator.index[:, 0])
