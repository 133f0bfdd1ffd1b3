"""Mixed-layer depth from temperature, with a derivative: the threshold of de Boyer Montegut et al. (2004, JGR 109).

The depth at which the water is `DROP` colder than at `REFERENCE_DEPTH`, linearly interpolated between levels. It is
continuous in the temperatures, with kinks where the crossing passes a level.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

DROP = 0.2  # K
REFERENCE_DEPTH = 10.0  # m


def mixed_layer_depth(temperature: Array, depths: np.ndarray, mask: np.ndarray) -> Array:
    """Depth [..., j, i] in m from `temperature` [..., k, j, i] degC; `depths` [k] m, `mask` [k, j, i], 0 on land.

    Where no level is that cold, the depth of the deepest wet level.
    """
    depths, mask = np.asarray(depths, float), np.asarray(mask, float)
    first = int(np.searchsorted(depths, REFERENCE_DEPTH))
    share = (REFERENCE_DEPTH - depths[first - 1]) / (depths[first] - depths[first - 1])
    reference = (1.0 - share) * temperature[..., first - 1, :, :] + share * temperature[..., first, :, :]
    goal = reference - DROP
    levels = np.arange(depths.size)[:, None, None]
    colder = (temperature < goal[..., None, :, :]) & (levels >= first) & (mask > 0.0)
    found = colder.any(axis=-3)
    below = jnp.where(found, jnp.argmax(colder, axis=-3), first)
    upper, lower = _level(temperature, below - 1), _level(temperature, below)
    gap = jnp.where(found, upper - lower, 1.0)
    fraction = jnp.clip((upper - goal) / gap, 0.0, 1.0)
    heights = jnp.asarray(depths)
    crossing = heights[below - 1] + fraction * (heights[below] - heights[below - 1])
    deepest = depths[np.maximum(mask.sum(axis=0).astype(int) - 1, 0)]
    return jnp.where(found, crossing, deepest) * mask[0]


def _level(temperature: Array, level: Array) -> Array:
    """Values at the level [..., j, i] of each column."""
    return jnp.take_along_axis(temperature, level[..., None, :, :], axis=-3)[..., 0, :, :]
