"""NEMO's files as Datasets. They are written here as NEMO writes them: whole, or one per rank, with its attributes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import iris_sample_data
import numpy as np
import pytest
import xarray as xr

from bridge.errors import ConfigurationError
from bridge.models.nemo.reading import (
    drop_overlap,
    edges_of,
    open_mesh,
    open_output,
    open_restart,
)
from bridge.north_fold import Edges

NX, NY, NZ = 12, 9, 3
#: lower bounds of 3 by 3 tiles, 4 by 3 cells each
COLUMNS, ROWS = (0, 4, 8), (0, 3, 6)
LAND = frozenset({(2, 0), (2, 1)})  # tiles (column, row) that no rank computes


@dataclass(frozen=True)
class Cut:
    """How the files are cut: `halo` 0 (4.2, 5.0) or 1 (4.0), and the tiles that do not exist."""

    halo: int = 0
    land: frozenset[tuple[int, int]] = LAND

    def windows(self) -> list[tuple[slice, slice, dict[str, list[int]]]]:
        """Rows and columns of each piece in the file, and its attributes."""
        tiles = [(c, r) for r in range(3) for c in range(3) if (c, r) not in self.land]
        pieces = []
        for number, (column, row) in enumerate(tiles):
            i, i_end, halo_i = self._side(COLUMNS[column], 4, NX, (column, row), (1, 0))
            j, j_end, halo_j = self._side(ROWS[row], 3, NY, (column, row), (0, 1))
            attributes = {
                "DOMAIN_number_total": len(tiles),
                "DOMAIN_number": number,
                "DOMAIN_size_global": [NX, NY],
                "DOMAIN_size_local": [i_end - i, j_end - j],
                "DOMAIN_position_first": [i + 1, j + 1],
                "DOMAIN_position_last": [i_end, j_end],
                "DOMAIN_halo_size_start": [halo_i[0], halo_j[0]],
                "DOMAIN_halo_size_end": [halo_i[1], halo_j[1]],
                "DOMAIN_type": "BOX",
            }
            pieces.append((slice(j, j_end), slice(i, i_end), attributes))
        return pieces

    def _side(
        self, start: int, size: int, total: int, tile: tuple[int, int], step: tuple[int, int]
    ) -> tuple[int, int, tuple[int, int]]:
        """First and last cell with halo; NEMO 4.0 calls it no halo where the neighbour is left out."""
        before, after = (tile[0] - step[0], tile[1] - step[1]), (tile[0] + step[0], tile[1] + step[1])
        first, last = max(start - self.halo, 0), min(start + size + self.halo, total)
        halo_before = 0 if before in self.land else start - first
        return first, last, (halo_before, 0 if after in self.land else last - start - size)

    @property
    def covered(self) -> np.ndarray:
        """Cells [j, i] that a rank owns."""
        covered = np.ones((NY, NX), dtype=bool)
        for column, row in self.land:
            covered[ROWS[row] : ROWS[row] + 3, COLUMNS[column] : COLUMNS[column] + 4] = False
        return covered


def write_pieces(data: xr.Dataset, path: Path, cut: Cut) -> list[Path]:
    """`data` (…, y, x) as path_0000.nc, path_0001.nc, …"""
    written = []
    for number, (rows, columns, attributes) in enumerate(cut.windows()):
        piece = data.isel(y=rows, x=columns).assign_attrs(data.attrs | attributes)
        written.append(path.with_name(f"{path.stem}_{number:04d}.nc"))
        piece.to_netcdf(written[-1])
    return written


def field(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def restart(step: float = 200.0) -> xr.Dataset:
    """Under the names and dimensions of NEMO's restart files."""
    volume = ("time_counter", "nav_lev", "y", "x")
    volumes = {n: (volume, field(1, NZ, NY, NX, seed=k)) for k, n in enumerate(("tn", "un", "vn", "en"))}
    return xr.Dataset(
        volumes
        | {
            "nav_lon": (("y", "x"), field(NY, NX).astype("f4")),
            "nav_lat": (("y", "x"), field(NY, NX).astype("f4")),
            "nav_lev": ("nav_lev", np.array([5.0, 15.0, 30.0], "f4")),
            "sshn": (("time_counter", "y", "x"), field(1, NY, NX, seed=5)),
            "kt": ((), step),
            "ndastp": ((), 10117.0),
        },
        coords={"time_counter": ("time_counter", [step])},
    )


def mesh(attributes: dict, **variables: int) -> xr.Dataset:
    """A mesh_mask with a few of its variables."""
    surface, volume = ("time_counter", "y", "x"), ("time_counter", "nav_lev", "y", "x")
    data = {
        f"{name}{p}": (surface, field(1, NY, NX, seed=k))
        for k, p in enumerate("tuvf")
        for name in ("glam", "gphi", "e1", "e2")
    }
    data |= {f"{p}mask": (volume, np.ones((1, NZ, NY, NX), "i1")) for p in "tuvf"}
    data |= {f"e3{p}_0": (volume, field(1, NZ, NY, NX, seed=9)) for p in "tuvw"}
    data |= {
        "mbathy": (surface, np.full((1, NY, NX), NZ, "i4")),
        "nav_lon": (("y", "x"), field(NY, NX).astype("f4")),
        "nav_lat": (("y", "x"), field(NY, NX).astype("f4")),
        "nav_lev": ("nav_lev", np.array([5.0, 15.0, 30.0], "f4")),
    }
    return xr.Dataset(data | {n: ((), v) for n, v in variables.items()}, {"time_counter": [0.0]}, attributes)


NEW_MESH = {"Iperio": 1, "Jperio": 0, "NFold": 1, "NFtype": "F", "VertCoord": "zps", "CfgName": "orca"}


def output(point: str, name: str) -> xr.Dataset:
    """As IOIPSL writes it: 360-day calendar under its own name, no bounds."""
    depth = f"depth{point.lower()}"
    time = {"units": "seconds since 0001-01-01 00:00:00", "calendar": "360d"}
    return xr.Dataset(
        {
            name: (("time_counter", depth, "y", "x"), field(2, NZ, NY, NX)),
            "nav_lon": (("y", "x"), field(NY, NX).astype("f4")),
            "nav_lat": (("y", "x"), field(NY, NX).astype("f4")),
        },
        {
            "time_counter": ("time_counter", [86400.0 * 15, 86400.0 * 45], time),
            depth: (depth, [5.0, 15.0, 30.0], {"long_name": f"Vertical {point} levels"}),
        },
    )


CUTS = {"4.2 and 5.0": Cut(), "4.0": Cut(halo=1), "4.0, all ranks": Cut(1, frozenset())}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_pieces_of_a_restart_make_the_whole(tmp_path: Path, cut: Cut) -> None:
    data = restart()
    write_pieces(data, tmp_path / "GYRE_00000200_restart.nc", cut)
    read = open_restart(tmp_path / "GYRE_00000200_restart.nc")
    assert read.tn.dims == ("z_c", "y_c", "x_c")
    assert read.un.dims == ("z_c", "y_c", "x_f")
    assert read.vn.dims == ("z_c", "y_f", "x_c")
    assert read.en.dims == ("z_f", "y_c", "x_c")
    assert read.kt == 200 and read.kt.dims == ()
    for name in ("tn", "un", "vn", "en", "sshn"):
        expected = np.where(cut.covered, data[name].values[0], np.nan)
        assert np.array_equal(read[name].values, expected, equal_nan=True)
    assert read.gdept_1d.values.tolist() == [5.0, 15.0, 30.0]


def test_whole_restart_and_its_folder_are_the_same(tmp_path: Path) -> None:
    restart().to_netcdf(tmp_path / "GYRE_00000200_restart.nc")
    by_name = open_restart(tmp_path / "GYRE_00000200_restart.nc")
    assert by_name.equals(open_restart(tmp_path))
    assert open_restart(tmp_path, points={"sshn": "F"}).sshn.dims == ("y_f", "x_f")


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_pieces_of_a_mesh_make_the_whole(tmp_path: Path, cut: Cut) -> None:
    data = mesh(NEW_MESH)
    write_pieces(data, tmp_path / "mesh_mask.nc", cut)
    read = open_mesh(tmp_path)
    assert read.tmask.dims == ("z_c", "y_c", "x_c") and read.e1f.dims == ("y_f", "x_f")
    assert read.tmask.dtype == np.int8 and read.mbathy.dtype.kind == "i"
    assert np.array_equal(read.tmask[0], cut.covered)
    assert np.array_equal(read.e1t, np.where(cut.covered, data.e1t[0], np.nan), equal_nan=True)
    assert edges_of(read) == Edges(True, False, "F")


def test_mesh_is_what_xgcm_needs(tmp_path: Path) -> None:
    import xgcm

    mesh(NEW_MESH).to_netcdf(tmp_path / "mesh_mask.nc")
    read = open_mesh(tmp_path)
    grid = xgcm.Grid(read, autoparse_metadata=True)
    at_u = grid.interp(read.e1t, "X", padding="periodic")
    assert at_u.dims == ("y_c", "x_f")
    assert np.allclose(at_u, (read.e1t.values + np.roll(read.e1t.values, -1, 1)) / 2)


@pytest.mark.parametrize(
    ("jperio", "edges"),
    [(0, Edges()), (1, Edges(True)), (4, Edges(True, False, "T")), (6, Edges(True, False, "F"))],
)
def test_periodicity_of_nemo_4_0(tmp_path: Path, jperio: int, edges: Edges) -> None:
    mesh({}, jperio=jperio).to_netcdf(tmp_path / "mesh_mask.nc")
    read = open_mesh(tmp_path)
    assert edges_of(read) == edges
    inner = drop_overlap(read, edges)
    sides = 2 if edges.periodic_i else 0
    assert inner.sizes["x_f"] == NX - sides and inner.sizes["y_c"] == NY - edges.folded


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_output_lands_on_the_points_of_the_mesh(tmp_path: Path, cut: Cut) -> None:
    mesh(NEW_MESH).to_netcdf(tmp_path / "mesh_mask.nc")
    warm, swift = output("T", "votemper"), output("U", "vozocrtx")
    write_pieces(warm, tmp_path / "GYRE_1m_00010101_00010230_grid_T.nc", cut)
    swift.to_netcdf(tmp_path / "GYRE_1m_00010101_00010230_grid_U.nc")
    read = open_output(tmp_path, open_mesh(tmp_path))
    assert read.votemper.dims == ("t", "z_c", "y_c", "x_c") and read.vozocrtx.dims == (
        "t",
        "z_c",
        "y_c",
        "x_f",
    )
    expected = np.where(cut.covered, warm.votemper.values, np.nan)
    assert np.array_equal(read.votemper, expected, equal_nan=True)
    assert [(when.month, when.day) for when in read.t.values] == [(1, 16), (2, 16)]
    assert "glamu" in read.vozocrtx.coords


def test_restart_takes_the_coordinates_of_the_mesh(tmp_path: Path) -> None:
    mesh(NEW_MESH).to_netcdf(tmp_path / "mesh_mask.nc")
    write_pieces(restart(), tmp_path / "GYRE_00000200_restart.nc", Cut())
    read = open_restart(tmp_path, open_mesh(tmp_path))
    assert {"glamt", "gphit"} <= set(read.tn.coords) and "glamu" in read.un.coords


def test_genuine_output_of_eorca1(tmp_path: Path) -> None:
    samples = Path(iris_sample_data.__file__).parent / "sample_data/NEMO"
    files = sorted(samples.glob("*grid-T.nc"))
    with xr.open_dataset(files[0], decode_times=False) as first:
        here, sst = (("y", "x"), first.nav_lon.values), first.tos.values
    thickness = (("nav_lev", "y", "x"), np.ones((2, 330, 360)))
    domain = {
        "glamt": here,
        "glamf": here,
        "e3t_0": thickness,
        "e3w_0": thickness,
        "nav_lev": ("nav_lev", [5.0, 15.0]),
    }
    xr.Dataset(domain).to_netcdf(tmp_path / "domain_cfg.nc")
    read = open_output(files, open_mesh(tmp_path))
    assert read.tos.dims == ("t", "y_c", "x_c") and read.tos.shape == (3, 330, 360)
    assert np.array_equal(read.tos[0], sst[0], equal_nan=True)
    assert [(when.year, when.month) for when in read.t.values] == [(2015, 1), (2015, 2), (2015, 3)]


def write(folder: Path, **steps: float) -> Path:
    """Pieces of a restart, some of them of another step."""
    paths = write_pieces(restart(), folder / "GYRE_00000200_restart.nc", Cut())
    for piece, step in steps.items():
        number = int(piece[1:])
        rows, columns, attributes = Cut().windows()[number]
        paths[number].unlink()
        restart(step).isel(y=rows, x=columns).assign_attrs(attributes).to_netcdf(paths[number])
    return folder / "GYRE_00000200_restart.nc"


def remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink()


def test_missing_piece_is_named(tmp_path: Path) -> None:
    path = write(tmp_path)
    remove([tmp_path / "GYRE_00000200_restart_0001.nc", tmp_path / "GYRE_00000200_restart_0005.nc"])
    with pytest.raises(ConfigurationError, match=r"2 of 7 pieces are missing, those of the ranks 1, 5"):
        open_restart(path)


def test_pieces_of_different_steps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"_0003.nc has kt = 100.0, .*_0000.nc has 200.0.*different time steps"
    ):
        open_restart(write(tmp_path, r3=100.0))


def test_pieces_of_an_older_run_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    write_pieces(restart(), path, Cut(land=frozenset()))
    remove([tmp_path / "GYRE_00000200_restart_0000.nc"])
    write_pieces(restart(), tmp_path / "other.nc", Cut())
    (tmp_path / "other_0000.nc").rename(tmp_path / "GYRE_00000200_restart_0000.nc")
    with pytest.raises(ConfigurationError, match="one of 7 pieces .* one of 9 .* different runs"):
        open_restart(path)


def test_piece_without_a_variable_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    piece = tmp_path / "GYRE_00000200_restart_0002.nc"
    data = xr.load_dataset(piece, decode_times=False).drop_vars("en")
    piece.unlink()
    data.to_netcdf(piece)
    with pytest.raises(ConfigurationError, match="differ in their variables: en"):
        open_restart(path)


def test_several_restarts_in_a_folder_need_a_name(tmp_path: Path) -> None:
    for step in (100, 200):
        restart(step).to_netcdf(tmp_path / f"GYRE_{step:08d}_restart.nc")
    with pytest.raises(
        ConfigurationError, match="expected one restart, got GYRE_00000100_restart.nc, GYRE_00000200"
    ):
        open_restart(tmp_path)
    assert open_restart(tmp_path / "GYRE_00000100_restart.nc").kt == 100


def test_files_that_are_not_nemo_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x_restart.nc").write_text("not netCDF at all")
    with pytest.raises(ConfigurationError, match=r"x_restart.nc: expected a netCDF file of NEMO"):
        open_restart(tmp_path)
    mesh(NEW_MESH).to_netcdf(tmp_path / "y_restart.nc")
    with pytest.raises(ConfigurationError, match="expected a restart file of NEMO, found no variable kt"):
        open_restart(tmp_path / "y_restart.nc")
    with pytest.raises(ConfigurationError, match="there is neither this file nor z_0000.nc"):
        open_restart(tmp_path / "z.nc")
    with pytest.raises(ConfigurationError, match=r"no \*mesh_mask\*.nc or \*domain_cfg\*.nc in this folder"):
        open_mesh(tmp_path)
    xr.Dataset({"sst": ("x", [1.0])}).to_netcdf(tmp_path / "mesh_mask.nc")
    with pytest.raises(
        ConfigurationError, match="expected a mesh_mask or domain_cfg of NEMO, found no variable glamt"
    ):
        open_mesh(tmp_path)


def test_output_of_another_grid_is_refused(tmp_path: Path) -> None:
    mesh(NEW_MESH).to_netcdf(tmp_path / "mesh_mask.nc")
    output("T", "votemper").isel(x=slice(1, -1)).to_netcdf(tmp_path / "A_grid_T.nc")
    with pytest.raises(ConfigurationError, match="x has 10 cells, the mesh has 12"):
        open_output(tmp_path, open_mesh(tmp_path))
