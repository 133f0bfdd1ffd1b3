"""Volume, heat and salt of a closed box without surface fluxes: only rounding may change them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import recipes


def test_volume_heat_and_salt_are_kept_over_a_thousand_steps(run_toy_ocean: Callable[..., Any]) -> None:
    box = {
        "nn_nx": 20,
        "nn_ny": 20,
        "nn_nz": 10,
        "rn_dx": 2.0e4,
        "rn_depth": 1000.0,
        "rn_f0": 1.0e-4,
        "rn_beta": 2.0e-11,
    }
    motion = {
        "cn_bathy": "seamount",
        "rn_mount": 0.7,
        "rn_mount_width": 1.0e5,
        "rn_n2": 1.0e-5,
        "cn_bump": "xy",
        "rn_ssh_bump": 0.5,
        "rn_t_bump": 2.0,
        "rn_bump_width": 8.0e4,
    }
    # all of the model at work: advection, isoneutral mixing with eddy transport, TKE, convection, bottom drag
    run = run_toy_ocean(recipes.idealised(box | motion, 1000, 1800.0, 100, recipes.WEAK_VISCOSITY))
    assert np.abs(run.fields.uo).max() > 0.01  # there was something to conserve
    budgets = run.budgets()
    for name in ("volume", "heat", "salt"):
        start = budgets[name][0]
        # rounding of 1e3 steps: 1e-16 each, 3e-15 if they are independent, 1e-13 if every one has the same sign
        assert np.abs(budgets[name] / start - 1).max() < 1e-13, name


def test_salinity_that_is_uniform_stays_uniform(run_toy_ocean: Callable[..., Any]) -> None:
    box = {
        "nn_nx": 16,
        "nn_ny": 16,
        "nn_nz": 6,
        "rn_dx": 2.0e4,
        "rn_depth": 600.0,
        "rn_f0": 1.0e-4,
        "rn_n2": 1.0e-5,
    }
    motion = {"cn_bump": "xy", "rn_ssh_bump": 1.0, "rn_t_bump": 2.0, "rn_bump_width": 6.0e4}
    run = run_toy_ocean(recipes.idealised(box | motion, 200, 1800.0, 100, recipes.WEAK_VISCOSITY))
    salt = run.fields.so.values
    # the discrete continuity equation of tracers is that of volume: 200 steps of rounding of 35
    assert np.abs(salt[salt > 0] - 35.0).max() < 35 * 200 * 1e-15
