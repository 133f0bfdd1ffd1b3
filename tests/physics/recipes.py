"""Namelists of the idealised experiments: only what differs from the defaults of the model."""

from __future__ import annotations

from typing import Any

Namelist = dict[str, dict[str, Any]]

THERMAL_EXPANSION = 0.1655 / 1026.0  # K-1, rn_a0 / rho0

# Density depends on temperature alone, linearly: N2 is what the namelist says at every depth.
LINEAR_EOS = {
    "rn_b0": 0.0,
    "rn_lambda1": 0.0,
    "rn_lambda2": 0.0,
    "rn_mu1": 0.0,
    "rn_mu2": 0.0,
    "rn_nu": 0.0,
}
NO_LATERAL_MIXING: Namelist = {
    "namtra_ldf": {"ln_traldf_iso": False, "ln_traldf_hor": False},
    "namtra_eiv": {"ln_ldfeiv": False},
    "namdyn_ldf": {"rn_Uv": 0.0},
}
# A = 1e4 m2 s-1: A dt / dx^2 < 1/8 in every box below, where the default of 1e5 would be unstable.
WEAK_VISCOSITY: Namelist = {"namdyn_ldf": {"rn_Uv": 0.2}}
NO_MIXING: Namelist = NO_LATERAL_MIXING | {
    "namzdf": {"ln_zdftke": False, "ln_zdfevd": False, "rn_avm0": 0.0, "rn_avt0": 0.0},
    "namdrg_bot": {"rn_Cd0": 0.0},
}


def idealised(box: dict[str, Any], steps: int, time_step: float, every: int, *groups: Namelist) -> Namelist:
    """An idealised box, run `steps` steps and recorded every `every`; later groups win."""
    namelist: Namelist = {
        "namcfg": {"cn_cfg": "idealised"},
        "namusr_def": dict(box),
        "namrun": {"nn_itend": steps, "nn_write": every, "nn_stock": -1},
        "namdom": {"rn_Dt": float(time_step)},
        "nameos": dict(LINEAR_EOS),
    }
    for group in groups:
        for name, entries in group.items():
            namelist[name] = namelist.get(name, {}) | entries
    return namelist


def gyre(slip: float = 0.0, viscosity: float = 0.0, drag: float = 0.0) -> Namelist:
    """A single wind-driven gyre in a flat homogeneous box, 62 x 62 cells of 20 km, 200 m deep, linear equations.

    `viscosity` in m2 s-1, `drag` in m s-1. The wind is weak and advection off; two levels, stirred by a large vertical
    viscosity so that bottom drag acts on the depth mean.
    """
    box = {
        "nn_nx": 64,
        "nn_ny": 64,
        "nn_nz": 2,
        "rn_dx": 2.0e4,
        "rn_depth": 200.0,
        "rn_f0": 1.0e-4,
        "rn_beta": 2.0e-11,
    }
    length = 1.0e5
    return idealised(
        box | {"cn_wind": "gyre", "rn_tau_x": 0.01, "rn_n2": 0.0},
        1440,
        3600.0,
        240,
        NO_MIXING,
        {
            "namlbc": {"rn_shlat": slip},
            "namdyn_adv": {"ln_dynadv_OFF": True},
            "namdyn_ldf": {"rn_Uv": 2 * viscosity / length, "rn_Lv": length},
            "namzdf": {"rn_avm0": 10.0},
            "namdrg": {"ln_lin": True, "ln_non_lin": False},
            "namdrg_bot": {"rn_Cd0": drag, "rn_Uc0": 1.0},
        },
    )
