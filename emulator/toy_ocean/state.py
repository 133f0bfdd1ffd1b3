"""What the twin carries from step to step, and what forces it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import netCDF4
import numpy as np
from jax import Array


class State(NamedTuple):
    """Prognostic state: thetao, so, uo, vo, en are [k, j, i], zos is [j, i]; 0 on land (units: docs/toy_ocean.md)."""

    thetao: Array
    so: Array
    uo: Array
    vo: Array
    zos: Array
    en: Array


class Surface(NamedTuple):
    """Surface forcing of one step, [j, i]: stress at U and V [N m-2], its modulus at T, heat [W m-2],
    fresh water out of the ocean [kg m-2 s-1], salt into it [1e-3 kg m-2 s-1]."""

    utau: Array
    vtau: Array
    taum: Array
    qns: Array
    qsr: Array
    emp: Array
    sfx: Array


class Tendencies(NamedTuple):
    """Tendencies from outside, [k, j, i]: degC s-1, 1e-3 s-1, m s-2, m s-2."""

    thetao_tendency: Array
    so_tendency: Array
    uo_tendency: Array
    vo_tendency: Array


def no_tendencies(state: State) -> Tendencies:
    """Zero tendencies shaped as the state."""
    zero = jnp.zeros_like(state.thetao)
    return Tendencies(zero, zero, zero, zero)


def read_restart(path: str | Path) -> tuple[State, int]:
    """State and number of steps done from a restart file of the Fortran model."""
    with netCDF4.Dataset(path) as file:
        fields = {
            name: jnp.asarray(np.asarray(file[name][:].data, dtype=np.float64)) for name in State._fields
        }
        return State(**fields), int(file["kt"][...])
