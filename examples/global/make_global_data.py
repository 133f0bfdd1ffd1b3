#!/usr/bin/env python3
"""Build the data of the `global` configuration from Debian's package `ferret-datasets`, at any resolution.

    sudo apt install ferret-datasets; pip install gsw scipy netCDF4 xarray
    python make_global_data.py --resolution 4 --output global_4deg.nc [--plot quick_look.png]

README.md says where the data come from and what was done to them. Two runs give the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import climatology
import netcdf_file
import numpy as np
import surface
import topography
import xarray as xr
from topography import Grid

from bridge.models.nemo.orca1.atlas import to_depths

HERE = Path(__file__).parent
DATASETS = Path("/usr/share/ferret-vis/data")
UPPER_OCEAN = 350.0  # m, the monthly climatology covers the levels centred above this depth


def open_dataset(name: str, directory: Path) -> xr.Dataset:
    """One file of ferret-datasets; its climatological time axis cannot be decoded."""
    path = directory / name
    if not path.exists():
        raise SystemExit(f"{path} is missing: install the Debian package ferret-datasets, or give --datasets")
    return xr.open_dataset(path, decode_times=False)


def annual_climatology(levitus: xr.Dataset, grid: Grid, depth: np.ndarray) -> dict[str, np.ndarray]:
    """Potential temperature and salinity on model levels, at the surface, and the spread within a cell."""
    lon, lat, source_depth = (levitus[f"{axis}AXLEVITR"].values for axis in "XYZ")
    filled = {
        name: np.stack([climatology.fill(level, lon, lat)[0] for level in levitus[name].values])
        for name in ("TEMP", "SALT")
    }
    theta = climatology.potential_temperature(filled["TEMP"], filled["SALT"], source_depth, lon, lat)
    theta_samples = [climatology.samples(level, lon, lat, grid) for level in theta]
    theta_mean = np.stack([s.mean(0) for s in theta_samples])
    salt_mean = np.stack([climatology.samples(level, lon, lat, grid).mean(0) for level in filled["SALT"]])
    spread = np.stack([s.var(0) for s in theta_samples])
    return {
        "theta": to_depths(theta_mean, source_depth, depth),
        "salt": to_depths(salt_mean, source_depth, depth),
        "sst": theta_mean[0],
        "sss": salt_mean[0],
        "variance_in_cell": to_depths(spread, source_depth, depth),
    }


def monthly_atlas(
    atlas: xr.Dataset, salt: np.ndarray, grid: Grid, depth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Monthly potential temperature [month, z, y, x] on levels `depth` and at the surface [month, y, x]."""
    lon, lat, source_depth = atlas.XAX_SUBSET.values, atlas.YAX_SUBSET.values, atlas.ZAXLEVIT19.values
    used = source_depth <= 2 * depth[-1]
    theta, surface_theta = [], []
    for month in atlas.TEMP.values[:, used]:
        level = np.stack([climatology.regrid(field, lon, lat, grid) for field in month])
        on_levels = to_depths(level, source_depth[used], depth)
        theta.append(climatology.potential_temperature(on_levels, salt, depth, grid.lon, grid.lat))
        surface_theta.append(level[0])
    return np.stack(theta), np.stack(surface_theta)


def build(grid: Grid, thicknesses: np.ndarray, datasets: Path) -> tuple[dict[str, np.ndarray], str]:
    """All variables of the file, and a sentence on what was measured on the way."""

    def source(name: str) -> xr.Dataset:
        return open_dataset(name, datasets)

    mbathy, bathymetry = topography.build(source("etopo5.cdf").ROSE, grid, thicknesses)
    wet = mbathy > 0
    depth = np.cumsum(thicknesses) - thicknesses / 2
    annual = annual_climatology(source("levitus_climatology.cdf"), grid, depth)
    theta, salt, mixed = climatology.remove_instability(
        annual["theta"], annual["salt"], mbathy, thicknesses, grid
    )
    theta = np.maximum(theta, climatology.FREEZING)

    upper = depth[depth < UPPER_OCEAN]
    atlas, atlas_sst = monthly_atlas(
        source("ocean_atlas_subset.nc"), annual["salt"][: upper.size], grid, upper
    )
    departure = (atlas - atlas.mean(0)) * climatology.season(upper)[None, :, None, None]
    wet_upper = np.arange(upper.size)[:, None, None] < mbathy
    mistrust = annual["variance_in_cell"][: upper.size] + (atlas.mean(0) - annual["theta"][: upper.size]) ** 2
    area = wet_upper * np.cos(np.deg2rad(grid.lat))[None, :, None]

    utau, vtau = surface.wind_stress(source("coads_climatology.cdf"), source("monthly_navy_winds.cdf"), grid)
    qnet, qsr = surface.heat_fluxes(source("esku_heat_budget.cdf"), grid)
    qnet, removed = surface.without_mean(qnet, wet, grid.lat)

    lon, lat = np.meshgrid(grid.lon, grid.lat)
    within = np.arange(thicknesses.size)[:, None, None] < mbathy
    warmest = climatology.WARMEST
    arrays = {
        "nav_lon": lon,
        "nav_lat": lat,
        "month": np.arange(1, 13),
        "gdept_1d": depth,
        "e3t_1d": thicknesses,
        "gdept_upper": upper,
        "mbathy": mbathy,
        "bathymetry": bathymetry,
        "thetao_clim": theta * within,
        "so_clim": salt * within,
        "utau": utau * wet,
        "vtau": vtau * wet,
        "qnet": qnet * wet,
        "qsr": qsr * wet,
        "sst_clim": np.clip(annual["sst"] + atlas_sst - atlas_sst.mean(0), climatology.FREEZING, warmest)
        * wet,
        "sss_clim": annual["sss"] * wet,
        "thetao_month": np.clip(theta[: upper.size] + departure, climatology.FREEZING, warmest) * wet_upper,
        "thetao_sigma": np.sqrt((mistrust * area).sum((1, 2)) / area.sum((1, 2))),
    }
    return arrays, (
        f"{int(wet.sum())} of {wet.size} cells wet; {mixed} columns mixed to remove static instability; "
        f"{removed:.2f} W m-2 removed from the net heat flux"
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--resolution", type=float, default=4.0, help="degrees; must divide 80 (default 4)")
    parser.add_argument("--levels", type=int, default=20)
    parser.add_argument("--top", type=float, default=10.0, help="thickness of the first level, m")
    parser.add_argument("--depth", type=float, default=5000.0, help="sum of the thicknesses, m")
    parser.add_argument("--datasets", type=Path, default=DATASETS, help="directory of ferret-datasets")
    parser.add_argument("--output", type=Path, default=HERE / "global_4deg.nc")
    parser.add_argument("--plot", type=Path, help="also draw a quick look (needs matplotlib and cmocean)")
    options = parser.parse_args(arguments)
    if (80 / options.resolution) % 1:
        parser.error(f"--resolution {options.resolution}: 80 degrees must be a whole number of cells")
    thicknesses = topography.level_thicknesses(options.levels, options.top, options.depth)
    arrays, summary = build(Grid(options.resolution), thicknesses, options.datasets)
    command = (
        f"make_global_data.py --resolution {options.resolution:g} --levels {options.levels} "
        f"--top {options.top:g} --depth {options.depth:g}"
    )
    netcdf_file.write(options.output, arrays, history=f"{command}: {summary}")
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.2f} MB; {summary}")
    if options.plot:
        import quick_look

        quick_look.draw(options.output, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
