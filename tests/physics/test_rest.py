"""A stratified ocean without horizontal density gradients must stay at rest, whatever its bottom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import recipes

# Diffusion bends isopycnals towards an insulating slope and drives a real, slow current (Wunsch 1970, Phillips 1970):
# with rn_avt0 = 1.2e-5 m2 s-1 some 1e-5 m s-1 in a month. A false pressure gradient would show at once.
LARGEST_SPEED = 1e-3  # m s-1


def fastest(fields: Any) -> float:
    return float(max(np.abs(fields.uo.values).max(), np.abs(fields.vo.values).max()))


def test_rest_over_a_seamount(run_toy_ocean: Callable[..., Any]) -> None:
    box = {
        "nn_nx": 24,
        "nn_ny": 24,
        "nn_nz": 20,
        "rn_dx": 4.0e4,
        "rn_depth": 4000.0,
        "rn_f0": 1.0e-4,
        "rn_n2": 1.0e-5,
    }
    mount = {"cn_bathy": "seamount", "rn_mount": 0.9, "rn_mount_width": 2.0e5}
    thirty_days = 720
    run = run_toy_ocean(recipes.idealised(box | mount, thirty_days, 3600.0, 60, recipes.WEAK_VISCOSITY))
    assert fastest(run.fields) < LARGEST_SPEED


def test_rest_over_the_bottom_of_the_world_ocean(run_toy_ocean: Callable[..., Any]) -> None:
    data = Path(__file__).resolve().parents[2] / "examples" / "global" / "global_4deg.nc"
    namelist = {
        "namcfg": {"cn_cfg": "global", "cn_input": str(data)},
        "namrun": {"nn_itend": 360, "nn_write": 60, "nn_stock": -1},  # thirty days
        "namdom": {"rn_Dt": 7200.0, "ln_rest": True},
    }
    run = run_toy_ocean(namelist)
    assert (run.fields.thetao.values > 0).any()
    assert fastest(run.fields) < LARGEST_SPEED
