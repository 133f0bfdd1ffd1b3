"""The twin's settings: static switches (`Config`) and differentiable entries (`Params`), with the model's defaults."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import f90nml

from bridge.errors import ConfigurationError

if TYPE_CHECKING:
    from emulator.toy_ocean.grid import Grid

#: Every real entry of the namelist with the default of `nam_toy.f90`.
DEFAULT_PARAMETERS: dict[str, dict[str, float]] = {
    "namusr_def": {
        "rn_dx": 20000.0,
        "rn_depth": 1000.0,
        "rn_f0": 0.0001,
        "rn_beta": 0.0,
        "rn_mount": 0.9,
        "rn_mount_width": 200000.0,
        "rn_t_surf": 20.0,
        "rn_n2": 0.0,
        "rn_salt": 35.0,
        "rn_ssh_bump": 0.0,
        "rn_bump_width": 100000.0,
        "rn_t_bump": 0.0,
        "rn_tau_x": 0.0,
        "rn_qns": 0.0,
    },
    "namdom": {"rn_Dt": 7200.0},
    "namlbc": {"rn_shlat": 0.0},
    "nameos": {
        "rn_a0": 0.1655,
        "rn_b0": 0.76554,
        "rn_lambda1": 0.05952,
        "rn_lambda2": 0.00074914,
        "rn_mu1": 0.0001497,
        "rn_mu2": 1.109e-05,
        "rn_nu": 0.0024341,
    },
    "namsbc_ssr": {"rn_dqdt": -40.0, "rn_deds": -166.67},
    "namtra_qsr": {"rn_abs": 0.58, "rn_si0": 0.35, "rn_si1": 23.0},
    "namtra_ldf": {"rn_Ud": 0.02, "rn_Ld": 100000.0, "rn_slpmax": 0.01},
    "namtra_eiv": {"rn_Ue": 0.02, "rn_Le": 100000.0},
    "namdyn_ldf": {"rn_Uv": 2.0, "rn_Lv": 100000.0},
    "namdyn_spg": {"rn_bt_cmax": 0.8},
    "namdrg_bot": {"rn_Cd0": 0.001, "rn_Uc0": 0.4, "rn_ke0": 0.0025},
    "namzdf": {"rn_avm0": 0.00012, "rn_avt0": 1.2e-05, "rn_evd": 100.0},
    "namzdf_tke": {
        "rn_ediff": 0.1,
        "rn_ediss": 0.7,
        "rn_ebb": 67.83,
        "rn_emin": 1e-06,
        "rn_emin0": 0.0001,
        "rn_mxl0": 0.04,
        "rn_efr": 0.05,
    },
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Switches, integers and names of the namelist, plus the real entries that shape the program (hashable).

    `rn_Dt`, `rn_bt_cmax` and `rn_shlat` fix the number of sub-steps and the masks, so they are static here.
    """

    cn_cfg: str = "gyre"
    cn_input: str = "global_4deg.nc"
    nn_nx: int = 64
    nn_ny: int = 64
    nn_nz: int = 2
    ln_perio: bool = False
    cn_bathy: str = "flat"
    cn_bump: str = "x"
    cn_wind: str = "none"
    cn_exp: str = "TOY"
    nn_it000: int = 1
    nn_itend: int = 100
    ln_rstart: bool = False
    cn_ocerst_in: str = "restart.nc"
    cn_ocerst_out: str = "restart_out.nc"
    cn_output: str = "output.nc"
    nn_stock: int = 0
    nn_write: int = 0
    ln_stat: bool = True
    ln_meshmask: bool = False
    ln_rest: bool = False
    jpni: int = 0
    jpnj: int = 0
    ln_qsr: bool = True
    ln_ssr: bool = True
    ln_traadv_mus: bool = True
    ln_traadv_ups: bool = False
    ln_traldf_hor: bool = False
    ln_traldf_iso: bool = True
    nn_aht_ijk_t: int = 0
    ln_ldfeiv: bool = True
    nn_aei_ijk_t: int = 0
    ln_dynadv_OFF: bool = False
    nn_ahm_ijk_t: int = 0
    nn_e: int = 0
    ln_lin: bool = False
    ln_non_lin: bool = True
    ln_zdftke: bool = True
    ln_zdfevd: bool = True
    nn_mxl: int = 3
    nn_pdl: int = 1
    ln_mxl0: bool = True
    nn_etau: int = 1
    nn_htau: int = 1
    ln_trd: bool = False
    rn_Dt: float = 7200.0
    rn_bt_cmax: float = 0.8
    rn_shlat: float = 0.0


#: group -> entries that `Config` holds
STATIC_ENTRIES: dict[str, tuple[str, ...]] = {
    "namcfg": (
        "cn_cfg",
        "cn_input",
    ),
    "namusr_def": (
        "nn_nx",
        "nn_ny",
        "nn_nz",
        "ln_perio",
        "cn_bathy",
        "cn_bump",
        "cn_wind",
    ),
    "namrun": (
        "cn_exp",
        "nn_it000",
        "nn_itend",
        "ln_rstart",
        "cn_ocerst_in",
        "cn_ocerst_out",
        "cn_output",
        "nn_stock",
        "nn_write",
        "ln_stat",
    ),
    "namdom": (
        "ln_meshmask",
        "ln_rest",
    ),
    "nammpp": (
        "jpni",
        "jpnj",
    ),
    "namsbc": (
        "ln_qsr",
        "ln_ssr",
    ),
    "namtra_adv": (
        "ln_traadv_mus",
        "ln_traadv_ups",
    ),
    "namtra_ldf": (
        "ln_traldf_hor",
        "ln_traldf_iso",
        "nn_aht_ijk_t",
    ),
    "namtra_eiv": (
        "ln_ldfeiv",
        "nn_aei_ijk_t",
    ),
    "namdyn_adv": ("ln_dynadv_OFF",),
    "namdyn_ldf": ("nn_ahm_ijk_t",),
    "namdyn_spg": ("nn_e",),
    "namdrg": (
        "ln_lin",
        "ln_non_lin",
    ),
    "namzdf": (
        "ln_zdftke",
        "ln_zdfevd",
    ),
    "namzdf_tke": (
        "nn_mxl",
        "nn_pdl",
        "ln_mxl0",
        "nn_etau",
        "nn_htau",
    ),
    "namtrd": ("ln_trd",),
}


def read(path: str | Path) -> tuple[Config, dict[str, dict[str, Any]]]:
    """Switches and parameters of the namelist file at `path`; what it leaves out has the model's default.

    Raises ConfigurationError for a group or entry that the model does not have.
    """
    parameters: dict[str, dict[str, Any]] = {
        group: dict(entries) for group, entries in DEFAULT_PARAMETERS.items()
    }
    static: dict[str, Any] = {}
    for group, entries in f90nml.read(path).items():
        for entry, value in entries.items():
            place, name = _find(group, entry, Path(path))
            if place == "static":
                static[name] = value
            else:
                parameters[group][name] = float(value)
    shaping = {
        "rn_Dt": parameters["namdom"]["rn_Dt"],
        "rn_bt_cmax": parameters["namdyn_spg"]["rn_bt_cmax"],
        "rn_shlat": parameters["namlbc"]["rn_shlat"],
    }
    return Config(**static, **shaping), parameters


def _find(group: str, entry: str, path: Path) -> tuple[str, str]:
    """("static" or "parameter", name in the model's spelling): Fortran does not tell cases apart."""
    for name in STATIC_ENTRIES.get(group, ()):
        if name.lower() == entry.lower():
            return "static", name
    for name in DEFAULT_PARAMETERS.get(group, {}):
        if name.lower() == entry.lower():
            return "parameter", name
    raise ConfigurationError(f"{path}: toy_ocean has no namelist entry {group}/{entry}")


def barotropic_substeps(config: Config, grid: Grid) -> int:
    """Sub-steps N per time step: nn_e made even, or the smallest even N with a Courant number within rn_bt_cmax."""
    if config.nn_e > 0:
        return config.nn_e + config.nn_e % 2
    return 2 * max(1, math.ceil(config.rn_Dt * grid.cbt_max / config.rn_bt_cmax / 2.0))
