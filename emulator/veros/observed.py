"""What is observed of a state, differentiable: fields without ghost points, streamfunction, mixed-layer depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from emulator.veros.prognostic import State

if TYPE_CHECKING:
    from emulator.veros.model import VerosModel

#: kg m-3 above the surface's potential density (de Boyer Montégut et al. 2004, J. Geophys. Res. 109, C12003)
MIXED_LAYER_CRITERION = 0.03


def interior(array: Any) -> Any:
    """Without the two ghost points at each side of x and y: [nx, ny, …] of [nx + 4, ny + 4, …]."""
    return array[2:-2, 2:-2]


def streamfunction(state: State) -> jax.Array:
    """Barotropic streamfunction in Sv [nx, ny]."""
    return interior(state["psi"]) / 1e6


def mixed_layer_depth(model: VerosModel, state: State) -> jax.Array:
    """Depth in m [nx, ny] at which potential density exceeds that of the uppermost level by 0.03 kg m-3.

    Linear between levels, so that it has a derivative; the depth of the lowest wet level where nothing exceeds it; 0 on
    land.
    """
    density = interior(model.derived(state, ["prho"])["prho"])[:, :, ::-1]
    wet = interior(model.constant("maskT"))[:, :, ::-1]
    depth = -model.constant("zt")[::-1]
    excess = density - density[:, :, :1]
    upper, lower = excess[:, :, :-1], excess[:, :, 1:]
    within = jnp.cumprod(upper < MIXED_LAYER_CRITERION, axis=2) * wet[:, :, 1:]
    crossed = (upper < MIXED_LAYER_CRITERION) & (lower > MIXED_LAYER_CRITERION)
    part = jnp.where(crossed, (MIXED_LAYER_CRITERION - upper) / jnp.where(crossed, lower - upper, 1.0), 1.0)
    deeper = jnp.sum(within * part * (depth[1:] - depth[:-1]), axis=2)
    return (depth[0] + deeper) * wet[:, :, 0]
