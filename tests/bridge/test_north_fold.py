"""The north fold on an analytic tripolar mesh, where what lies beyond the fold is known, and on genuine ORCA meshes."""

from __future__ import annotations

from pathlib import Path

import iris_sample_data
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from bridge.north_fold import (
    Edges,
    extend,
    fill_halo,
    fold_misfit,
    partner,
    rows_beyond,
    with_overlap,
    without_overlap,
)

SAMPLES = Path(iris_sample_data.__file__).parent / "sample_data"
RADIUS = 6371229.0  # m, NEMO's
#: (j, i) of a point relative to the T point of its cell
OFFSETS = {"T": (0.0, 0.0), "U": (0.0, 0.5), "V": (0.5, 0.0), "F": (0.5, 0.5), "W": (0.0, 0.0)}
PIVOTS = ("T", "F")
#: points whose last row is its own image or repeats the row below
BOUND = [("T", "T"), ("T", "U"), ("T", "V"), ("T", "F"), ("F", "V"), ("F", "F")]
NX, NY, HALO = 24, 10, 3


def tripolar(pivot: str) -> Edges:
    return Edges(periodic_i=True, fold=pivot)


def cap(pivot: str, point: str, halo: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Positions [3, j, i] on the unit sphere and directions of growing i, on confocal ellipses around two poles.

    In the stereographic plane w = cosh(mu + i nu): mu falls with j, to 0 at the fold, nu grows with i. As
    w(-mu, -nu) = w(mu, nu), rows beyond the fold are simply negative mu.
    """
    j, i = np.meshgrid(np.arange(-halo, NY + halo), np.arange(-halo, NX + halo), indexing="ij")
    pivot_j, pivot_i = (NY - 1, 0.0) if pivot == "T" else (NY - 0.5, NX / 2 - 0.5)
    mu = 0.1 * (pivot_j - (j + OFFSETS[point][0]))
    nu = 2 * np.pi / NX * (i + OFFSETS[point][1] - pivot_i)
    w, along_i = 0.1 * np.cosh(mu + 1j * nu), 0.1j * np.sinh(mu + 1j * nu)
    size = 1 + abs(w) ** 2
    position = np.stack([2 * w.real / size, 2 * w.imag / size, 2 / size - 1])
    growth = 2 * (w.real * along_i.real + w.imag * along_i.imag)
    direction = np.stack([2 * along_i.real, 2 * along_i.imag, -growth]) / size
    direction -= position * (growth / size) + np.array([0, 0, 1.0])[:, None, None] * (growth / size)
    return position, direction


@pytest.mark.parametrize("point", OFFSETS)
@pytest.mark.parametrize("pivot", PIVOTS)
def test_positions_continue_across_the_fold_and_the_seam(pivot: str, point: str) -> None:
    inner, _ = cap(pivot, point)
    beyond, _ = cap(pivot, point, HALO)
    extended = extend(inner, tripolar(pivot), point, HALO)
    # 1e-14 of the unit sphere: rounding of the two evaluations. The south is closed: zeros.
    assert np.allclose(extended[:, HALO:], beyond[:, HALO:], rtol=0, atol=1e-14)
    assert not extended[:, :HALO].any()


@pytest.mark.parametrize("point", OFFSETS)
@pytest.mark.parametrize("pivot", PIVOTS)
def test_components_of_vectors_change_sign_across_the_fold(pivot: str, point: str) -> None:
    def along_i(halo: int) -> np.ndarray:
        """A flow that is smooth in space, u = (1, 2, 3) + position, projected on the direction of i."""
        position, direction = cap(pivot, point, halo)
        flow = np.array([1.0, 2.0, 3.0])[:, None, None] + position
        return (flow * direction).sum(axis=0)

    extended = extend(along_i(0), tripolar(pivot), point, HALO, sign=-1.0)
    assert np.allclose(extended[HALO:], along_i(HALO)[HALO:], rtol=0, atol=1e-13)
    unsigned = extend(along_i(0), tripolar(pivot), point, HALO)
    assert abs(unsigned[-1] - along_i(HALO)[-1]).max() > 0.1


@pytest.mark.parametrize(("pivot", "point"), BOUND)
def test_last_row_folds_on_itself(pivot: str, point: str) -> None:
    position, _ = cap(pivot, point)
    assert abs(fold_misfit(position, tripolar(pivot), point)).max() < 1e-14
    wrong = position.copy()
    wrong[:, -1, 3] += 1.0
    assert abs(fold_misfit(wrong, tripolar(pivot), point)).max() > 0.5


@given(st.sampled_from(PIVOTS), st.sampled_from("TUVFW"), st.integers(2, 9), st.integers(3, 9), st.data())
def test_folding_twice_is_the_identity(
    pivot: str, point: str, half: int, ny: int, data: st.DataObject
) -> None:
    nx, edges = 2 * half, tripolar(pivot)
    j, i = data.draw(st.integers(0, 2 * ny)), data.draw(st.integers(0, nx - 1))
    assert partner(edges, point, (ny, nx), *partner(edges, point, (ny, nx), j, i)) == (j, i)


@pytest.mark.parametrize("point", "TUVF")
@pytest.mark.parametrize("pivot", PIVOTS)
def test_rows_beyond_the_fold_fold_back_to_the_field(pivot: str, point: str) -> None:
    edges, field = tripolar(pivot), np.random.default_rng(1).normal(size=(2, NY, NX))
    rows = extend(field, edges, point, HALO, sign=-1.0)[..., NY + HALO :, HALO:-HALO]
    for r in range(1, HALO + 1):
        back_j, back_i = partner(edges, point, (NY, NX), NY - 1 + r, np.arange(NX))
        assert np.array_equal(-rows[:, r - 1], field[:, back_j, back_i])


@given(
    st.sampled_from(
        [*(tripolar(pivot) for pivot in PIVOTS), Edges(), Edges(True), Edges(False, True), Edges(True, True)]
    ),
    st.sampled_from("TUVFW"),
    st.sampled_from([np.float64, np.float32, np.int32]),
    st.integers(0, 3),
    st.sampled_from([1.0, -1.0]),
)
def test_halo_is_filled_in_place_cell_by_cell(
    edges: Edges, point: str, dtype: type, halo: int, sign: float
) -> None:
    """Against one cell at a time: across the fold by `partner`, across a seam by the remainder, else the fill."""
    ny, nx = 5, 8
    array = np.random.default_rng(2).integers(-99, 99, (2, ny + 2 * halo, nx + 2 * halo)).astype(dtype)
    inner = array[:, halo : halo + ny, halo : halo + nx].copy()
    fill_halo(array, edges, point, halo, sign, fill=7)
    for j, i in np.ndindex(*array.shape[1:]):
        source_j, source_i, factor = j - halo, i - halo, 1.0
        if edges.folded and source_j >= ny:
            source_j, source_i = partner(edges, point, (ny, nx), source_j, source_i)
            factor = sign
        source_i = source_i % nx if edges.periodic_i else source_i
        source_j = source_j % ny if edges.periodic_j else source_j
        inside = 0 <= source_j < ny and 0 <= source_i < nx
        expected = factor * inner[:, source_j, source_i] if inside else 7
        assert np.array_equal(array[:, j, i], np.broadcast_to(expected, 2)), (j, i)


@pytest.mark.parametrize("point", "TUVF")
@pytest.mark.parametrize("pivot", PIVOTS)
def test_layout_of_nemo_4_0_repeats_columns_and_a_row(pivot: str, point: str) -> None:
    field = cap(pivot, point)[0][0]
    wide = with_overlap(field, tripolar(pivot), point)
    assert wide.shape == (NY + 1, NX + 2)
    assert np.array_equal(without_overlap(wide, tripolar(pivot)), field)
    expected = cap(pivot, point, 1)[0][0, 1:]
    assert np.allclose(wide, expected, rtol=0, atol=1e-14)


def test_closed_and_periodic_edges() -> None:
    field = np.arange(6.0).reshape(2, 3)
    closed = extend(field, Edges(), "T", 1, fill=9.0)
    assert np.array_equal(closed[1:-1, 1:-1], field)
    assert np.array_equal(np.unique(closed[[0, -1]]), [9.0]) and closed[1, 0] == 9.0
    channel = extend(field, Edges(periodic_i=True), "T", 2)
    assert np.array_equal(channel[2], [1, 2, 0, 1, 2, 0, 1])
    torus = extend(field, Edges(periodic_i=True, periodic_j=True), "T", 1)
    assert np.array_equal(torus[:, 0], [5, 2, 5, 2])
    assert np.array_equal(with_overlap(field, Edges(), "T"), field)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Edges(fold="T"), "periodic in i"),
        (lambda: Edges(True, False, "-"), 'expected a north fold "none", "T" or "F"'),
        (lambda: extend(np.zeros((4, 5)), tripolar("T"), "T", 1), "even number of columns, got 5"),
        (lambda: extend(np.zeros((4, 6)), tripolar("T"), "X", 1), "got 'T' and 'X'"),
        (lambda: extend(np.zeros((4, 6)), tripolar("T"), "T", 5), "halo of 0 to 4"),
        (lambda: rows_beyond(np.zeros((4, 6)), tripolar("F"), "T", 1, first=0), "not images of rows"),
    ],
)
def test_wrong_use_is_refused(call, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()


# --- genuine meshes: T centres and cell corners of eORCA1 (F pivot) and ORCA2 (T pivot) ---


def on_sphere(latitude: xr.DataArray, longitude: xr.DataArray) -> np.ndarray:
    """Unit vectors [3, …] from degrees."""
    phi, lam = np.deg2rad(latitude.values.astype(float)), np.deg2rad(longitude.values.astype(float))
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=0)


def metres(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Great-circle distances, m, of unit vectors [3, …]."""
    return 2 * RADIUS * np.arcsin(np.clip(np.linalg.norm(a - b, axis=0) / 2, 0, 1))


def mesh_points(
    latitude: xr.DataArray, longitude: xr.DataArray, corners: np.ndarray
) -> dict[str, np.ndarray]:
    """Unit vectors [3, j, i] of T, U, V, F points from the centres and corners [3, j, i, (SW, SE, NE, NW)]."""
    south_east, north_east, north_west = (corners[..., n] for n in (1, 2, 3))
    return {
        "T": on_sphere(latitude, longitude),
        "U": unit(south_east + north_east),
        "V": unit(north_west + north_east),
        "F": north_east,
    }


@pytest.fixture(scope="module")
def eorca1() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Positions, corners [3, j, i, 4] and monthly mean SST [j, i] (NaN on land) of a real run on eORCA1."""
    file = SAMPLES / "NEMO/nemo_1m_20150101-20150201_grid-T.nc"
    with xr.open_dataset(file, decode_times=False) as data:
        corners = on_sphere(data.bounds_lat, data.bounds_lon)
        return mesh_points(data.nav_lat, data.nav_lon, corners), corners, data.tos[0].values


@pytest.mark.parametrize("point", "VF")
def test_top_row_of_eorca1_folds_on_itself(eorca1, point: str) -> None:
    points, _, _ = eorca1
    own = points[point]
    image = rows_beyond(own, tripolar("F"), point, 1, first=0)
    # Single-precision coordinates: 1e-6 degrees are 0.1 m at 60 N; half a metre leaves room for 180 degrees.
    assert metres(own[:, -1:], image).max() < 0.5
    other = rows_beyond(own, tripolar("T"), point, 1, first=0)
    assert metres(own[:, -1:], other).max() > 10e3


def test_cells_of_eorca1_meet_their_images_across_the_fold(eorca1) -> None:
    """The cell beyond the fold is its partner turned by half a circle: its SW corner is the partner's NE corner."""
    _, corners, _ = eorca1
    beyond = rows_beyond(np.moveaxis(corners, -1, 0), tripolar("F"), "T", 1)[..., 0, :]  # [4, 3, i]
    south_west, south_east = beyond[2], beyond[3]
    assert metres(south_west, corners[:, -1, :, 3]).max() < 0.5
    assert metres(south_east, corners[:, -1, :, 2]).max() < 0.5


@pytest.mark.parametrize("point", "TUVF")
def test_spacing_of_wet_points_is_even_across_the_fold_of_eorca1(eorca1, point: str) -> None:
    points, _, sst = eorca1
    wet = np.isfinite(sst[-1]) & np.isfinite(sst[-1, ::-1])
    assert wet.sum() == 170
    wide = extend(points[point], tripolar("F"), point, 2)[..., 2:-2][..., wet]
    spacing = metres(wide[:, 3:], wide[:, 2:-1])[-6:]  # between rows J-4, …, J+2
    # The mesh is smooth: neighbouring spacings differ by up to 3 %, across the fold as elsewhere.
    assert abs(spacing[1:] / spacing[:-1] - 1).max() < 0.05


def test_sea_surface_temperature_continues_across_the_fold_of_eorca1(eorca1) -> None:
    _, _, sst = eorca1
    rows = extend(sst, tripolar("F"), "T", 1, fill=np.nan)[-4:, 1:-1]
    jumps = np.nanmean(abs(np.diff(rows, axis=0)), axis=1)
    # Means of |differences| between rows: 0.010, 0.008 and, across the fold, 0.018 degC.
    assert jumps[-1] < 2 * jumps[:-1].max()


def test_seam_of_eorca1_closes(eorca1) -> None:
    points, corners, _ = eorca1
    wide = extend(np.moveaxis(corners, -1, 0), tripolar("F"), "T", 1)[:, :, 1:-1]
    east_of_west, west_of_next = wide[[1, 2]][..., :-1], wide[[0, 3]][..., 1:]
    assert metres(np.moveaxis(east_of_west, 1, 0), np.moveaxis(west_of_next, 1, 0))[..., [0, -1]].max() < 0.5


def test_top_row_of_orca2_folds_on_itself() -> None:
    with xr.open_dataset(SAMPLES / "orca2_votemper.nc", decode_times=False) as data:
        centres = on_sphere(data.nav_lat, data.nav_lon)
    image = rows_beyond(centres, tripolar("T"), "T", 1, first=0)
    assert metres(centres[:, -1:], image).max() < 0.5
    shifted = rows_beyond(centres, tripolar("T"), "U", 1, first=0)
    assert metres(centres[:, -1:], shifted).max() > 10e3
