"""Enhanced vertical diffusion where the stratification is unstable: twin of zdfevd.f90."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

#: N^2 at and below which a column convects [s-2]
UNSTABLE = -1.0e-12


def zdf_evd(params: Mapping[str, Any], rn2: Array, avt: Array) -> Array:
    """avt = rn_evd where N^2 <= -1e-12: the only discontinuous switch of the model [k, j, i] m2 s-1."""
    return jnp.where(rn2 <= UNSTABLE, params["namzdf"]["rn_evd"], avt)
