"""Oceans for the tests of the twin: small boxes made here, and steps that the Fortran model wrote down."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import netCDF4
import numpy as np
import pytest

from emulator.toy_ocean import config as configuration
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.state import Surface, read_restart

GLOBAL_DATA = Path(__file__).resolve().parents[2] / "examples" / "global" / "global_4deg.nc"


@pytest.fixture(scope="session")
def make_grid() -> Callable[..., Grid]:
    """`make_grid(levels, e3t_0, periodic=False)`: grid on a sphere's patch from wet levels [j, i], thicknesses [k]."""

    def make(levels: np.ndarray, e3t_0: np.ndarray, *, periodic: bool = False, side: float = 1.0e5) -> Grid:
        mbkt = np.array(levels)
        mbkt[[0, -1]] = 0
        if not periodic:
            mbkt[:, [0, -1]] = 0
        tmask = (np.arange(len(e3t_0))[:, None, None] < mbkt).astype(float)
        umask, vmask = tmask * np.roll(tmask, -1, -1), tmask * np.roll(tmask, -1, -2)
        masks = {"tmask": tmask, "umask": umask, "vmask": vmask, "fmask": umask * np.roll(umask, -1, -2)}
        masks |= {name: _interfaces(masks[of]) for name, of in
                  (("wmask", "tmask"), ("wumask", "umask"), ("wvmask", "vmask"))}  # fmt: skip
        masks |= {"ssmask": tmask[0], "ssumask": umask[0], "ssvmask": vmask[0], "mbkt": mbkt}
        masks |= {name: np.tensordot(e3t_0, mask, 1) for name, mask in
                  (("ht_0", tmask), ("hu_0", umask), ("hv_0", vmask))}  # fmt: skip
        arrays = _metrics(mbkt.shape, side) | _depths(np.asarray(e3t_0)) | masks
        sizes = {"nx": mbkt.shape[1], "ny": mbkt.shape[0], "nz": len(e3t_0)}
        static = sizes | {"periodic": periodic, "cbt_max": 1.0e-3}
        needed = [name for name in Grid.__dataclass_fields__ if name not in static]
        missing = {name: np.zeros(mbkt.shape) for name in needed if name not in arrays}
        return Grid(**static, **{name: jnp.asarray((missing | arrays)[name]) for name in needed})

    return make


def _metrics(shape: tuple[int, int], side: float) -> dict[str, np.ndarray]:
    """Cells of `side` metres northward, narrowing with latitude eastward from 30 N."""
    gphit = np.broadcast_to(30.0 + np.arange(shape[0])[:, None] * side / 111.0e3, shape)
    e1t = side * np.cos(np.radians(gphit))
    e1v = side * np.cos(np.radians(gphit + 0.5 * side / 111.0e3))
    e2 = np.full(shape, side)
    sides = {"e1t": e1t, "e1u": e1t, "e1v": e1v, "e1f": e1v, "e2t": e2, "e2u": e2, "e2v": e2, "e2f": e2}
    areas = {f"e1e2{p}": sides[f"e1{p}"] * sides[f"e2{p}"] for p in "tuvf"}
    return sides | areas | {"gphit": gphit, "ff_f": 1.0e-4 * np.ones(shape)}


def _depths(e3t_0: np.ndarray) -> dict[str, np.ndarray]:
    gdepw_0 = np.concatenate([[0.0], np.cumsum(e3t_0)])
    gdept_0 = 0.5 * (gdepw_0[1:] + gdepw_0[:-1])
    e3w_0 = np.concatenate([gdept_0[:1], np.diff(gdept_0)])
    return {"e3t_0": e3t_0, "e3w_0": e3w_0, "gdept_0": gdept_0, "gdepw_0": gdepw_0}


def _interfaces(mask: np.ndarray) -> np.ndarray:
    return mask * np.concatenate([np.zeros_like(mask[:1]), mask[:-1]])


@pytest.fixture(scope="session")
def namelists() -> dict[str, str]:
    """Groups of the gyre and of the global ocean at 4 degrees, for `fortran_step`."""
    gyre = "&namcfg cn_cfg = 'gyre' /\n&namdom rn_Dt = 7200.0, ln_meshmask = .true. /\n"
    world = (
        f"&namcfg cn_cfg = 'global', cn_input = '{GLOBAL_DATA}' /\n"
        "&namdom rn_Dt = 10800.0, ln_meshmask = .true. /\n&namlbc rn_shlat = 2.0 /\n"
        "&namdyn_ldf nn_ahm_ijk_t = 20, rn_Uv = 1.0 /\n"
        "&namtra_ldf nn_aht_ijk_t = 20, rn_Ud = 0.01 /\n&namtra_eiv nn_aei_ijk_t = 20, rn_Ue = 0.01 /\n"
    )
    return {"gyre": gyre, "global": world}


@pytest.fixture(scope="session")
def fortran_step(
    executable: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., SimpleNamespace]:
    """`fortran_step(groups, spin_up)`: one step of the Fortran model after `spin_up` steps, written down.

    groups: namelist text. The answer has the twin's grid, config, params, the state before the step, its
    surface forcing, and `fields`: what trd_put wrote during the step, by name.
    """
    made: dict[tuple[str, int], SimpleNamespace] = {}

    def make(groups: str, spin_up: int) -> SimpleNamespace:
        if (groups, spin_up) not in made:
            directory = tmp_path_factory.mktemp("fortran_step")
            program = executable("toy_ocean")
            _run(
                program, directory, groups, f"nn_it000 = 1, nn_itend = {spin_up}, cn_ocerst_out = 'before.nc'"
            )
            last = f"nn_it000 = {spin_up + 1}, nn_itend = {spin_up + 1}, ln_rstart = .true., cn_ocerst_in = 'before.nc'"
            trends = "&namtrd ln_trd = .true. /\n"
            namelist = _run(program, directory, groups + trends, last)
            made[groups, spin_up] = _recorded(directory, namelist)
        return made[groups, spin_up]

    return make


def _run(program: Path, directory: Path, groups: str, run: str) -> Path:
    namelist = directory / "namelist_cfg"
    namelist.write_text(f"{groups}\n&namrun {run} /\n")
    done = subprocess.run([program], cwd=directory, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return namelist


def _recorded(directory: Path, namelist: Path) -> SimpleNamespace:
    config, params = configuration.read(namelist)
    state, _ = read_restart(directory / "before.nc")
    with netCDF4.Dataset(directory / "trends.nc") as file:
        file.set_auto_mask(False)
        fields = {name: jnp.asarray(np.asarray(v[0])) for name, v in file.variables.items() if v.ndim > 2}
    return SimpleNamespace(
        grid=Grid.read(directory / "mesh_mask.nc"),
        config=config,
        params=params,
        state=state,
        surface=Surface(**{name: fields[name] for name in Surface._fields}),
        fields=fields,
    )
