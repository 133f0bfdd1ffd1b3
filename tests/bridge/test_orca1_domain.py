"""eORCA1 from public packages: its mesh against what is known of it, coarser meshes, sea floor and domain_cfg.nc."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from bridge.errors import ConfigurationError
from bridge.models.nemo.orca1 import domain_cfg
from bridge.models.nemo.orca1.bottom import Bottom, bottom, neighbours, world_ocean
from bridge.models.nemo.orca1.edits import SILLS, with_sills
from bridge.models.nemo.orca1.levels import reference_levels
from bridge.models.nemo.orca1.mesh import EDGES, Mesh, read_eorca1
from bridge.models.nemo.orca1.relief import cell_depths
from bridge.models.nemo.orca1.sphere import EARTH_RADIUS, distance
from bridge.north_fold import fold_misfit, without_overlap


@pytest.fixture(scope="module")
def eorca1() -> tuple[Mesh, np.ndarray]:
    return read_eorca1()


@pytest.fixture(scope="module")
def coarse(eorca1: tuple[Mesh, np.ndarray]) -> Mesh:
    """3 × 3 cells as one: 110 × 120."""
    return eorca1[0].coarsened(3)


@pytest.fixture(scope="module")
def floor(coarse: Mesh) -> Bottom:
    """Rough ground everywhere but on two continents, a lake in one of them."""
    lon, lat = coarse.places["t"]
    lake = (np.abs(lat - 50) < 8) & (np.abs(lon - 90) < 15)
    continents = ((np.abs(lon - 90) < 40) & (np.abs(lat - 45) < 25)) | (lat < -75)
    depth = 3000 + 2500 * np.sin(7 * np.deg2rad(lon)) * np.cos(9 * np.deg2rad(lat))
    return bottom(coarse, ~continents | lake, depth, reference_levels(31), least_levels=3)


def test_eorca1_is_the_published_mesh(eorca1: tuple[Mesh, np.ndarray]) -> None:
    mesh, wet = eorca1
    assert mesh.shape == (331, 360)
    assert wet.sum() == 65183
    assert (mesh.area * wet).sum() == pytest.approx(3.631e14, rel=1e-3)
    ranges = {name: (e[wet].min() / 1e3, e[wet].max() / 1e3) for name, e in mesh.scale_factors.items()}
    assert ranges["e1t"] == pytest.approx((23.3, 111.2), abs=0.1)
    assert ranges["e2t"] == pytest.approx((21.3, 105.4), abs=0.1)
    assert min(e.min() for e in mesh.scale_factors.values()) >= 500.0


@pytest.mark.parametrize("n", [1, 2, 3])
def test_meshes_fold_close_and_cover_the_sphere(eorca1: tuple[Mesh, np.ndarray], n: int) -> None:
    mesh = eorca1[0].coarsened(n)
    for point, p in (("V", mesh.v), ("F", mesh.f)):
        for component in np.moveaxis(p, -1, 0):
            assert np.abs(fold_misfit(component, EDGES, point)).max() < 1e-6
    assert mesh.area.sum() == pytest.approx(4 * np.pi * EARTH_RADIUS**2, rel=3e-3)
    # i runs to the east where the mesh is Mercator's
    east, north = mesh.direction_of_i
    tropics = np.abs(mesh.places["t"][1]) < 15
    np.testing.assert_allclose(east[tropics], 1.0, atol=1e-6)
    np.testing.assert_allclose(east**2 + north**2, 1.0, atol=1e-12)


def test_scale_factors_of_a_coarse_mesh_add_up(eorca1: tuple[Mesh, np.ndarray], coarse: Mesh) -> None:
    fine = eorca1[0]
    row = 60  # in the Mercator part; the same fine rows, counted from the fold
    e2u = fine.scale_factors["e2u"][-3 * (110 - row) : -3 * (109 - row), 2::3].sum(axis=0)
    np.testing.assert_allclose(coarse.scale_factors["e2u"][row], e2u, rtol=1e-4)
    np.testing.assert_allclose(distance(coarse.f, fine.f[3::3, 2::3]), 0.0, atol=1e-3)


def test_a_factor_that_does_not_divide_the_columns_is_refused(eorca1: tuple[Mesh, np.ndarray]) -> None:
    with pytest.raises(
        ConfigurationError, match="expected a factor that divides the 360 columns of the mesh, got 7"
    ):
        eorca1[0].coarsened(7)


@pytest.mark.parametrize(("count", "first", "deepest"), [(31, 5.0, 5000.0), (75, 0.51, 5800.0)])
def test_reference_levels_are_nemos(count: int, first: float, deepest: float) -> None:
    levels = reference_levels(count)
    assert levels.gdept[0] == pytest.approx(first, abs=0.01)
    assert levels.gdepw[-1] == pytest.approx(deepest, abs=1e-3)
    # NEMO rebuilds depths from thicknesses
    np.testing.assert_allclose(np.cumsum(levels.e3t)[:-1], levels.gdepw[1:])
    np.testing.assert_allclose(np.cumsum(levels.e3w) - levels.e3w[0] / 2, levels.gdept)


def test_depths_of_a_relief_are_means_over_the_sea_within_a_cell(coarse: Mesh, tmp_path: Path) -> None:
    lon, lat = np.arange(0.125, 360, 0.25), np.arange(-89.875, 90, 0.25)
    height = np.where(lon > 180, -1000.0 - 2000 * (lat[:, None] > 0), 300.0 + 0 * lat[:, None])
    file = tmp_path / "relief.nc"
    xr.Dataset({"ROSE": (("lat", "lon"), height)}, {"lat": lat, "lon": lon}).to_netcdf(file)
    depth, share = cell_depths(coarse, file)
    place_lon, place_lat = coarse.places["t"]
    away = np.abs(place_lat) < 60
    west, east = away & (place_lon < -8) & (place_lon > -172), away & (place_lon > 8) & (place_lon < 172)
    assert np.isnan(depth[east]).all()
    assert (share[east] == 0).all()
    np.testing.assert_allclose(share[west], 1.0)
    np.testing.assert_allclose(depth[west & (place_lat > 8)], 3000.0)
    np.testing.assert_allclose(depth[west & (place_lat < -8)], 1000.0)
    assert 1000 < depth[west & (np.abs(place_lat) < 1)].mean() < 3000


def test_every_wet_column_is_in_the_world_ocean_and_no_hole_is_left(coarse: Mesh, floor: Bottom) -> None:
    lon, lat = coarse.places["t"]
    assert not floor.wet[(np.abs(lat - 50) < 5) & (np.abs(lon - 90) < 10)].any()  # the lake
    assert np.array_equal(world_ocean(floor.wet, lon, lat), floor.wet)
    assert (floor.last <= neighbours(floor.last).max(axis=0)).all()
    assert floor.last[floor.wet].min() >= 3
    assert floor.last.max() < 31


def test_thicknesses_add_up_to_the_depth(floor: Bottom) -> None:
    levels = reference_levels(31)
    k = np.arange(31)[:, None, None]
    np.testing.assert_allclose((floor.thickness * (k < floor.last)).sum(axis=0), floor.depth, atol=1e-9)
    full = np.broadcast_to(levels.e3t[:, None, None], floor.thickness.shape)
    stepped = floor.thickness != full
    assert stepped.any()
    assert (stepped.sum(axis=0) <= 1).all()
    least = np.minimum(20.0, 0.1 * levels.e3t)[:, None, None]
    assert (floor.thickness >= least).all()
    assert (floor.thickness <= full).all()


def test_sills_are_cut_and_opened() -> None:
    lon, lat = np.array([[-6.0, 43.0, -168.0, 0.0]]), np.array([[36.0, 13.0, 66.0, 0.0]])
    np.testing.assert_array_equal(
        with_sills(np.array([[2000.0, 50.0, 10.0, 4000.0]]), lon, lat), [[300.0, 100.0, 40.0, 4000.0]]
    )
    assert len({sill.name for sill in SILLS}) == len(SILLS)


@pytest.mark.parametrize("version", ["5.0", "4.0"])
def test_domain_cfg_has_what_nemo_reads(coarse: Mesh, floor: Bottom, tmp_path: Path, version: str) -> None:
    domain = domain_cfg.Domain(coarse, reference_levels(31), floor)
    file = tmp_path / "domain_cfg.nc"
    domain_cfg.write(file, domain, {"title": "a test"}, version)
    old = version == "4.0"
    with netCDF4.Dataset(file) as data:
        shape = data["e3t_0"].shape
        assert shape == ((1, 31, 111, 122) if old else (1, 31, 110, 120))
        assert data["e3t_1d"].shape == (1, 31)
        assert (data.NFtype, data.Iperio, data.NFold, data.VertCoord) == ("F", 1, 1, "zps")
        if old:
            assert [int(data[name][...]) for name in ("jpiglo", "jpjglo", "jpkglo", "jperio")] == [
                122,
                111,
                31,
                6,
            ]
        for name, (point, values, _) in domain_cfg.variables(domain).items():
            read = np.asarray(data[name][0])
            if old and point:
                read = without_overlap(read, EDGES)
            np.testing.assert_array_equal(read, values, err_msg=name)


def test_faces_are_as_thick_as_the_thinner_of_their_cells(coarse: Mesh, floor: Bottom) -> None:
    found = domain_cfg.thicknesses(domain_cfg.Domain(coarse, reference_levels(31), floor))
    e3t = found["e3t_0"]
    np.testing.assert_array_equal(found["e3u_0"][..., -1], np.minimum(e3t[..., -1], e3t[..., 0]))
    # across the fold the partner of column i is nx - 1 - i
    np.testing.assert_array_equal(found["e3v_0"][:, -1], np.minimum(e3t[:, -1], e3t[:, -1, ::-1]))
    corners = [e3t[:, 50, 7], e3t[:, 50, 8], e3t[:, 51, 7], e3t[:, 51, 8]]
    np.testing.assert_array_equal(found["e3f_0"][:, 50, 7], np.min(corners, axis=0))
    # W points keep the depths of T points
    np.testing.assert_allclose(
        np.cumsum(found["e3w_0"], axis=0) - found["e3w_0"][:1] / 2, found["gdept_0"], rtol=1e-12
    )
