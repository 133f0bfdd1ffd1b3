"""Momentum and ssh of the twin: conservation and exact derivatives on a small periodic ocean with islands and slopes,
and every term against what the Fortran model wrote for the same state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from emulator.toy_ocean import dynspg_ts, dynvor, eosbn2
from emulator.toy_ocean.config import DEFAULT_PARAMETERS, Config
from emulator.toy_ocean.domqco import dom_qco_r3
from emulator.toy_ocean.dynhpg import dyn_hpg
from emulator.toy_ocean.dynkeg import dyn_keg
from emulator.toy_ocean.dynldf import dyn_ldf
from emulator.toy_ocean.dynstp import dyn_stp
from emulator.toy_ocean.dynzad import dyn_zad
from emulator.toy_ocean.dynzdf import dyn_zdf_u
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.ldfdyn import ldf_dyn
from emulator.toy_ocean.state import State, Surface
from emulator.toy_ocean.tridiagonal import tridiagonal
from emulator.toy_ocean.wzv import wzv_transport

REPOSITORY = Path(__file__).resolve().parents[2]
NX, NY, NZ = 14, 11, 6


def next_i(a: np.ndarray) -> np.ndarray:
    return np.roll(a, -1, axis=-1)


def next_j(a: np.ndarray) -> np.ndarray:
    return np.roll(a, -1, axis=-2)


@pytest.fixture(scope="module")
def grid() -> Grid:
    """Periodic in i, closed in j, 2 degrees at 20-40 N; full steps of random depth, an island."""
    rng = np.random.default_rng(1)
    e3t_0 = np.array([20.0, 40.0, 80.0, 160.0, 320.0, 640.0])
    gdepw_0 = np.concatenate([[0.0], np.cumsum(e3t_0)])
    gdept_0 = 0.5 * (gdepw_0[1:] + gdepw_0[:-1])
    mbkt = rng.integers(2, NZ + 1, (NY, NX))
    mbkt[0] = mbkt[-1] = 0
    mbkt[4:6, 3:5] = 0
    tmask = (np.arange(1, NZ + 1)[:, None, None] <= mbkt).astype(float)
    umask, vmask = tmask * next_i(tmask), tmask * next_j(tmask)
    above = {name: mask * np.concatenate([0.0 * mask[:1], mask[:-1]]) for name, mask in
             (("wmask", tmask), ("wumask", umask), ("wvmask", vmask))}  # fmt: skip
    latitude = np.radians(np.broadcast_to(20.0 + 2.0 * np.arange(NY)[:, None], (NY, NX)))
    north = latitude + np.radians(1.0)
    e2 = np.full((NY, NX), 222.0e3)
    metrics = {"e1t": e2 * np.cos(latitude), "e1u": e2 * np.cos(latitude), "e1v": e2 * np.cos(north),
               "e1f": e2 * np.cos(north), "e2t": e2, "e2u": e2, "e2v": e2, "e2f": e2}  # fmt: skip
    areas = {f"e1e2{p}": metrics[f"e1{p}"] * metrics[f"e2{p}"] for p in "tuvf"}
    depths = {name: (e3t_0[:, None, None] * mask).sum(0) for name, mask in
              (("ht_0", tmask), ("hu_0", umask), ("hv_0", vmask))}  # fmt: skip
    cbt_max = float(np.max(np.sqrt(9.81 * depths["ht_0"] * (metrics["e1t"] ** -2 + metrics["e2t"] ** -2))))
    arrays = {
        "glamt": np.zeros((NY, NX)), "gphit": np.degrees(latitude), **metrics, **areas, **depths, **above,
        "ff_f": 2 * 7.29e-5 * np.sin(north), "ssmask": tmask[0], "ssumask": umask[0], "ssvmask": vmask[0],
        "mbkt": mbkt, "tmask": tmask, "umask": umask, "vmask": vmask, "fmask": umask * next_j(umask),
        "e3t_0": e3t_0, "e3w_0": np.concatenate([gdept_0[:1], np.diff(gdept_0)]),
        "gdept_0": gdept_0, "gdepw_0": gdepw_0,
    }  # fmt: skip
    extra = {name: np.zeros((NY, NX)) for name in Grid.__dataclass_fields__ if name not in arrays}
    static = {"nx": NX, "ny": NY, "nz": NZ, "periodic": True, "cbt_max": cbt_max}
    return Grid(
        **{name: jnp.asarray(a) for name, a in (extra | arrays).items() if name not in static}, **static
    )


@pytest.fixture(scope="module")
def state(grid: Grid) -> State:
    """Currents of decimetres per second, ssh of decimetres, stratified T and S, all with noise."""
    key = iter(jax.random.split(jax.random.key(0), 6))
    shape = grid.tmask.shape

    def noise(mask: jax.Array) -> jax.Array:
        return jax.random.normal(next(key), mask.shape) * mask

    warm = 20.0 * jnp.exp(-grid.gdept_0 / 300.0)[:, None, None]
    return State(
        thetao=(warm + noise(grid.tmask)) * grid.tmask,
        so=(35.0 + 0.3 * noise(grid.tmask)) * grid.tmask,
        uo=0.2 * noise(grid.umask),
        vo=0.2 * noise(grid.vmask),
        zos=0.3 * noise(grid.ssmask),
        en=jnp.full(shape, 1e-4),
    )


@pytest.fixture(scope="module")
def surface(grid: Grid) -> Surface:
    zero = jnp.zeros_like(grid.e1t)
    rain = 1e-5 * jax.random.normal(jax.random.key(7), zero.shape) * grid.ssmask
    return Surface(utau=0.1 + zero, vtau=0.05 + zero, taum=zero, qns=zero, qsr=zero, emp=rain, sfx=zero)


@pytest.fixture(scope="module")
def step(grid: Grid, surface: Surface):
    """The momentum and ssh of one step as a function of (state, avm)."""
    mixing = {"rcdu": jnp.full(grid.e1t.shape, 1e-3)}

    def advance(state: State, avm: jax.Array) -> tuple:
        params = DEFAULT_PARAMETERS
        r3 = dom_qco_r3(grid, state.zos)
        rhd = eosbn2.eos_insitu(grid, params["nameos"], state.thetao, state.so)
        mix = SimpleNamespace(avm=avm, **mixing)
        return tuple(dyn_stp(grid, Config(), params, state, surface, None, mix, rhd, *r3))

    return jax.jit(advance)


@pytest.fixture(scope="module")
def avm(grid: Grid) -> jax.Array:
    return (
        10.0 ** jax.random.uniform(jax.random.key(3), grid.tmask.shape, minval=-4.0, maxval=-1.0) * grid.wmask
    )


def total(*products: jax.Array) -> tuple[float, float]:
    """Sum of the products, and the sum of their moduli that its rounding scales with."""
    return sum(float(p.sum()) for p in products), sum(float(jnp.abs(p).sum()) for p in products)


def test_coriolis_does_no_work(grid: Grid, state: State) -> None:
    e3t_0 = grid.e3t_0[:, None, None]
    work_u = grid.e1e2u * e3t_0 * state.uo * dynvor.cor_u(grid, state.vo)
    work_v = grid.e1e2v * e3t_0 * state.vo * dynvor.cor_v(grid, state.uo)
    work, scale = total(work_u, work_v)
    assert abs(work) < 1e-14 * scale  # rounding of a sum of 2000 terms


def test_relative_vorticity_does_no_work(grid: Grid, state: State) -> None:
    e3t_0 = grid.e3t_0[:, None, None]
    vor_u, vor_v = dynvor.dyn_vor(grid, state.uo, state.vo)
    work, scale = total(grid.e1e2u * e3t_0 * state.uo * vor_u, grid.e1e2v * e3t_0 * state.vo * vor_v)
    assert abs(work) < 1e-14 * scale


def test_barotropic_coriolis_does_no_work(grid: Grid, state: State) -> None:
    ub, vb = state.uo[0], state.vo[0]
    work_u = grid.e1e2u * grid.hu_0 * ub * dynspg_ts.corbt_u(grid, vb)
    work_v = grid.e1e2v * grid.hv_0 * vb * dynspg_ts.corbt_v(grid, ub)
    work, scale = total(work_u, work_v)
    assert abs(work) < 1e-14 * scale


def test_barotropic_coriolis_is_the_depth_mean_of_coriolis(grid: Grid, state: State) -> None:
    vb = state.vo[0]
    trend = dynvor.cor_u(grid, vb * grid.vmask)
    mean = (grid.e3t_0[:, None, None] * trend).sum(0) / jnp.maximum(grid.hu_0, 1.0)
    np.testing.assert_allclose(dynspg_ts.corbt_u(grid, vb), mean, rtol=0, atol=1e-14 * jnp.abs(mean).max())


def test_advection_of_momentum_conserves_kinetic_energy(grid: Grid, state: State) -> None:
    """With a flat resting surface and no rain: gradient of K and vertical advection exchange, but do not make, energy.

    The vector-invariant form conserves where neighbouring columns are equally deep (Arakawa & Lamb 1977),
    so the bottom is flat here.
    """
    flat = flat_bottom(grid)
    u, v = state.uo[:1] * jnp.cos(jnp.arange(NZ))[:, None, None] * flat.umask, state.vo * flat.vmask
    zero = jnp.zeros_like(grid.e1t)
    u = u - (flat.e3t_0[:, None, None] * u).sum(0) / flat.e3t_0.sum()  # no divergence of the depth mean,
    v = v - (flat.e3t_0[:, None, None] * v).sum(0) / flat.e3t_0.sum()  # so the surface rests
    u, v = u * flat.umask, v * flat.vmask
    ww = wzv_transport(flat, zero, zero, u, v, zero)
    trends_u, trends_v = zip(dyn_keg(flat, u, v), dyn_zad(flat, zero, zero, ww, u, v), strict=True)
    volume_u, volume_v = flat.e1e2u * flat.e3t_0[:, None, None], flat.e1e2v * flat.e3t_0[:, None, None]
    work, scale = total(*(volume_u * u * t for t in trends_u), *(volume_v * v * t for t in trends_v))
    assert abs(work) < 1e-13 * scale


def flat_bottom(grid: Grid) -> Grid:
    """The same grid, every ocean column with all levels."""
    names = {"tmask": "ssmask", "umask": "ssumask", "vmask": "ssvmask"}
    masks = {name: jnp.broadcast_to(getattr(grid, top), grid.tmask.shape) for name, top in names.items()}
    below = {"wmask": "tmask", "wumask": "umask", "wvmask": "vmask"}
    masks |= {name: masks[full].at[0].set(0.0) for name, full in below.items()}
    depth = grid.e3t_0.sum()
    masks |= {"ht_0": depth * grid.ssmask, "hu_0": depth * grid.ssumask, "hv_0": depth * grid.ssvmask}
    fields = {name: getattr(grid, name) for name in Grid.__dataclass_fields__}
    return Grid(**(fields | masks))


def test_rest_over_slopes_feels_no_pressure_gradient(grid: Grid) -> None:
    profile = jnp.exp(-grid.gdept_0 / 300.0)[:, None, None]
    t, s = 20.0 * profile * grid.tmask, (36.0 - profile) * grid.tmask
    rhd = eosbn2.eos_insitu(grid, DEFAULT_PARAMETERS["nameos"], t, s)
    zero = jnp.zeros_like(grid.e1t)
    for trend in dyn_hpg(grid, rhd, zero, zero):
        assert not np.any(trend)  # equal columns subtract to exactly 0 where both are wet


def test_surface_transport_of_wzv_is_the_rain(grid: Grid, state: State, surface: Surface) -> None:
    _, r3u, r3v = dom_qco_r3(grid, state.zos)
    ww = wzv_transport(grid, r3u, r3v, state.uo, state.vo, surface.emp)
    expected = grid.e1e2t * surface.emp / 1026.0
    np.testing.assert_allclose(ww[0], expected, rtol=0, atol=1e-13 * np.abs(ww).max())


def test_averaging_weights_are_centred_on_the_new_time_level() -> None:
    average, transport = dynspg_ts.window(26)
    assert average.sum() == pytest.approx(1.0, abs=1e-14)
    assert transport.sum() == pytest.approx(1.0, abs=1e-14)
    assert (average * np.arange(1, 40)).sum() == pytest.approx(26.0, abs=1e-12)
    later = np.array([average[m:].sum() for m in range(39)]) / 26.0
    np.testing.assert_allclose(transport, later, rtol=0, atol=1e-15)


def test_barotropic_substeps_conserve_volume(grid: Grid, state: State) -> None:
    zero = jnp.zeros_like(grid.e1t)
    bt = dynspg_ts.Barotropic(state.uo[0], state.vo[0], 1e-6 + zero, zero)
    ssh, *_ = dynspg_ts.dyn_spg_ts(grid, 10, 3600.0, zero, bt, state.zos)
    before, scale = total(grid.e1e2t * state.zos)
    assert abs(total(grid.e1e2t * ssh)[0] - before) < 1e-14 * scale


def test_vertical_viscosity_conserves_momentum(grid: Grid, state: State, avm: jax.Array) -> None:
    zero = jnp.zeros_like(grid.e1t)
    u = dyn_zdf_u(grid, 7200.0, avm, zero, zero, zero, state.uo)
    thickness = grid.e3t_0[:, None, None] * grid.umask
    before, after = (thickness * state.uo).sum(0), (thickness * u).sum(0)
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-13 * np.abs(before).max())


def test_tridiagonal_solves_its_system_and_its_derivatives_are_exact() -> None:
    rng = np.random.default_rng(0)
    a, c, b = (jnp.asarray(rng.normal(size=(NZ, 2, 3))) for _ in range(3))
    d = 4.0 + jnp.abs(a) + jnp.abs(c)
    dense = np.zeros((NZ, NZ))
    for k in range(NZ):
        dense[k, k] = d[k, 1, 2]
        if k > 0:
            dense[k, k - 1] = a[k, 1, 2]
        if k < NZ - 1:
            dense[k, k + 1] = c[k, 1, 2]
    x = tridiagonal(a, d, c, b)
    np.testing.assert_allclose(x[:, 1, 2], np.linalg.solve(dense, b[:, 1, 2]), rtol=1e-13)
    check_grads(jax.jit(tridiagonal), (a, d, c, b), 1, modes=["fwd", "rev"], rtol=1e-6)


def perturbation(key: int, like: object) -> object:
    """Random tangent of the size of the fields themselves."""
    leaves, tree = jax.tree.flatten(like)
    keys = jax.random.split(jax.random.key(key), len(leaves))
    moved = [jax.random.normal(k, a.shape) * jnp.abs(a) for k, a in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, moved)


def dot(a: object, b: object) -> float:
    return sum(float(jnp.vdot(x, y)) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def test_tangent_and_adjoint_of_the_step_agree(step, state: State, avm: jax.Array) -> None:
    """<w, J v> = <J' w, v>, and nothing is NaN on land."""
    tangent = perturbation(11, (state, avm))
    out, pushed = jax.jvp(step, (state, avm), tangent)
    cotangent = perturbation(12, out)
    pulled = jax.vjp(step, state, avm)[1](cotangent)
    forward, backward = dot(cotangent, pushed), dot(pulled, tangent)
    assert np.isfinite(forward)
    assert all(bool(jnp.isfinite(a).all()) for a in jax.tree.leaves(pulled))
    assert backward == pytest.approx(forward, rel=1e-10)  # rounding: 1e5 terms of mixed sign and size


def test_tangent_of_the_step_passes_the_taylor_test(step, state: State, avm: jax.Array) -> None:
    """The remainder of the first-order expansion falls by 4 when the perturbation is halved."""
    tangent = perturbation(13, (state, avm))
    out, pushed = jax.jvp(step, (state, avm), tangent)

    def remainders(eps: float) -> list[float]:
        moved = jax.tree.map(lambda a, da: a + eps * da, (state, avm), tangent)
        expansion = jax.tree.map(lambda f, df: f + eps * df, out, pushed)
        return [float(jnp.linalg.norm(a - b)) for a, b in zip(step(*moved), expansion, strict=True)]

    for coarse, fine in zip(remainders(1e-3), remainders(5e-4), strict=True):
        if coarse > 0.0:  # un_adv … are nonlinear; r3t_new of zos too, through the transports
            assert np.log2(coarse / fine) == pytest.approx(2.0, abs=0.05)


GYRE = "&namcfg cn_cfg = 'gyre' /\n&namdom ln_meshmask = .true. /"
GLOBAL = (
    f"&namcfg cn_cfg = 'global', cn_input = '{REPOSITORY / 'examples' / 'global' / 'global_4deg.nc'}' /\n"
    "&namdom ln_meshmask = .true. /\n&namlbc rn_shlat = 0.5 /\n&namdyn_ldf nn_ahm_ijk_t = 20 /"
)


@pytest.fixture(scope="module", params=[GYRE, GLOBAL], ids=["gyre", "global"])
def written(request: pytest.FixtureRequest, fortran_step: Callable[..., SimpleNamespace]) -> SimpleNamespace:
    """One step of the Fortran model, with every trend, after half a day of spin-up; and its stretching ratios."""
    step = fortran_step(request.param, 6)
    step.r3 = dom_qco_r3(step.grid, step.state.zos)
    return step


def assert_same(ours: jax.Array, fortran: jax.Array) -> None:
    """Equal to 1e-12 of the range: rounding of the same formula in another order of summation."""
    scale = float(jnp.abs(fortran).max())
    assert scale > 0.0
    np.testing.assert_allclose(ours, fortran, rtol=0, atol=1e-12 * scale)


def assert_same_trends(ours: tuple[jax.Array, jax.Array], written: SimpleNamespace, name: str) -> None:
    assert_same(ours[0], written.fields[f"{name}_u"])
    assert_same(ours[1], written.fields[f"{name}_v"])


def test_equation_of_state_is_the_fortran_models(written: SimpleNamespace) -> None:
    grid, p, s = written.grid, written.params["nameos"], written.state
    assert_same(eosbn2.eos_insitu(grid, p, s.thetao, s.so), written.fields["rhd"])
    alpha, beta = eosbn2.eos_rab(grid, p, s.thetao, s.so)
    assert_same(eosbn2.bn2(grid, s.thetao, s.so, alpha, beta, written.r3[0]), written.fields["rn2"])


def test_stretching_is_the_fortran_models(written: SimpleNamespace) -> None:
    assert_same(written.r3[0], written.fields["r3t"])


def test_pressure_gradient_is_the_fortran_models(written: SimpleNamespace) -> None:
    ours = dyn_hpg(written.grid, written.fields["rhd"], written.r3[0], written.state.zos)
    assert_same_trends(ours, written, "hpg")


def test_kinetic_energy_gradient_is_the_fortran_models(written: SimpleNamespace) -> None:
    assert_same_trends(dyn_keg(written.grid, written.state.uo, written.state.vo), written, "keg")


def test_vorticity_trend_is_the_fortran_models(written: SimpleNamespace) -> None:
    assert_same_trends(dynvor.dyn_vor(written.grid, written.state.uo, written.state.vo), written, "vor")


def test_coriolis_is_the_fortran_models(written: SimpleNamespace) -> None:
    assert_same(dynvor.cor_u(written.grid, written.state.vo), written.fields["cor_u"])


def test_vertical_advection_is_the_fortran_models(written: SimpleNamespace) -> None:
    grid, (_, r3u, r3v), s = written.grid, written.r3, written.state
    ww = wzv_transport(grid, r3u, r3v, s.uo, s.vo, written.surface.emp)
    assert_same(ww, written.fields["ww"])
    assert_same_trends(dyn_zad(grid, r3u, r3v, written.fields["ww"], s.uo, s.vo), written, "zad")


def test_lateral_viscosity_is_the_fortran_models(written: SimpleNamespace) -> None:
    viscosity = ldf_dyn(written.grid, written.config, written.params["namdyn_ldf"])
    ours = dyn_ldf(written.grid, *viscosity, written.state.uo, written.state.vo)
    assert_same_trends(ours, written, "ldf")


def test_vertical_viscosity_wind_and_drag_are_the_fortran_models(written: SimpleNamespace) -> None:
    f, grid, dt = written.fields, written.grid, written.config.rn_Dt
    utrd = f["hpg_u"] + f["keg_u"] + f["vor_u"] + f["zad_u"] + f["ldf_u"] + f["cor_u"]
    u = (written.state.uo + dt * utrd) * grid.umask
    ours = dyn_zdf_u(grid, dt, f["avm"], f["rcdu"], written.r3[1], f["utau"], u)
    assert_same(ours, f["u_star"])


def test_momentum_and_ssh_of_the_step_are_the_fortran_models(written: SimpleNamespace) -> None:
    """Through the barotropic sub-steps: transports, and the new velocities and ssh."""
    mixing = SimpleNamespace(avm=written.fields["avm"], rcdu=written.fields["rcdu"])
    setting = (written.grid, written.config, written.params, written.state, written.surface)
    ours = dyn_stp(*setting, None, mixing, written.fields["rhd"], *written.r3)
    for name in ("un_adv", "vn_adv", "uo", "vo", "zos"):
        assert_same(getattr(ours, name), written.fields[name])
