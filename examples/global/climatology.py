"""Temperature and salinity on the model grid: Levitus (1982) annual mean, and the departure of each month."""

from __future__ import annotations

import gsw
import numpy as np
from scipy.interpolate import RegularGridInterpolator
from topography import Grid

from bridge.models.nemo.orca1.atlas import Atlas

FREEZING, WARMEST = -1.9, 33.0  # degC; the monthly atlas has a few values outside (-3 ... 34)
SEASON_FULL, SEASON_NONE = 200.0, 350.0  # m; the month's departure fades between these depths


def fill(field: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Replace NaN by the nearest value on the sphere; also the distance to it (degrees). Both [y, x]."""
    filled, distance = Atlas(np.asarray(field, dtype=float), lat, lon).filled()
    return filled.values, distance


def samples(field: np.ndarray, lon: np.ndarray, lat: np.ndarray, grid: Grid) -> np.ndarray:
    """Sample a complete periodic field inside each cell: bilinear at n x n points [n*n, y, x].

    n follows from the two resolutions, so that a coarse cell sees every source point; a fine one is
    interpolated.
    """
    step = min(lon[1] - lon[0], lat[1] - lat[0])
    n = max(1, round(grid.resolution / step))
    offsets = grid.resolution * ((np.arange(n) + 0.5) / n - 0.5)
    wide_lon = np.concatenate([lon - 360, lon, lon + 360])
    at = RegularGridInterpolator((lat, wide_lon), np.concatenate([field] * 3, axis=1))
    rows = [np.clip(grid.lat + d, lat[0], lat[-1]) for d in offsets]
    columns = [grid.lon + d for d in offsets]
    return np.stack([at(tuple(np.meshgrid(y, x, indexing="ij"))) for y in rows for x in columns])


def regrid(field: np.ndarray, lon: np.ndarray, lat: np.ndarray, grid: Grid) -> np.ndarray:
    """Fill, then mean over each cell [y, x]."""
    return samples(fill(field, lon, lat)[0], lon, lat, grid).mean(0)


def potential_temperature(
    temperature: np.ndarray, salinity: np.ndarray, depth: np.ndarray, lon: np.ndarray, lat: np.ndarray
) -> np.ndarray:
    """Potential temperature (degC) from in-situ temperature and practical salinity, all [z, y, x]."""
    pressure = gsw.p_from_z(-depth[:, None, None], lat[None, :, None])
    absolute = gsw.SA_from_SP(salinity, pressure, lon[None, None, :], lat[None, :, None])
    return gsw.pt0_from_t(absolute, temperature, pressure)


def remove_instability(
    theta: np.ndarray, salt: np.ndarray, levels: np.ndarray, thicknesses: np.ndarray, grid: Grid
) -> tuple[np.ndarray, np.ndarray, int]:
    """Mix neighbouring levels (heat and salt kept) until no column is lighter below than above.

    Density (TEOS-10) at the pressure of the interface. Returns theta, salt [z, y, x] and the number of
    columns mixed.
    """
    theta, salt = theta.copy(), salt.copy()
    interfaces = np.cumsum(thicknesses)[:-1]
    j, i = np.nonzero(levels > 1)
    mixed = np.zeros(j.size, dtype=bool)
    active = np.arange(j.size)
    for _ in range(2000):
        changed = np.zeros(active.size, dtype=bool)
        for k, depth in enumerate(interfaces):
            y, x = j[active], i[active]
            pressure = gsw.p_from_z(-depth, grid.lat[y])
            column = (slice(k, k + 2), y, x)
            absolute = gsw.SA_from_SP(salt[column], pressure, grid.lon[x], grid.lat[y])
            density = gsw.rho(absolute, gsw.CT_from_pt(absolute, theta[column]), pressure)
            # 1e-5 kg m-3 is far below what the rounding of the file can resolve (1e-3)
            unstable = (density[0] > density[1] + 1e-5) & (levels[y, x] > k + 1)
            where = (slice(k, k + 2), y[unstable], x[unstable])
            for tracer in (theta, salt):
                tracer[where] = np.average(tracer[where], axis=0, weights=thicknesses[k : k + 2])
            changed |= unstable
        mixed[active[changed]] = True
        active = active[changed]
        if active.size == 0:
            return theta, salt, int(mixed.sum())
    raise RuntimeError(
        f"{active.size} columns are still unstable after 2000 sweeps: look at the input climatology"
    )


def season(depth: np.ndarray) -> np.ndarray:
    """Weight of the month's departure from the annual mean: 1 above 200 m, 0 below 350 m [z]."""
    return np.clip((SEASON_NONE - depth) / (SEASON_NONE - SEASON_FULL), 0, 1)
