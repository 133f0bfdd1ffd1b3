"""Vertical mixing of the twin: known answers in simple water columns, derivatives, and each module against Fortran."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emulator.toy_ocean.config import DEFAULT_PARAMETERS, Config
from emulator.toy_ocean.domqco import dom_qco_r3
from emulator.toy_ocean.eosbn2 import bn2, eos_rab
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.state import State, Surface
from emulator.toy_ocean.zdfdrg import zdf_drg
from emulator.toy_ocean.zdfevd import zdf_evd
from emulator.toy_ocean.zdfphy import Mixing, zdf_phy
from emulator.toy_ocean.zdfsh2 import zdf_sh2
from emulator.toy_ocean.zdftke import tke_avm, tke_avt, tke_tke

OTHER_SWITCHES = (
    "&namzdf_tke nn_mxl = 2, nn_pdl = 0, ln_mxl0 = .false., nn_etau = 0 /\n&namdrg ln_lin = .true. /\n"
)


@pytest.fixture(scope="module")
def column(make_grid: Callable[..., Grid]) -> Grid:
    """A single wet column of 20 levels of 5 m."""
    levels = np.zeros((3, 3), int)
    levels[1, 1] = 20
    return make_grid(levels, np.full(20, 5.0))


@pytest.fixture(scope="module")
def ocean(make_grid: Callable[..., Grid]) -> SimpleNamespace:
    """A small ocean with currents, weak to strong stratification, some of it unstable, and its forcing."""
    rng = np.random.default_rng(2)
    grid = make_grid(rng.integers(4, 9, (8, 9)), 10.0 * 1.3 ** np.arange(8))

    def noise(mask: jax.Array) -> jax.Array:
        return jnp.asarray(rng.normal(size=mask.shape)) * mask

    warm = 18.0 * jnp.exp(-jnp.maximum(grid.gdept_0 - 50.0, 0.0) / 60.0)[:, None, None]
    state = State(
        thetao=(warm + 1e-3 * noise(grid.tmask)) * grid.tmask,
        so=(35.0 + 1e-4 * noise(grid.tmask)) * grid.tmask,
        uo=0.2 * noise(grid.umask),
        vo=0.2 * noise(grid.vmask),
        zos=0.3 * noise(grid.ssmask),
        en=(1e-5 + 1e-3 * noise(grid.wmask) ** 2) * grid.wmask,
    )
    zero = jnp.zeros_like(grid.e1t)
    gusts = jnp.maximum(0.1 + 0.1 * noise(grid.ssmask), 0.0)
    surface = Surface(utau=gusts, vtau=zero, taum=gusts, qns=zero, qsr=zero, emp=zero, sfx=zero)
    return SimpleNamespace(grid=grid, state=state, surface=surface)


def vertical_physics(ocean: SimpleNamespace, config: Config, params: dict[str, Any], state: State) -> Mixing:
    """zdf_phy with stratification and stretching of the state."""
    grid = ocean.grid
    r3t, r3u, r3v = dom_qco_r3(grid, state.zos)
    alpha, beta = eos_rab(grid, params["nameos"], state.thetao, state.so)
    rn2 = bn2(grid, state.thetao, state.so, alpha, beta, r3t)
    return zdf_phy(grid, config, params, state, ocean.surface, rn2, r3t, r3u, r3v)


def params_with(**entries: float) -> dict[str, dict[str, Any]]:
    """Defaults, with `group__entry=value` changed."""
    params: dict[str, dict[str, Any]] = copy.deepcopy(DEFAULT_PARAMETERS)
    for name, value in entries.items():
        group, entry = name.split("__")
        params[group][entry] = value
    return params


def test_mixing_length_of_neutral_water_is_the_distance_to_the_boundaries(column: Grid) -> None:
    """No stratification: l = min(l(surface) + z, l(bottom) + H - z), avm = rn_ediff l sqrt(en)."""
    params, zero = params_with(), jnp.zeros((3, 3))
    en = 4.0e-4 * column.wmask
    _, avm, dissl = tke_avm(column, Config(ln_mxl0=False), params, en, jnp.zeros_like(en), zero, zero)
    depth = np.asarray(column.gdepw_0[1:20])
    up, down = 0.04 + depth, 1.0e-6 / (0.1 * 1e-3) + 100.0 - depth
    np.testing.assert_allclose(avm[1:, 1, 1], 0.1 * np.minimum(up, down) * 0.02, rtol=1e-13)
    np.testing.assert_allclose(dissl[1:, 1, 1], 0.02 / np.sqrt(up * down), rtol=1e-13)


def test_mixing_length_of_stratified_water_is_the_buoyancy_length(column: Grid) -> None:
    """Strong N^2: l = sqrt(2 en)/N everywhere (Blanke and Delecluse 1993, eq. 2)."""
    en, rn2 = 1.0e-5 * column.wmask, 1.0e-3 * column.wmask
    surface_stress = jnp.full((3, 3), 1.0)  # ln_mxl0: surface length 0.4 x 2e5 / (1026 x 9.8) = 8 m
    _, avm, _ = tke_avm(
        column, Config(), params_with(namzdf__rn_avm0=0.0), en, rn2, surface_stress, jnp.zeros((3, 3))
    )
    np.testing.assert_allclose(avm[1:, 1, 1], 0.1 * np.sqrt(2e-5 / 1e-3) * np.sqrt(1e-5), rtol=1e-13)


def test_shear_production_is_viscosity_times_shear_squared(make_grid: Callable[..., Grid]) -> None:
    grid = make_grid(np.full((6, 6), 5), np.full(5, 10.0), periodic=True)
    zero = jnp.zeros((6, 6))
    u = -0.01 * grid.gdept_0[:, None, None] * grid.umask
    sh2 = zdf_sh2(grid, u, jnp.zeros_like(u), 3.0e-3 * grid.wmask, zero, zero)
    np.testing.assert_allclose(sh2, 3.0e-3 * 0.01**2 * grid.wmask, rtol=1e-12)


def test_energy_decays_as_homogeneous_turbulence(column: Grid) -> None:
    """de/dt = -rn_ediss e^(3/2)/l: e = e0 (1 + rn_ediss sqrt(e0) t/(2 l))^-2, first order in the time step."""
    length, e0, duration = 2.0, 1.0e-3, 200.0
    zero, params = jnp.zeros((3, 3)), params_with(namzdf_tke__rn_emin=1e-12)
    still = jnp.zeros_like(column.tmask)

    def final(steps: int) -> float:
        config = Config(rn_Dt=duration / steps, nn_etau=0)

        @jax.jit
        def advance(en: jax.Array) -> jax.Array:
            rate = jnp.sqrt(en) / length
            return tke_tke(column, config, params, zero, zero, still, still, still, still, rate, en)

        en = e0 * column.wmask
        for _ in range(steps):
            en = advance(en)
        return float(en[10, 1, 1])

    exact = e0 / (1.0 + 0.7 * np.sqrt(e0) * duration / (2.0 * length)) ** 2
    coarse, fine = abs(final(20) - exact), abs(final(40) - exact)
    assert fine < 0.05 * exact
    assert np.log2(coarse / fine) == pytest.approx(1.0, abs=0.1)


def test_turbulence_diffuses_without_loss(column: Grid) -> None:
    """Without sources, sinks and surface value: the energy that diffuses is symmetric about its maximum."""
    zero, still = jnp.zeros((3, 3)), jnp.zeros_like(column.tmask)
    params = params_with(namzdf_tke__rn_emin=0.0, namzdf_tke__rn_emin0=0.0)
    en = still.at[10, 1, 1].set(1e-3)
    avm = 1e-3 * column.wmask
    out = tke_tke(column, Config(nn_etau=0), params, zero, zero, still, avm, still, still, still, en)[:, 1, 1]
    np.testing.assert_allclose(out[6:10], out[11:15][::-1], rtol=1e-3)  # the boundaries differ, far away
    assert float(out.sum()) == pytest.approx(1e-3, rel=0.02)


def test_convection_is_switched_by_the_sign_of_n2(column: Grid) -> None:
    rn2 = jnp.array([0.0, 1e-5, -1e-13, -2e-12])
    avt = zdf_evd(params_with(namzdf__rn_evd=7.0), rn2, jnp.full(4, 1e-5))
    np.testing.assert_array_equal(avt, [1e-5, 1e-5, 1e-5, 7.0])


#: entries whose derivative is compared with differences, and what they move
PARAMETERS = [
    ("namzdf_tke", "rn_ediff"),
    ("namzdf_tke", "rn_ediss"),
    ("namzdf_tke", "rn_ebb"),
    ("namzdf_tke", "rn_mxl0"),
    ("namzdf_tke", "rn_efr"),
    ("namzdf", "rn_avt0"),
    ("namzdf", "rn_avm0"),
    ("namzdf", "rn_evd"),
    ("namdrg_bot", "rn_Cd0"),
    ("namdrg_bot", "rn_ke0"),
]


@pytest.fixture(scope="module")
def physics(ocean: SimpleNamespace) -> Callable[..., Mixing]:
    """The vertical physics as a compiled function of (params, state)."""
    return jax.jit(lambda params, state: vertical_physics(ocean, Config(), params, state))


@pytest.fixture(scope="module")
def push(physics: Callable[..., Mixing]) -> Callable[..., tuple[Mixing, Mixing]]:
    """Value and tangent of the physics at (params, state), compiled once for all tests."""
    return jax.jit(lambda point, tangent: jax.jvp(physics, point, tangent))


@pytest.mark.parametrize(("group", "entry"), PARAMETERS)
def test_derivative_with_respect_to_a_parameter(
    ocean: SimpleNamespace,
    physics: Callable[..., Mixing],
    push: Callable[..., tuple[Mixing, Mixing]],
    group: str,
    entry: str,
) -> None:
    """Tangent against a centred difference of 1e-6: the difference is good to 1e-6^2 + 1e-16/1e-6."""
    value, step = DEFAULT_PARAMETERS[group][entry], 1e-6
    name = f"{group}__{entry}"
    direction = jax.tree.map(lambda _: 0.0, params_with())
    direction[group][entry] = value
    _, tangent = push((params_with(), ocean.state), (direction, still(ocean.state)))
    ahead = physics(params_with(**{name: value * (1 + step)}), ocean.state)
    behind = physics(params_with(**{name: value * (1 - step)}), ocean.state)
    for exact, a, b in zip(tangent, ahead, behind, strict=True):
        atol = 1e-7 * max(1e-8, float(jnp.abs(a).max()))
        np.testing.assert_allclose(exact, (a - b) / (2 * step), rtol=0, atol=atol)
    assert max(float(jnp.abs(exact).max()) for exact in tangent) > 0.0


def test_field_parameter_scales_the_background(ocean: SimpleNamespace) -> None:
    """namzdf/avtb_2d multiplies rn_avt0, with a derivative at every column of weak mixing."""

    @jax.jit
    def total(avtb_2d: jax.Array, rn_avt0: float) -> jax.Array:
        params = params_with(namzdf__avtb_2d=avtb_2d, namzdf__rn_avt0=rn_avt0)
        return vertical_physics(ocean, Config(ln_zdfevd=False), params, ocean.state).avt.sum()

    one = jnp.ones_like(ocean.grid.e1t)
    assert float(total(2.0 * one, 1.2e-5)) == pytest.approx(float(total(one, 2.4e-5)), rel=1e-14)
    gradient = jax.grad(total)(one, 1.2e-5)
    assert bool((gradient >= 0.0).all())
    assert float(gradient.max()) > 0.0


def test_tangent_and_adjoint_agree_and_are_finite(
    ocean: SimpleNamespace, physics: Callable[..., Mixing], push: Callable[..., tuple[Mixing, Mixing]]
) -> None:
    """<w, J v> = <J' w, v> for all parameters and the state, land and resting water included."""
    rest = ocean.state._replace(uo=ocean.state.uo.at[:, :4].set(0.0), en=ocean.state.en.at[:, 5].set(0.0))
    point = (params_with(), rest)
    tangent = random_like(3, point)
    out, pushed = push(point, tangent)
    cotangent = random_like(4, out)
    pulled = jax.jit(lambda p, w: jax.vjp(physics, *p)[1](w))(point, cotangent)
    forward, backward = dot(cotangent, pushed), dot(pulled, tangent)
    assert all(bool(jnp.isfinite(a).all()) for a in jax.tree.leaves(pulled))
    assert backward == pytest.approx(forward, rel=1e-10)  # rounding of 1e4 terms of mixed size


def test_tangent_of_the_state_passes_the_taylor_test(
    ocean: SimpleNamespace, physics: Callable[..., Mixing], push: Callable[..., tuple[Mixing, Mixing]]
) -> None:
    """The remainder of the first-order expansion falls by 4 when the perturbation is halved.

    The perturbation is small beside the noise of N^2, so that no column changes the side of a max or min.
    """
    params, state = params_with(), ocean.state
    tangent = random_like(5, state)
    tangent = tangent._replace(thetao=1e-3 * tangent.thetao, so=1e-4 * tangent.so)
    out, pushed = push((params, state), (still(params), tangent))

    def remainder(eps: float) -> Mixing:
        moved = physics(params, jax.tree.map(lambda a, da: a + eps * da, state, tangent))
        expansion = jax.tree.map(lambda f, df: f + eps * df, out, pushed)
        return jax.tree.map(lambda a, b: float(jnp.linalg.norm(a - b)), moved, expansion)

    for name, coarse, fine in zip(Mixing._fields, remainder(1e-4), remainder(5e-5), strict=True):
        assert np.log2(coarse / fine) == pytest.approx(2.0, abs=0.1), name


def still(tree: Any) -> Any:
    """Zero tangent."""
    return jax.tree.map(lambda a: 0.0 * a, tree)


def random_like(seed: int, tree: Any) -> Any:
    """Random tangent of the size of the leaves themselves."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda a: jnp.asarray(rng.normal(size=np.shape(a))) * jnp.abs(a), tree)


def dot(a: Any, b: Any) -> float:
    return sum(float(jnp.vdot(x, y)) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@pytest.fixture(scope="module", params=["gyre", "global", "other switches"])
def step(
    request: pytest.FixtureRequest, namelists: dict[str, str], fortran_step: Callable[..., SimpleNamespace]
) -> SimpleNamespace:
    """A Fortran step after 20 others, with currents, slopes and convection."""
    groups = namelists | {"other switches": namelists["gyre"] + OTHER_SWITCHES}
    return fortran_step(groups[request.param], 20)


def assert_twins(twin: jax.Array, fortran: jax.Array) -> None:
    """Equal to 1e-12 of the field's range: a few dozen roundings of single operations."""
    scale = float(jnp.abs(fortran).max())
    assert scale > 0.0
    np.testing.assert_allclose(twin, fortran, rtol=0, atol=1e-12 * scale)


def test_bottom_drag_is_fortrans(step: SimpleNamespace) -> None:
    assert_twins(
        zdf_drg(step.grid, step.config, step.params, step.state.uo, step.state.vo), step.fields["rcdu"]
    )


def test_viscosity_is_fortrans(step: SimpleNamespace) -> None:
    f = step.fields
    _, avm, _ = tke_avm(step.grid, step.config, step.params, step.state.en, f["rn2"], f["taum"], f["r3t"])
    assert_twins(avm, f["avm"])


def test_shear_production_is_fortrans(step: SimpleNamespace) -> None:
    _, r3u, r3v = dom_qco_r3(step.grid, step.state.zos)
    assert_twins(
        zdf_sh2(step.grid, step.state.uo, step.state.vo, step.fields["avm"], r3u, r3v), step.fields["sh2"]
    )


def test_diffusivity_is_fortrans(step: SimpleNamespace) -> None:
    """With N^2 from Fortran no column may convect in one and not in the other."""
    f = step.fields
    zav, _, _ = tke_avm(step.grid, step.config, step.params, step.state.en, f["rn2"], f["taum"], f["r3t"])
    avt = tke_avt(step.grid, step.config, step.params, zav, f["avm"], f["sh2"], f["rn2"])
    if step.config.ln_zdfevd:
        avt = zdf_evd(step.params, f["rn2"], avt)
    flipped = np.argwhere(np.asarray((avt >= 1.0) != (f["avt"] >= 1.0)))
    assert not len(flipped), f"convection differs at (k, j, i) = {flipped.tolist()}"
    quiet = f["avt"] < 1.0  # rn_evd = 100 would hide the rest
    assert_twins(jnp.where(quiet, avt, 0.0), jnp.where(quiet, f["avt"], 0.0))


def test_energy_is_fortrans(step: SimpleNamespace) -> None:
    _, r3u, r3v = dom_qco_r3(step.grid, step.state.zos)
    f = step.fields
    mixing = zdf_phy(
        step.grid, step.config, step.params, step.state, step.surface, f["rn2"], f["r3t"], r3u, r3v
    )
    assert_twins(mixing.en, f["en"])
    assert int((f["avt"] >= 1.0).sum()) == int((mixing.avt >= 1.0).sum())
