"""z* thicknesses ("qco"): every e3 is e3_0(k) (1 + r3), and r3 follows from the ssh."""

from __future__ import annotations

from jax import Array

from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.stencil import ip1, jp1


def dom_qco_r3(grid: Grid, ssh: Array) -> tuple[Array, Array, Array]:
    """Stretching ratios (r3t, r3u, r3v), [j, i]; 0 on land."""
    # 1 - mask keeps the divisors away from zero on land.
    r3t = ssh * grid.ssmask / (grid.ht_0 + 1.0 - grid.ssmask)
    volume = grid.e1e2t * ssh
    r3u = 0.5 * (volume + ip1(volume)) * grid.ssumask / (grid.e1e2u * (grid.hu_0 + 1.0 - grid.ssumask))
    r3v = 0.5 * (volume + jp1(volume)) * grid.ssvmask / (grid.e1e2v * (grid.hv_0 + 1.0 - grid.ssvmask))
    return r3t, r3u, r3v
