"""A climatology file against the model's grid: what does not fit is named, before it is compared with anything."""

from pathlib import Path

import numpy as np
import pytest
import xarray

from bridge.errors import ConfigurationError
from bridge.model import Grid
from optim import data
from optim.experiment_file import ObservationSettings, WindowSettings

DAY = 86400.0
LEVELS, ROWS, COLUMNS = 3, 4, 5
LAND = (0, 2)  # j, i


def grid() -> Grid:
    """A small basin with one land column, from 30° N to 60° N."""
    mask = np.ones((LEVELS, ROWS, COLUMNS))
    mask[:, LAND[0], LAND[1]] = 0.0
    latitude = np.tile(np.linspace(30.0, 60.0, ROWS)[:, None], (1, COLUMNS))
    arrays = {"tmask": mask, "gphit": latitude, "e1t": np.ones_like(latitude), "e2t": np.ones_like(latitude)}
    return Grid(COLUMNS, ROWS, LEVELS, arrays)


def block(folder: Path, values: np.ndarray, sigma: list[float] | None = None, **settings):
    """The observations of a file with variable `t` (and `s`, σ by level)."""
    dims = ("month", "z", "y", "x") if values.ndim == 4 else ("month", "y", "x")
    content = {"t": (dims, values)} | ({} if sigma is None else {"s": (("depth",), np.array(sigma))})
    xarray.Dataset(content).to_netcdf(folder / "woa.nc")
    chosen = {"field": "thetao", "file": "woa.nc", "variable": "t"} | settings
    chosen |= {"sigma": 0.1} if sigma is None else {"sigma_variable": "s"}
    table = data.timetable(WindowSettings(every=1, months=(2, 3)), 0, DAY)
    return data.climatology(ObservationSettings(kind="climatology", **chosen), folder, grid(), table)


def volume() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((12, LEVELS, ROWS, COLUMNS))


def test_gaps_on_land_and_in_unused_months_do_not_matter(tmp_path: Path) -> None:
    values = volume()
    values[:, :, LAND[0], LAND[1]] = np.nan
    values[7] = np.nan
    assert block(tmp_path, values).values.size == 2 * LEVELS * (ROWS * COLUMNS - 1)


def test_a_gap_in_the_ocean_names_file_variable_and_place(tmp_path: Path) -> None:
    values = volume()
    values[1, 2, 3, 4] = np.nan
    with pytest.raises(ConfigurationError, match=r"woa.nc: t is not finite at 1 of .*level 2, j 3, i 4"):
        block(tmp_path, values)
    assert block(tmp_path, values, levels=(0, 1)).values.size == 2 * 2 * (ROWS * COLUMNS - 1)


@pytest.mark.parametrize(
    ("sigma", "words"),
    [
        ([0.1, 0.2], "s has shape .* at least 3"),
        ([0.1, 0.0, 0.2], "s should be finite and above 0"),
        ([0.1, 0.1, np.nan], "s should be finite and above 0"),
    ],
)
def test_wrong_sigma_of_a_file(tmp_path: Path, sigma: list[float], words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"woa.nc: {words}"):
        block(tmp_path, volume(), sigma)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"levels": (3,)}, "level 3, but there are 3"),
        ({"latitudes": (-20.0, 20.0)}, "nothing to observe, the model has no ocean"),
        ({"variable": "u"}, "no variable 'u'; it has t"),
        ({"field": "tos"}, "t has shape .* expected 12 months"),
    ],
)
def test_settings_that_do_not_fit_the_grid(tmp_path: Path, settings: dict, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        block(tmp_path, volume(), **settings)


@pytest.mark.parametrize("shape", [(ROWS, COLUMNS), (11, ROWS, COLUMNS), (12, COLUMNS, ROWS)])
def test_wrong_shapes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.zeros(shape)
    xarray.Dataset({"t": (tuple("abc"[: values.ndim]), values)}).to_netcdf(tmp_path / "woa.nc")
    settings = ObservationSettings("climatology", "tos", 0.1, "woa.nc", "t")
    table = data.timetable(WindowSettings(every=1, months=(2,)), 0, DAY)
    with pytest.raises(ConfigurationError, match="t has shape .* expected 12 months on the grid"):
        data.climatology(settings, tmp_path, grid(), table)


def test_a_file_that_is_no_netcdf_is_named(tmp_path: Path) -> None:
    (tmp_path / "woa.nc").write_text("temperature")
    settings = ObservationSettings("climatology", "tos", 0.1, "woa.nc", "t")
    table = data.timetable(WindowSettings(every=1, months=(2,)), 0, DAY)
    with pytest.raises(ConfigurationError, match="woa.nc: cannot read t as numbers"):
        data.climatology(settings, tmp_path, grid(), table)


def test_a_period_without_a_record_concerns_the_window() -> None:
    table = data.timetable(WindowSettings(every=10, days=20.0, mean_days=5.0), 0, DAY)
    with pytest.raises(ConfigurationError, match=r"\[window\]: no record falls"):
        table.weights()
