"""Where the data come from: files of two Debian packages, read as atlases; and what has to be said of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bridge.models.nemo.orca1.atlas import Atlas, open_source

FERRET = Path("/usr/share/ferret-vis/data")
NCARG = Path("/usr/share/ncarg/data/cdf")

PROVENANCE = {
    "Conventions": "CF-1.10",
    "source": "eORCA1 cell corners and surface mask: iris-sample-data (PyPI). ETOPO5, Levitus annual climatology, "
    "monthly temperature atlas, COADS, FNOC winds, Esbensen-Kushnir heat budget: ferret-datasets (Debian). "
    "Shea-Trenberth-Reynolds sea surface temperature: libncarg-data (Debian)",
    "references": "ETOPO5: National Geophysical Data Center (1988), Data Announcement 88-MGG-02. "
    "Levitus, S. (1982), Climatological Atlas of the World Ocean, NOAA Prof. Paper 13. "
    "COADS: Slutz, R. J. et al. (1985), Comprehensive Ocean-Atmosphere Data Set, Release 1; "
    "Woodruff, S. D. et al. (1987), Bull. Amer. Meteor. Soc. 68, 1239-1250. "
    "FNOC: Fleet Numerical Oceanography Center, monthly surface winds 1982-1992. "
    "Esbensen, S. K. and Y. Kushnir (1981), Climatic Research Institute Report 29, Oregon State Univ. "
    "Shea, D. J., K. E. Trenberth and R. W. Reynolds (1992), J. Climate 5, 987-1001.",
    "license": "Derived data. iris-sample-data: UK Open Government Licence. ferret-datasets: Ferret License "
    "Agreement (public domain, as is). libncarg-data: BSD-4-clause. The terms of each original were not traced.",
}


@dataclass(frozen=True)
class Sources:
    """The folders of the two packages' data."""

    ferret: Path = FERRET
    ncarg: Path = NCARG

    @property
    def relief(self) -> Path:
        """ETOPO5, variable ROSE in m [lat, lon]."""
        with open_source(self.ferret, "etopo5.cdf", "ferret-datasets"):
            return self.ferret / "etopo5.cdf"

    @cached_property
    def annual(self) -> tuple[np.ndarray, Atlas, Atlas]:
        """Depths [m], in-situ temperature [°C] and practical salinity [z, lat, lon] (Levitus 1982)."""
        with open_source(self.ferret, "levitus_climatology.cdf", "ferret-datasets") as data:
            depth = np.asarray(data.ZAXLEVITR, dtype=float)
            return depth, Atlas.of(data.TEMP), Atlas.of(data.SALT)

    @cached_property
    def monthly(self) -> tuple[np.ndarray, Atlas]:
        """Depths [m] to 1000 and in-situ temperature [°C] of the months [month, z, lat, lon], with no gaps."""
        with open_source(self.ferret, "ocean_atlas_subset.nc", "ferret-datasets") as data:
            temperature = data.TEMP.where((data.TEMP > -2.1) & (data.TEMP < 33.0))
            return np.asarray(data.ZAXLEVIT19, dtype=float), Atlas.of(temperature).filled()[0]

    @cached_property
    def wind(self) -> tuple[Atlas, Atlas, Atlas]:
        """Mean speed (COADS), and mean wind to the east and to the north (FNOC 1982-92) [month, lat, lon], m s-1."""
        with open_source(self.ferret, "coads_climatology.cdf", "ferret-datasets") as data:
            speed = Atlas.of(data.WSPD.where(data.WSPD > 0))
        with open_source(self.ferret, "monthly_navy_winds.cdf", "ferret-datasets") as data:
            means = []
            for name in ("UWND", "VWND"):
                every = Atlas.of(data[name])
                years = every.values.reshape(-1, 12, *every.values.shape[1:])
                means.append(Atlas(years.mean(axis=0), every.lat, every.lon))
        return speed, means[0], means[1]

    @cached_property
    def heat(self) -> tuple[Atlas, Atlas]:
        """Net downward flux and the short wave in it [month, lat, lon], W m-2 (Esbensen and Kushnir 1981)."""
        with open_source(self.ferret, "esku_heat_budget.cdf", "ferret-datasets") as data:
            return Atlas.of(data.FDH), Atlas.of(data.FSR)

    @cached_property
    def surface(self) -> Atlas:
        """Sea surface temperature [month, lat, lon], °C, -1.8 under ice (Shea, Trenberth and Reynolds 1992)."""
        with open_source(self.ncarg, "sstdata_netcdf.nc", "libncarg-data") as data:
            lat, lon = np.asarray(data.lat, dtype=float), np.asarray(data.lon, dtype=float)
            values = np.asarray(data.sst, dtype=float)
        values[np.abs(values) > 60.0] = np.nan
        return Atlas(values[:, :, lon < 360.0], lat, lon[lon < 360.0])
