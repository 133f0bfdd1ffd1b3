"""A page of maps that shows at a glance whether the file of the `global` configuration makes sense."""

from __future__ import annotations

from pathlib import Path

import cmocean
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr


def draw(data: Path, picture: Path) -> None:
    """Maps of bathymetry, SST, stress, heat fluxes and salinity, and zonal means."""
    ds = xr.open_dataset(data)
    wet = ds.mbathy > 0
    stress, heat = ds.utau.mean("month"), ds.qnet.mean("month")
    maps = [
        ("bathymetry (m)", ds.bathymetry, cmocean.cm.deep, None),
        ("wet levels", ds.mbathy, cmocean.cm.deep, None),
        ("SST January (degC)", ds.sst_clim[0], cmocean.cm.thermal, (-2, 30)),
        ("SST July (degC)", ds.sst_clim[6], cmocean.cm.thermal, (-2, 30)),
        ("eastward stress, year (N m-2)", stress, cmocean.cm.balance, (-0.2, 0.2)),
        ("net heat flux, year (W m-2)", heat, cmocean.cm.balance, (-150, 150)),
        ("shortwave, January (W m-2)", ds.qsr[0], cmocean.cm.solar, (0, 320)),
        ("surface salinity", ds.sss_clim, cmocean.cm.haline, (31, 38)),
    ]
    figure, axes = plt.subplots(5, 2, figsize=(15, 19), layout="constrained")
    for axis, (title, field, colours, limits) in zip(axes.flat, maps, strict=False):
        low, high = limits or (None, None)
        mesh = axis.pcolormesh(
            ds.nav_lon[0], ds.nav_lat[:, 0], field.where(wet), cmap=colours, vmin=low, vmax=high
        )
        axis.set_facecolor("0.75")
        axis.set_title(title)
        figure.colorbar(mesh, ax=axis)
    lat = ds.nav_lat[:, 0]
    within = xr.DataArray(np.arange(ds.sizes["z"]), dims="z") < ds.mbathy
    zonal = ds.thetao_clim.where(within).mean("x")
    mesh = axes[4, 0].pcolormesh(lat, ds.gdept_1d, zonal, cmap=cmocean.cm.thermal)
    axes[4, 0].invert_yaxis()
    axes[4, 0].set_title("zonal mean potential temperature (degC)")
    figure.colorbar(mesh, ax=axes[4, 0])
    axes[4, 1].plot(lat, stress.where(wet).mean("x"), label="eastward stress, zonal mean (N m-2)")
    axes[4, 1].plot(lat, heat.where(wet).mean("x") / 500, label="net heat flux / 500 (W m-2)")
    axes[4, 1].grid()
    axes[4, 1].legend()
    figure.savefig(picture, dpi=80)
    plt.close(figure)
