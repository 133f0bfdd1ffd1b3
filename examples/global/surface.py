"""Monthly surface forcing on the model grid: wind stress, net heat flux, net shortwave."""

from __future__ import annotations

import numpy as np
import xarray as xr
from climatology import fill, regrid, samples
from topography import Grid

from bridge.models.nemo.orca1.fluxes import daily_insolation, drag_coefficient

AIR_DENSITY = 1.22  # kg m-3
POLAR_FADING = 8.0  # degrees; how fast heat fluxes fade away from the last observation


def wind_stress(coads: xr.Dataset, navy: xr.Dataset, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Eastward and northward stress rho_a C_d(W) W u (N m-2), both [month, y, x].

    u is the 1982-92 mean FNOC vector wind, global; W the COADS mean scalar wind speed, which keeps the
    gustiness that a mean vector has lost, at least |u| and within 3-14 m s-1.
    """
    stress = []
    for month in range(12):
        u, v = (
            regrid(navy[name].values[month::12].mean(0), navy.FNOCX.values, navy.FNOCY.values, grid)
            for name in ("UWND", "VWND")
        )
        speed = regrid(coads.WSPD.values[month], coads.COADSX.values, coads.COADSY.values, grid)
        speed = np.clip(np.maximum(speed, np.hypot(u, v)), 3.0, 14.0)
        factor = AIR_DENSITY * drag_coefficient(speed) * speed
        stress.append((factor * u, factor * v))
    eastward, northward = zip(*stress, strict=True)
    return np.stack(eastward), np.stack(northward)


def heat_fluxes(budget: xr.Dataset, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Net downward heat flux and net shortwave (W m-2) from Esbensen and Kushnir (1981), both [month, y, x].

    Where nobody observed (south of 65S, most of the Arctic) the nearest value is taken, for the shortwave
    the nearest transmission times the local insolation; both fade with exp(-distance / 8 degrees), because
    little gets through the ice.
    """
    lon, lat = budget.ESKUX.values, budget.ESKUY.values
    net, solar = [], []
    for month in range(12):
        total, distance = fill(budget.FDH.values[month], lon, lat)
        sun = daily_insolation(lat, month)[:, None]
        observed = np.where(sun > 20.0, budget.FSR.values[month] / np.maximum(sun, 20.0), np.nan)
        transmission, dark = fill(np.clip(observed, 0.0, 1.0), lon, lat)
        fading = np.exp(-np.maximum(distance, dark * (sun > 20.0)) / POLAR_FADING)
        net.append(samples(total * fading, lon, lat, grid).mean(0))
        solar.append(samples(transmission * sun * fading, lon, lat, grid).mean(0))
    return np.stack(net), np.maximum(np.stack(solar), 0.0)


def without_mean(flux: np.ndarray, wet: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, float]:
    """Subtract the mean over wet area and year, so that the ocean neither warms nor cools; and that mean."""
    area = wet * np.cos(np.deg2rad(lat))[:, None]
    mean = float((flux.mean(0) * area).sum() / area.sum())
    return flux - mean, mean
