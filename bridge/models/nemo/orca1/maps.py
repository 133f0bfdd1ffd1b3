"""Pictures of a configuration, on its own grid: what to look at before NEMO is started with it."""

from __future__ import annotations

from pathlib import Path

import cmocean
import netCDF4
import numpy as np
from matplotlib.figure import Figure

from bridge.models.nemo.orca1.domain_cfg import Domain

#: (title, variable, month or None, colour map, limits); months count from 0
_MAPS = (
    ("sea surface temperature to restore to, January (°C)", "sst", 0, cmocean.cm.thermal, (-2.0, 30.0)),
    ("surface salinity to restore to (g/kg)", "sss", 0, cmocean.cm.haline, (30.0, 38.0)),
    ("stress along i, January (N/m²)", "utau", 0, cmocean.cm.balance, (-0.2, 0.2)),
    ("net heat flux, annual mean (W/m²)", "qtot", None, cmocean.cm.balance, (-150.0, 150.0)),
    ("ice cover, January", "ice_cover", 0, cmocean.cm.ice, (0.0, 1.0)),
)


def draw(folder: Path, domain: Domain) -> Path:
    """maps.png: depth and forcing in the order of the grid's rows and columns."""
    wet = domain.bottom.wet
    figure = Figure(figsize=(15, 13), layout="constrained")
    axes = figure.subplots(3, 2).ravel()
    _map(figure, axes[0], "depth (m)", domain.bottom.depth, wet, cmocean.cm.deep, (0.0, 6000.0))
    with netCDF4.Dataset(folder / "forcing.nc") as data:
        for axis, (title, name, month, colours, limits) in zip(axes[1:], _MAPS, strict=True):
            values = np.asarray(data[name][:])
            ny, nx = wet.shape
            values = values[..., :ny, -nx - 1 : -1] if values.shape[-1] > nx else values
            shown = values.mean(axis=0) if month is None else values[month]
            _map(figure, axis, title, shown, wet, colours, limits)
    path = folder / "maps.png"
    figure.savefig(path, dpi=100)
    return path


def _map(
    figure: Figure,
    axis,
    title: str,
    values: np.ndarray,
    wet: np.ndarray,
    colours,
    limits: tuple[float, float],
) -> None:
    axis.set_facecolor("0.8")
    shown = axis.pcolormesh(np.where(wet, values, np.nan), cmap=colours, vmin=limits[0], vmax=limits[1])
    figure.colorbar(shown, ax=axis, shrink=0.8)
    axis.set(title=title, xlabel="i", ylabel="j", aspect="equal")
