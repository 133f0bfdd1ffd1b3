"""The shipped 4-degree data against known facts about the ocean, and against a rebuild from the originals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gsw
import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "global"
SHIPPED = EXAMPLE / "global_4deg.nc"
ORIGINALS = Path("/usr/share/ferret-vis/data")


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return xr.open_dataset(SHIPPED).load()


@pytest.fixture(scope="module")
def wet(data: xr.Dataset) -> np.ndarray:
    return data.mbathy.values > 0


@pytest.fixture(scope="module")
def wet_levels(data: xr.Dataset) -> np.ndarray:
    """[z, y, x]"""
    return np.arange(data.sizes["z"])[:, None, None] < data.mbathy.values


def cell(data: xr.Dataset, lon: float, lat: float) -> tuple[int, int]:
    """(j, i) of the cell that contains a point."""
    return (
        int(np.abs(data.nav_lat.values[:, 0] - lat).argmin()),
        int(np.abs(data.nav_lon.values[0] - lon % 360).argmin()),
    )


def connected(wet: np.ndarray, start: tuple[int, int], end: tuple[int, int]) -> bool:
    """Whether water can flow from one cell to another through faces, without crossing the periodic seam."""
    labels, _ = ndimage.label(wet)
    return bool(labels[start] == labels[end] > 0)


def area_mean(data: xr.Dataset, field: np.ndarray, mask: np.ndarray) -> float:
    area = mask * np.cos(np.deg2rad(data.nav_lat.values))
    return float((field * area).sum() / area.sum())


def neighbours(a: np.ndarray) -> np.ndarray:
    """The four lateral neighbours; valid because the first and last rows are land. [4, ..., y, x]"""
    shifts = ((1, -1), (-1, -1), (1, -2), (-1, -2))
    return np.stack([np.roll(a, shift, axis) for shift, axis in shifts])


def test_dimensions_are_what_the_model_reads(data: xr.Dataset) -> None:
    assert dict(data.sizes) == {"x": 90, "y": 42, "z": 20, "month": 12, "z_upper": 9}
    assert data.nav_lon[0, 0] == 2 and data.nav_lat[1, 0] == -78 and data.nav_lat[-2, 0] == 78
    assert SHIPPED.stat().st_size < 1.5e6


def test_levels_grow_smoothly(data: xr.Dataset) -> None:
    e3t = data.e3t_1d.values
    assert (np.diff(e3t) > 0).all() and (e3t[1:] / e3t[:-1]).max() < 1.5
    assert e3t[0] == 10 and 4800 <= e3t.sum() <= 5500
    np.testing.assert_allclose(np.diff(data.gdept_1d), (e3t[1:] + e3t[:-1]) / 2)


def test_every_variable_carries_cf_attributes(data: xr.Dataset) -> None:
    for name, variable in data.variables.items():
        assert {"units", "long_name"} <= set(variable.attrs), name
        assert "standard_name" in variable.attrs or name == "month"
    assert {"history", "source", "references", "license", "title", "Conventions"} <= set(data.attrs)


def test_land_fraction_is_that_of_the_earth(data: xr.Dataset, wet: np.ndarray) -> None:
    # ETOPO5 has 66.3 % ocean between the poles; without the caps and the marginal seas, 3 % either way
    assert area_mean(data, wet, np.abs(data.nav_lat.values) < 80) == pytest.approx(0.69, abs=0.03)
    assert not wet[[0, -1]].any()


def test_ocean_is_one_connected_region(wet: np.ndarray) -> None:
    labels, count = ndimage.label(
        np.concatenate([wet, wet], axis=1)
    )  # twice around, so that the seam is inside
    assert count <= 3  # pieces cut by the two outer edges are allowed, if they are whole elsewhere
    main = np.bincount(labels[labels > 0]).argmax()
    whole = (labels == main)[:, : wet.shape[1]] | (labels == main)[:, wet.shape[1] :]
    np.testing.assert_array_equal(whole, wet)


@pytest.mark.parametrize(
    ("name", "lon", "lat"),
    [
        ("Caspian Sea", 51, 42),
        ("Black Sea", 35, 43),
        ("Baltic Sea", 19, 58),
        ("Mediterranean Sea", 19, 36),
        ("Red Sea", 38, 20),
        ("Sahara", 10, 22),
        ("Antarctica", 90, -78),
        ("New Zealand", 174, -39),
        ("Java", 110, -7),
    ],
)
def test_is_land(data: xr.Dataset, wet: np.ndarray, name: str, lon: float, lat: float) -> None:
    assert not wet[cell(data, lon, lat)], name


def test_drake_passage_lets_the_circumpolar_current_through(data: xr.Dataset, wet: np.ndarray) -> None:
    circumpolar = [j for j in range(wet.shape[0]) if wet[j].all()]
    assert data.nav_lat.values[circumpolar, 0].tolist() == [-62.0, -58.0]  # the real one: 56S to 62-63S
    assert data.bathymetry.values[circumpolar].min() > 500


def test_panama_is_closed_and_the_throughflow_open(data: xr.Dataset, wet: np.ndarray) -> None:
    tropics = wet & (np.abs(data.nav_lat.values) < 30)
    america = tropics & (data.nav_lon.values > 200)
    assert not connected(america, cell(data, 250, 10), cell(data, 300, 20))
    indonesia = (
        tropics & (data.nav_lat.values > -20) & (data.nav_lon.values > 60) & (data.nav_lon.values < 160)
    )
    assert connected(indonesia, cell(data, 150, 10), cell(data, 90, -10))
    # the sill, in full steps, all the way
    deep = indonesia & (data.bathymetry.values > 1100)
    assert connected(deep, cell(data, 150, 10), cell(data, 90, -10))


def test_arctic_is_open_to_both_oceans(data: xr.Dataset, wet: np.ndarray) -> None:
    north = wet & (data.nav_lat.values > 40)
    assert connected(north, cell(data, 190, 50), cell(data, 190, 74)), "Bering Strait"
    seam = np.roll(north, 45, axis=1)  # Greenwich in the middle

    def rolled(lon: float, lat: float) -> tuple[int, int]:
        j, i = cell(data, lon, lat)
        return j, (i + 45) % 90

    assert connected(seam, rolled(-30, 50), rolled(2, 74)), "Nordic Seas"


def test_no_dead_ends_and_no_holes(data: xr.Dataset, wet: np.ndarray, wet_levels: np.ndarray) -> None:
    assert (neighbours(wet).sum(0)[wet] >= 2).all()
    assert neighbours(wet_levels).any(0)[wet_levels].all()
    assert data.mbathy.values[wet].min() >= 3


def test_depth_follows_from_the_levels(data: xr.Dataset) -> None:
    depth = np.concatenate([[0], np.cumsum(data.e3t_1d.values)])[data.mbathy.values]
    np.testing.assert_allclose(data.bathymetry.values, depth)
    assert data.bathymetry.values.max() == data.e3t_1d.values.sum()


def test_fields_are_finite_and_zero_on_land(data: xr.Dataset, wet: np.ndarray) -> None:
    for name, variable in data.data_vars.items():
        assert np.isfinite(variable.values).all(), name
        if "y" in variable.dims and not str(name).startswith("nav_"):
            assert (variable.values[..., ~wet] == 0).all(), name


def test_temperature_and_salinity_are_those_of_the_ocean(
    data: xr.Dataset, wet: np.ndarray, wet_levels: np.ndarray
) -> None:
    theta, salt = data.thetao_clim.values, data.so_clim.values
    assert -2 < theta[wet_levels].min() < -1.5 and 28.5 < theta[wet_levels].max() < 31
    assert 25 < salt[wet_levels].min() < 30 and 36.5 < salt[wet_levels].max() < 38
    volume = data.e3t_1d.values[:, None, None] * np.cos(np.deg2rad(data.nav_lat.values)) * wet_levels
    # world ocean means: 3.5 degC and 34.7 (Worthington 1981)
    assert (theta * volume).sum() / volume.sum() == pytest.approx(3.6, abs=0.3)
    assert (salt * volume).sum() / volume.sum() == pytest.approx(34.72, abs=0.05)
    deepest = wet_levels[-1]
    assert 0 < np.median(theta[-1][deepest]) < 2


def test_salt_is_never_zero_in_the_water(data: xr.Dataset, wet_levels: np.ndarray) -> None:
    assert data.so_clim.values[wet_levels].min() > 20


def test_columns_are_statically_stable(data: xr.Dataset, wet_levels: np.ndarray) -> None:
    lon, lat = data.nav_lon.values, data.nav_lat.values
    interface = gsw.p_from_z(-np.cumsum(data.e3t_1d.values)[:-1, None, None], lat)

    def density(levels: slice) -> np.ndarray:
        absolute = gsw.SA_from_SP(data.so_clim.values[levels], interface, lon, lat)
        return gsw.rho(absolute, gsw.CT_from_pt(absolute, data.thetao_clim.values[levels]), interface)

    above, below = density(slice(None, -1)), density(slice(1, None))
    # the file rounds T to 0.004 K and S to 0.002: 2e-3 kg m-3 of false instability at most
    assert (above - below)[wet_levels[1:]].max() < 2e-3


def test_seasons_have_the_right_sign_and_size(data: xr.Dataset, wet: np.ndarray) -> None:
    sst = data.sst_clim.values
    assert -2 <= sst[:, wet].min() < -1.5 and 29 < sst[:, wet].max() < 33
    north = wet & (data.nav_lat.values > 30) & (data.nav_lat.values < 50)
    south = wet & (data.nav_lat.values < -30) & (data.nav_lat.values > -50)
    season = sst[7] - sst[1]  # August minus February
    assert 5 < area_mean(data, season, north) < 10 and -6 < area_mean(data, season, south) < -3
    warm_pool = cell(data, 160, 0)
    assert 28 < sst[:, *warm_pool].mean() < 30


def test_monthly_temperature_merges_into_the_annual_mean(data: xr.Dataset, wet_levels: np.ndarray) -> None:
    n = data.sizes["z_upper"]
    np.testing.assert_allclose(data.gdept_upper, data.gdept_1d[:n])
    departure = data.thetao_month.values - data.thetao_clim.values[:n]
    # rounding 2**-7 and 2**-8 where no month was cut off at the freezing point or at 33 degC
    uncut = wet_levels[:n] & (data.thetao_month.values.min(0) > -1.89)
    assert np.abs(departure.mean(0))[uncut].max() < 0.02
    amplitude = np.array(
        [np.ptp(d, axis=0)[w].mean() for d, w in zip(departure.swapaxes(0, 1), wet_levels[:n], strict=True)]
    )
    assert amplitude[0] > 3 and amplitude[-1] < 0.8, amplitude
    assert (data.thetao_sigma.values > 0.4).all() and (data.thetao_sigma.values < 1).all()


def test_wind_stress_has_westerlies_and_trades(data: xr.Dataset, wet: np.ndarray) -> None:
    def zonal(lat: float) -> float:
        j, _ = cell(data, 0, lat)
        return float(data.utau.values[:, j, wet[j]].mean())

    assert 0.08 < zonal(-54) < 0.2 and 0.03 < zonal(46) < 0.12
    assert -0.1 < zonal(14) < -0.03 and -0.1 < zonal(-14) < -0.03
    assert np.abs(data.utau.values).max() < 0.5 and np.abs(data.vtau.values).max() < 0.5


def test_heat_flux_balances_and_warms_the_equator(data: xr.Dataset, wet: np.ndarray) -> None:
    annual = data.qnet.values.mean(0)
    assert abs(area_mean(data, annual, wet)) < 0.01  # W m-2; rounding to 1/8 leaves about 1e-3
    equator = wet & (np.abs(data.nav_lat.values) < 6)
    gulf_stream = cell(data, -62, 38)
    assert 20 < area_mean(data, annual, equator) < 80
    assert annual[gulf_stream] < -80
    solar = data.qsr.values
    assert solar.min() == 0 and solar.max() < 350
    assert 140 < area_mean(data, solar.mean(0), wet) < 190  # observed: about 165 W m-2


def test_rebuild_gives_the_shipped_file(data: xr.Dataset, tmp_path: Path) -> None:
    if not (ORIGINALS / "etopo5.cdf").exists():
        pytest.fail(f"{ORIGINALS} is missing: apt-get install ferret-datasets (`make test` does it)")
    rebuilt = tmp_path / "rebuilt.nc"
    command = [sys.executable, "make_global_data.py", "--resolution", "4", "--output", str(rebuilt)]
    done = subprocess.run(command, cwd=EXAMPLE, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    again = xr.open_dataset(rebuilt).load()
    assert again.attrs == data.attrs
    np.testing.assert_array_equal(again.mbathy, data.mbathy)
    for name, variable in data.data_vars.items():
        # another numpy, scipy or gsw may round the last bit differently: by one quantum, and rarely
        difference = np.abs(again[name].values - variable.values)
        quantum = variable.attrs.get("quantum", 1e-5 * np.abs(variable.values).max())
        assert difference.max() <= quantum * 1.001, name
        assert (difference > 0).mean() < 0.01, name
