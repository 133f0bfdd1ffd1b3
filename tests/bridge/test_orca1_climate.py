"""Climate and surface forcing on the mesh: interpolation, sea water, wind along the grid, heat without a mean."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bridge.errors import ConfigurationError
from bridge.models.nemo.orca1 import climate, files, fluxes
from bridge.models.nemo.orca1.atlas import Atlas, to_depths
from bridge.models.nemo.orca1.levels import reference_levels
from bridge.models.nemo.orca1.mesh import Mesh, block_means, read_eorca1
from bridge.models.nemo.orca1.observations import mixed_layer_depth, steric_height
from bridge.models.nemo.orca1.sources import Sources
from bridge.models.nemo.orca1.sphere import latitude, longitude, points

LAT, LON = np.arange(-88.0, 89.0, 4.0), np.arange(20.0, 380.0, 5.0)  # longitudes begin where ferret's do


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return read_eorca1()[0].coarsened(3)


def _atlas(function: Any, *months: int) -> Atlas:
    values = function(np.deg2rad(LON)[None, :], np.deg2rad(LAT)[:, None])
    return Atlas(np.broadcast_to(values, (*months, LAT.size, LON.size)).copy(), LAT, LON)


def test_longitudes_and_latitudes_come_back() -> None:
    lon, lat = np.array([-179.5, 0.0, 73.0]), np.array([-80.0, 0.0, 89.0])
    np.testing.assert_allclose(longitude(points(lon, lat)), lon, atol=1e-12)
    np.testing.assert_allclose(latitude(points(lon, lat)), lat, atol=1e-9)


def test_an_atlas_is_interpolated_across_its_seam_and_kept_beyond_its_last_row(mesh: Mesh) -> None:
    found = _atlas(lambda lon, lat: np.cos(lon) * np.cos(lat)).at(mesh.t)
    lon, lat = (np.deg2rad(x) for x in mesh.places["t"])
    inside = np.abs(lat) < np.deg2rad(87)
    np.testing.assert_allclose(found[inside], (np.cos(lon) * np.cos(lat))[inside], atol=3e-3)
    assert np.isfinite(found).all()


def test_missing_values_are_those_of_the_nearest_and_say_how_far_it_is() -> None:
    atlas = _atlas(lambda lon, lat: lat + 0.0 * lon)
    atlas.values[20:25] = np.nan  # 5 rows, 4 degrees each
    filled, distance = atlas.filled()
    assert filled.values[20, 0] == atlas.values[19, 0]
    assert filled.values[24, 0] == atlas.values[25, 0]
    np.testing.assert_allclose(distance[19:26, 0], [0, 4, 8, 12, 8, 4, 0], atol=1e-9)
    with pytest.raises(ValueError, match="missing everywhere"):
        Atlas(np.full((LAT.size, LON.size), np.nan), LAT, LON).filled()


def test_depths_are_linear_between_levels_and_constant_beyond() -> None:
    field = np.array([10.0, 20.0, 40.0])[:, None, None]
    found = to_depths(field, np.array([0.0, 100.0, 300.0]), np.array([-1.0, 50.0, 200.0, 900.0]))
    np.testing.assert_allclose(found.ravel(), [10.0, 15.0, 30.0, 40.0])


def test_sea_water_is_that_of_teos10(mesh: Mesh) -> None:
    # check values of the TEOS-10 toolbox's CT_from_t: SA 34.7118 g/kg, t 28.7856 degC, 10 dbar: CT 28.80992 degC
    shape = (1, *mesh.shape)
    practical = 34.7118 * 35.0 / 35.16504
    found = climate.teos10(mesh, np.array([9.945]), np.full(shape, 28.7856), np.full(shape, practical))
    pacific = np.hypot(*(x - y for x, y in zip(mesh.places["t"], (-150.0, 0.0), strict=True))).argmin()
    assert found.salinity[0].flat[pacific] == pytest.approx(34.7118, abs=2e-3)  # and the local anomaly
    assert found.temperature[0].flat[pacific] == pytest.approx(28.80992, abs=2e-4)
    assert np.isfinite(found.salinity).all()
    assert climate.freezing(np.array(35.0)) == pytest.approx(-1.922, abs=1e-3)


def test_the_departure_of_a_month_ends_where_the_atlas_does(mesh: Mesh) -> None:
    monthly = _atlas(lambda lon, lat: 10.0 + 0.0 * lon * lat, 12, 2)
    monthly.values[6] += 3.0
    sources: Any = SimpleNamespace(monthly=(np.array([0.0, 1000.0]), monthly))
    july = climate.departure(mesh, np.array([5.0, 900.0, 1100.0]), sources, 6)
    np.testing.assert_allclose(july[:2], 3.0 * 11 / 12)
    assert (july[2] == 0).all()


def test_an_eastward_wind_blows_along_i_where_i_is_east_and_keeps_its_strength_elsewhere(mesh: Mesh) -> None:
    east, none = (_atlas(lambda lon, lat, u=u: u + 0.0 * lon * lat, 12) for u in (8.0, 0.0))
    along_i, along_j = fluxes.wind_stress(mesh, SimpleNamespace(wind=(east, east, none)))  # type: ignore[arg-type]
    expected = 1.22 * 1.2e-3 * 8.0**2
    np.testing.assert_allclose(np.hypot(along_i, along_j), expected, rtol=1e-9)
    tropics = np.abs(mesh.places["t"][1]) < 15
    np.testing.assert_allclose(along_i[:, tropics], expected, rtol=1e-9)
    arctic = mesh.places["t"][1] > 75
    assert np.abs(along_j[:, arctic]).max() > 0.5 * expected


def test_heat_has_no_mean_and_fades_where_nobody_looked(mesh: Mesh) -> None:
    net, solar = (
        _atlas(lambda lon, lat: 60.0 + 0.0 * lon * lat, 12),
        _atlas(lambda lon, lat: 150.0 * np.cos(lat), 12),
    )
    net.values[:, LAT < -65], solar.values[:, LAT < -65] = np.nan, np.nan
    wet = np.ones(mesh.shape, dtype=bool)
    found, sun = fluxes.heat(mesh, SimpleNamespace(heat=(net, solar)), wet)  # type: ignore[arg-type]
    assert (found.mean(axis=0) * mesh.area).sum() / mesh.area.sum() == pytest.approx(0.0, abs=1e-9)
    lat = mesh.places["t"][1]
    assert found[0][np.abs(lat) < 50].min() > found[0][lat < -80].max() + 40.0
    assert sun.min() >= 0.0
    # in July the sun does not rise over the south
    assert sun[6][lat < -70].max() < 1.0


def test_ice_lies_where_the_surface_freezes(mesh: Mesh) -> None:
    surface = _atlas(lambda lon, lat: np.where(np.abs(lat) > 1.2, -1.8, 20.0) + 0.0 * lon, 12)
    cover = fluxes.ice_cover(mesh, SimpleNamespace(surface=surface))  # type: ignore[arg-type]
    lat = np.abs(mesh.places["t"][1])
    assert (cover[:, lat > 75] == 1.0).all()
    assert (cover[:, lat < 60] == 0.0).all()


def test_blocks_are_those_of_the_coarse_mesh(mesh: Mesh) -> None:
    fine = read_eorca1()[0]
    mean = block_means(np.moveaxis(fine.t, -1, 0), 3)
    mean /= np.linalg.norm(mean, axis=0)
    row = np.abs(mesh.places["t"][1]).max(axis=1) < 60
    np.testing.assert_allclose(
        np.moveaxis(mean, 0, -1)[row], mesh.t[row], atol=1e-3
    )  # rows widen from one to the next


def test_a_missing_file_names_its_package(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"levitus_climatology.cdf is missing: .* package ferret-datasets"
    ):
        _ = Sources(tmp_path, tmp_path).annual
    with pytest.raises(ConfigurationError, match="package libncarg-data"):
        _ = Sources(tmp_path, tmp_path).surface


def test_the_namelist_has_our_settings_and_the_last_word_is_the_callers() -> None:
    settings = files.namelist("5.0", 240, {"namdom": {"rn_dt": 7200.0}, "namzdf_tke": {"rn_ediff": 0.12}})
    assert settings["namrun"]["nn_itend"] == 240
    assert settings["namdom"]["rn_dt"] == 7200.0
    assert settings["namzdf_tke"]["rn_ediff"] == 0.12
    assert settings["namzdf_tke"]["rn_efr"] == 0.08
    assert settings["namdyn_spg"]["nn_bt_flt"] == 3
    assert "nn_bt_flt" not in files.namelist("4.2", 1)["namdyn_spg"]
    assert settings["namsbc_flx"]["sn_qtot"] == ["forcing", -1, "qtot", True, True, "yearly", "", "", ""]


def test_the_mixed_layer_ends_where_it_is_a_fifth_of_a_degree_colder_than_at_ten_metres() -> None:
    depths = np.array([5.0, 15.0, 25.0, 35.0, 45.0])
    columns = np.array(
        [[20.0, 20.0, 20.0, 19.0, 10.0], [20.0, 20.0, 20.0, 20.0, 0.0], [20.0, 18.0, 17.0, 16.0, 0.0]]
    )
    temperature = columns.T[:, None, :]  # [k, 1, columns]
    last = np.array([[5, 4, 4]])
    found = mixed_layer_depth(temperature, depths, last)
    # 25 m + 10 m × 0.2 K/1 K; nothing colder: the lowest wet level; 19 °C at 10 m, 18.8 °C 6 m below 5 m
    np.testing.assert_allclose(found, [[27.0, 35.0, 11.0]])
    assert mixed_layer_depth(temperature, depths, np.zeros((1, 3), dtype=int)).max() == 0.0


def test_steric_height_rises_with_warmth_and_is_left_out_where_it_is_shallow(mesh: Mesh) -> None:
    depths = np.array([0.0, 500.0, 1000.0, 2000.0, 4000.0])
    salinity = _atlas(lambda lon, lat: 35.0 + 0.0 * lon * lat, depths.size)
    levels = reference_levels(31)
    bottom = SimpleNamespace(depth=np.where(mesh.places["t"][0] > 0, 4000.0, 1000.0))
    domain: Any = SimpleNamespace(mesh=mesh, levels=levels, bottom=bottom)
    heights = {}
    for warm in (5.0, 10.0):
        temperature = _atlas(lambda lon, lat, t=warm: t + 0.0 * lon * lat, depths.size)
        heights[warm] = steric_height(domain, SimpleNamespace(annual=(depths, temperature, salinity)))  # type: ignore[arg-type]
    shallow = mesh.places["t"][0] <= 0
    assert (heights[5.0][shallow] == 0.0).all()
    rise = heights[10.0][~shallow] - heights[5.0][~shallow]
    # thermal expansion of 1.3e-4 to 2.2e-4 K-1 over 5 K and 2000 m
    assert 1.2 < rise.min() <= rise.max() < 2.3
