"""The mesh, read from the `mesh_mask.nc` that the Fortran model writes: no metric is computed twice."""

from __future__ import annotations

from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import netCDF4
import numpy as np
from jax import Array


class Grid(eqx.Module):
    """Metrics, masks and depths: [j, i] and [k, j, i] arrays on the global grid, [k] profiles. Lengths in m."""

    nx: int = eqx.field(static=True)
    ny: int = eqx.field(static=True)
    nz: int = eqx.field(static=True)
    periodic: bool = eqx.field(static=True)
    cbt_max: float = eqx.field(static=True)
    glamt: Array
    glamu: Array
    glamv: Array
    glamf: Array
    gphit: Array
    gphiu: Array
    gphiv: Array
    gphif: Array
    e1t: Array
    e2t: Array
    e1u: Array
    e2u: Array
    e1v: Array
    e2v: Array
    e1f: Array
    e2f: Array
    e1e2t: Array
    e1e2u: Array
    e1e2v: Array
    e1e2f: Array
    ff_f: Array
    ht_0: Array
    hu_0: Array
    hv_0: Array
    ssmask: Array
    ssumask: Array
    ssvmask: Array
    mbkt: Array
    tmask: Array
    umask: Array
    vmask: Array
    fmask: Array
    wmask: Array
    wumask: Array
    wvmask: Array
    e3t_0: Array
    e3w_0: Array
    gdept_0: Array
    gdepw_0: Array

    @classmethod
    def read(cls, path: str | Path) -> Grid:
        """Grid from a mesh_mask.nc written with `ln_meshmask = .true.`."""
        static = ("nx", "ny", "nz", "periodic", "cbt_max")
        with netCDF4.Dataset(path) as file:
            file.set_auto_mask(False)
            arrays = {name: _array(file, name) for name in cls.__dataclass_fields__ if name not in static}
            nz, ny, nx = file["tmask"].shape
            return cls(
                nx=nx, ny=ny, nz=nz, periodic=bool(file.periodic), cbt_max=float(file.cbt_max), **arrays
            )


def _array(file: netCDF4.Dataset, name: str) -> Array:
    values = np.asarray(file[name][:])
    return jnp.asarray(values.astype(np.int64 if name == "mbkt" else np.float64))
