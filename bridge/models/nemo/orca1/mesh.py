"""The horizontal mesh of eORCA1 from the corners of its cells: T, U, V, F points and scale factors, at 1° or coarser.

PyPI's `iris-sample-data` carries monthly means of NEMO on eORCA1 with the four corners of every cell and the official
land-sea mask of the surface. The corners are the F points; the others lie in the middle of their neighbours, and
every scale factor is a great-circle distance between neighbouring points, as NEMO's own meshes have it (Madec et al.
2024, NEMO ocean engine, ch. 3). n × n cells together are again a mesh of this kind: the same fold, every n-th corner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import xarray as xr

from bridge.errors import ConfigurationError
from bridge.models.nemo.orca1.sphere import distance, latitude, longitude, middle, points
from bridge.north_fold import Edges, extend

#: E-W periodic, north fold about F points
EDGES = Edges(periodic_i=True, fold="F")

#: m; cells on land shrink to nothing near the poles of the mesh, and NEMO divides by their size everywhere
_SMALLEST = 500.0
_FILE = "sample_data/NEMO/nemo_1m_20150101-20150201_grid-T.nc"


@dataclass(frozen=True)
class Mesh:
    """Points [j, i, 3] of a tripolar grid without halo; T and F determine the others.

    `southern` [i, 3] is the row of F points south of the first row of cells.
    """

    t: np.ndarray
    f: np.ndarray
    southern: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.t.shape[0], self.t.shape[1]

    @cached_property
    def u(self) -> np.ndarray:
        """In the middle of the eastern face."""
        return middle(self._f_south, self.f)

    @cached_property
    def v(self) -> np.ndarray:
        """In the middle of the northern face."""
        return middle(_west(self.f), self.f)

    @cached_property
    def scale_factors(self) -> dict[str, np.ndarray]:
        """e1t … e2f [m], each [j, i], at least 500 m (smaller ones lie on land)."""
        t, u, v, f = self.t, self.u, self.v, self.f
        south_of_v = np.concatenate([middle(_west(self.southern[None]), self.southern[None]), v[:-1]])
        factors = {
            "e1t": distance(u, _west(u)), "e2t": distance(v, south_of_v),
            "e1u": distance(_east(t), t), "e2u": distance(f, self._f_south),
            "e1v": distance(f, _west(f)), "e2v": distance(_north(t, "T"), t),
            "e1f": distance(_east(v), v), "e2f": distance(_north(u, "U"), u),
        }  # fmt: skip
        return {name: np.maximum(values, _SMALLEST) for name, values in factors.items()}

    @property
    def area(self) -> np.ndarray:
        """e1t e2t [m2]."""
        return self.scale_factors["e1t"] * self.scale_factors["e2t"]

    @cached_property
    def places(self) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
        """{"t": (longitudes, latitudes), "u": …, "v": …, "f": …} in degrees, each [j, i]."""
        return {
            name: (longitude(p), latitude(p))
            for name, p in (("t", self.t), ("u", self.u), ("v", self.v), ("f", self.f))
        }

    @cached_property
    def direction_of_i(self) -> tuple[np.ndarray, np.ndarray]:
        """Eastward and northward component [j, i] of the unit vector along i at T points."""
        along = self.u - _west(self.u)
        lon = np.deg2rad(longitude(self.t))
        east = np.stack([-np.sin(lon), np.cos(lon), np.zeros_like(lon)], axis=-1)
        north = np.cross(self.t, east)
        components = np.stack([np.sum(along * east, axis=-1), np.sum(along * north, axis=-1)])
        eastward, northward = components / np.linalg.norm(components, axis=0)
        return eastward, northward

    def coarsened(self, n: int) -> Mesh:
        """n × n cells as one, counted from the fold southwards; rows that do not make a whole cell are left out."""
        ny, nx = self.shape
        if n < 1 or nx % n:
            raise ConfigurationError(f"expected a factor that divides the {nx} columns of the mesh, got {n}")
        rows = np.arange(ny - 1, n - 2, -n)[::-1]
        f = self.f[rows][:, n - 1 :: n]
        southern = (self.f[rows[0] - n] if rows[0] >= n else self.southern)[n - 1 :: n]
        south = np.concatenate([southern[None], f[:-1]])
        return Mesh(middle(f, _west(f), south, _west(south)), f, southern)

    @property
    def _f_south(self) -> np.ndarray:
        return np.concatenate([self.southern[None], self.f[:-1]])


def read_eorca1(file: Path | None = None) -> tuple[Mesh, np.ndarray]:
    """eORCA1, 331 × 360 cells, and where its surface is wet [j, i], from `file` or from iris-sample-data.

    The file lacks the southernmost row, all land: it is added.
    """
    with xr.open_dataset(file or _sample(), decode_times=False) as data:
        corners = points(data.bounds_lon.values, data.bounds_lat.values)
        centres = points(data.nav_lon.values, data.nav_lat.values)
        wet = np.isfinite(data.tos[0].values)
    south_east, north_east = corners[:, :, 1], corners[:, :, 2]
    row = _beyond(centres)
    southern = _beyond(np.stack([south_east[0], north_east[0]]))[0]
    mesh = Mesh(np.concatenate([row, centres]), np.concatenate([south_east[:1], north_east]), southern)
    return mesh, np.concatenate([np.zeros_like(wet[:1]), wet])


def block_means(field: np.ndarray, n: int) -> np.ndarray:
    """Means over the n × n cells [..., j, i] that `Mesh.coarsened` makes one."""
    rows, columns = field.shape[-2] // n, field.shape[-1] // n
    kept = field[..., field.shape[-2] - n * rows :, :]
    return kept.reshape(*field.shape[:-2], rows, n, columns, n).mean(axis=(-3, -1))


def _sample() -> Path:
    try:
        import iris_sample_data
    except ImportError as error:
        raise ConfigurationError(
            'the eORCA1 mesh comes with the package iris-sample-data: pip install "nemo-bridge[orca1]"'
        ) from error
    return Path(iris_sample_data.__file__).parent / _FILE


def _beyond(rows: np.ndarray) -> np.ndarray:
    """The row [1, i, 3] south of the first two, as far from them as they are from each other."""
    row = 2 * rows[:1] - rows[1:2]
    return row / np.linalg.norm(row, axis=-1, keepdims=True)


def _west(p: np.ndarray) -> np.ndarray:
    return np.roll(p, 1, axis=1)


def _east(p: np.ndarray) -> np.ndarray:
    return np.roll(p, -1, axis=1)


def _north(p: np.ndarray, point: str) -> np.ndarray:
    """The neighbours to the north, across the fold from the last row."""
    wide = extend(np.moveaxis(p, -1, 0), EDGES, point, 1)
    return np.moveaxis(wide[:, 2:, 1:-1], 0, -1)
