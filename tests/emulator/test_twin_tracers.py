"""Tracers of the twin: conservation, monotonicity, neutrality, derivatives, and each module against Fortran."""

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
from emulator.toy_ocean.ldfslp import Slopes, ldf_slp
from emulator.toy_ocean.ldftra import ldf_tra
from emulator.toy_ocean.state import State, Surface
from emulator.toy_ocean.stencil import im1, jm1, km1, kp1
from emulator.toy_ocean.traadv import tra_adv
from emulator.toy_ocean.traldf import tra_ldf, tra_ldf_akz
from emulator.toy_ocean.traqsr import tra_qsr
from emulator.toy_ocean.trasbc import tra_sbc
from emulator.toy_ocean.trastp import tra_stp
from emulator.toy_ocean.tratransport import TracerTransport, tra_transport

OTHER_SWITCHES = (
    "&namtra_adv ln_traadv_ups = .true. /\n&namtra_ldf ln_traldf_hor = .true. /\n"
    "&namtra_eiv ln_ldfeiv = .false. /\n&namsbc ln_qsr = .false. /\n"
)


class Flow(SimpleNamespace):
    """What dyn_stp leaves for the tracers: un_adv, vn_adv, u_bc, v_bc, r3t_new."""


@pytest.fixture(scope="module")
def ocean(make_grid: Callable[..., Grid]) -> SimpleNamespace:
    """A small ocean of random depth in random motion, with rain, sunshine and mixing.

    The flow obeys continuity as dyn_stp leaves it: ssh(n+1) = ssh(n) - dt (div <U>/e1e2t + emp/rho0).
    """
    rng = np.random.default_rng(3)
    grid = make_grid(rng.integers(3, 8, (9, 10)), 4.0 * 1.7 ** np.arange(7), periodic=True, side=1.5e4)

    def noise(mask: jax.Array) -> jax.Array:
        return jnp.asarray(rng.normal(size=mask.shape)) * mask

    warm = 8.0 * jnp.exp(-grid.gdept_0 / 150.0)[:, None, None]
    state = State(
        thetao=(warm + 0.2 * noise(grid.tmask)) * grid.tmask,
        so=(35.0 + 0.1 * noise(grid.tmask)) * grid.tmask,
        uo=noise(grid.umask),
        vo=noise(grid.vmask),
        zos=0.3 * noise(grid.ssmask),
        en=noise(grid.wmask) ** 2,
    )
    gentle = {"utau": 0.0, "vtau": 0.0, "taum": 0.0, "qns": 100.0, "qsr": 150.0, "emp": 1e-4, "sfx": 1e-4}
    surface = Surface(**{name: size * noise(grid.ssmask) for name, size in gentle.items()})
    un_adv, vn_adv = 1e5 * noise(grid.ssumask), 1e5 * noise(grid.ssvmask)
    dt = Config().rn_Dt
    spread = (un_adv - im1(un_adv) + vn_adv - jm1(vn_adv)) / grid.e1e2t + surface.emp / 1026.0
    depth = grid.ht_0 + 1.0 - grid.ssmask
    flow = Flow(
        un_adv=un_adv,
        vn_adv=vn_adv,
        u_bc=without_mean(grid.e3t_0, 0.1 * noise(grid.umask), grid.umask),
        v_bc=without_mean(grid.e3t_0, 0.1 * noise(grid.vmask), grid.vmask),
        r3t_new=(state.zos - dt * spread) * grid.ssmask / depth,
    )
    avt = 10.0 ** jnp.asarray(rng.uniform(-5, 0, grid.tmask.shape)) * grid.wmask
    return SimpleNamespace(grid=grid, state=state, surface=surface, flow=flow, avt=avt)


def without_mean(e3t_0: jax.Array, velocity: jax.Array, mask: jax.Array) -> jax.Array:
    """Velocity less its depth mean."""
    thickness = e3t_0[:, None, None] * mask
    return (velocity - (thickness * velocity).sum(0) / jnp.maximum(thickness.sum(0), 1.0)) * mask


def tracers(
    ocean: SimpleNamespace,
    config: Config,
    params: dict[str, Any],
    state: State,
    surface: Surface,
    avt: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """tra_stp with stratification and stretching of the state."""
    grid = ocean.grid
    r3t, r3u, r3v = dom_qco_r3(grid, state.zos)
    alpha, beta = eos_rab(grid, params["nameos"], state.thetao, state.so)
    rn2 = bn2(grid, state.thetao, state.so, alpha, beta, r3t)
    return tra_stp(
        grid, config, params, state, surface, None, avt, rn2, alpha, beta, r3t, r3u, r3v, ocean.flow
    )


def calm(surface: Surface) -> Surface:
    """Only rain and evaporation."""
    return surface._replace(qns=0.0 * surface.qns, qsr=0.0 * surface.qsr, sfx=0.0 * surface.sfx)


CONFIGURATIONS = [
    Config(),
    Config(ln_traadv_ups=True, ln_traldf_hor=True, ln_ldfeiv=False),
    Config(nn_aht_ijk_t=20, nn_aei_ijk_t=20),
]


@pytest.mark.parametrize("config", CONFIGURATIONS)
def test_a_constant_tracer_stays_constant(ocean: SimpleNamespace, config: Config) -> None:
    """Through moving levels, eddy transport, rain: water enters with the temperature of the top cell.

    Salt does not come with the water, so only temperature is constant."""
    state = ocean.state._replace(thetao=7.0 * ocean.grid.tmask)
    t, _ = jax.jit(lambda s: tracers(ocean, config, DEFAULT_PARAMETERS, s, calm(ocean.surface), ocean.avt))(
        state
    )
    np.testing.assert_allclose(t, state.thetao, rtol=1e-12)  # transports of 1e6 m3/s in cells of 1e11 m3


@pytest.mark.parametrize("config", CONFIGURATIONS)
def test_content_changes_only_by_the_surface_fluxes(ocean: SimpleNamespace, config: Config) -> None:
    grid, dt = ocean.grid, config.rn_Dt
    r3t, _, _ = dom_qco_r3(grid, ocean.state.zos)
    t, s = jax.jit(lambda x: tracers(ocean, config, DEFAULT_PARAMETERS, x, ocean.surface, ocean.avt))(
        ocean.state
    )
    area = grid.e1e2t * grid.ssmask

    def content(q: jax.Array, stretch: jax.Array) -> float:
        return float((area * grid.e3t_0[:, None, None] * (1.0 + stretch) * q * grid.tmask).sum())

    heat = ocean.surface.qsr + ocean.surface.qns * (ocean.state.thetao[0] > 0.0)  # nothing near freezing
    inflow = heat / (1026.0 * 3991.86795711963) - ocean.surface.emp / 1026.0 * ocean.state.thetao[0]
    expected_t = content(ocean.state.thetao, r3t) + dt * float((area * inflow).sum())
    expected_s = content(ocean.state.so, r3t) + dt * float((area * ocean.surface.sfx / 1026.0).sum())
    assert content(t, ocean.flow.r3t_new) == pytest.approx(expected_t, rel=1e-14)  # rounding of 500 terms
    assert content(s, ocean.flow.r3t_new) == pytest.approx(expected_s, rel=1e-14)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_muscl_is_monotone_in_one_dimension(
    make_grid: Callable[..., Grid], axis: int, direction: float
) -> None:
    """A plateau and a spike carried along k, j or i at Courant numbers up to 0.7 make no new extremum."""
    nz, ny, nx = (32 if a == axis else (1, 3, 3)[a] for a in range(3))
    grid = make_grid(np.full((ny, nx), nz), np.full(nz, 10.0), periodic=True)
    index = jnp.arange(32)
    profile = jnp.where((index >= 11) & (index < 17), 1.0, 0.0) + 0.7 * (index == 20)
    q = profile.reshape([-1 if a == axis else 1 for a in range(3)]) * grid.tmask
    still, zero = jnp.zeros_like(q), jnp.zeros_like(grid.e1t)
    through = 0.7 * direction * float(grid.e1e2t.min()) * 10.0 / Config().rn_Dt  # m3 s-1
    transport = TracerTransport(
        uu=through * grid.umask if axis == 2 else still,
        vv=through * grid.vmask if axis == 1 else still,
        ww=through * grid.wmask if axis == 0 else still,
    )
    advance = jax.jit(lambda q: q + Config().rn_Dt / 10.0 * tra_adv(grid, Config(), q, zero, transport))
    before = q
    for _ in range(6):
        q = advance(q)
        assert float(q.min()) >= -1e-15
        assert float(q.max()) <= 1.0 + 1e-14
    assert float(jnp.abs(q - before).max()) > 0.5  # it did move


def linear_ocean(make_grid: Callable[..., Grid]) -> tuple[Grid, jax.Array, jax.Array, jax.Array, jax.Array]:
    """Grid, T, S, N^2, density anomaly -alpha T + beta S, with alpha and beta constant; all levels, slopes ~1e-4."""
    rng = np.random.default_rng(5)
    levels = rng.integers(4, 9, (8, 9))
    grid = make_grid(levels, np.full(8, 50.0), periodic=True)
    t = (15.0 - 0.03 * grid.gdept_0[:, None, None] + 0.2 * rng.normal(size=grid.tmask.shape)) * grid.tmask
    s = (35.0 + 0.05 * rng.normal(size=grid.tmask.shape)) * grid.tmask
    rho = -2.0e-4 * t + 7.0e-4 * s
    zero = jnp.zeros_like(grid.e1t)
    n2 = bn2(grid, t, s, jnp.full_like(t, 2.0e-4), jnp.full_like(t, 7.0e-4), zero)
    return grid, t, s, n2, rho


def test_isoneutral_diffusion_does_not_mix_density(make_grid: Callable[..., Grid]) -> None:
    """With a linear equation of state, explicit and implicit fluxes of density cancel: diffusion is neutral."""
    grid, t, s, n2, rho = linear_ocean(make_grid)
    params = copy.deepcopy(DEFAULT_PARAMETERS)
    params["namtra_ldf"]["rn_slpmax"] = 1.0e3  # tapered beyond e3w/7 km = 7e-3 only
    slopes = ldf_slp(grid, params, t, s, jnp.full_like(t, 2.0e-4), jnp.full_like(t, 7.0e-4), n2)
    mixing, zero = ldf_tra(grid, Config(), params), jnp.zeros_like(grid.e1t)

    def trend(q: jax.Array, slopes: Slopes) -> jax.Array:
        dz = (km1(q) - q) / grid.e3w_0[:, None, None] * grid.wmask
        vertical = tra_ldf_akz(mixing, slopes) * dz
        return tra_ldf(grid, Config(), q, zero, zero, zero, mixing, slopes) + vertical - kp1(vertical)

    along_levels = trend(rho, jax.tree.map(jnp.zeros_like, slopes))
    # exp(-18) = 1.5e-8 is what the taper takes off slopes a tenth of the steepest
    assert float(jnp.abs(trend(rho, slopes)).max()) < 1e-7 * float(jnp.abs(along_levels).max())
    assert (
        float(jnp.abs(trend(s, slopes)).max()) > 0.1 * float(jnp.abs(trend(t, slopes)).max()) > 0.0
    )  # but mixes T, S


def test_isoneutral_diffusion_destroys_variance(make_grid: Callable[..., Grid]) -> None:
    """<q, div F(q)> <= 0 for any tracer when the slope is uniform: the operator is negative semi-definite."""
    levels = np.full((8, 9), 8)
    grid = make_grid(levels, np.full(8, 50.0), periodic=True)
    rng = np.random.default_rng(6)
    mixing, zero = ldf_tra(grid, Config(), DEFAULT_PARAMETERS), jnp.zeros_like(grid.e1t)
    slope = 5.0e-3
    slopes = Slopes(slope * grid.umask, -slope * grid.vmask, slope * grid.wmask, -slope * grid.wmask)

    @jax.jit
    def production(q: jax.Array) -> tuple[jax.Array, jax.Array]:
        dz = (km1(q) - q) / grid.e3w_0[:, None, None] * grid.wmask
        vertical = tra_ldf_akz(mixing, slopes) * dz
        trend = tra_ldf(grid, Config(), q, zero, zero, zero, mixing, slopes) + vertical - kp1(vertical)
        return (grid.e1e2t * q * trend).sum(), (grid.e1e2t * trend).sum()

    for scale in (1e-2, 1.0, 1e2):  # horizontally or vertically rough
        smooth = scale * rng.normal(size=(1, 8, 9)) + rng.normal(size=(8, 8, 9))
        variance, total = production(jnp.asarray(smooth) * grid.tmask)
        assert float(variance) < 0.0
        assert abs(float(total)) < 1e-12 * abs(float(variance))


def test_slopes_fade_out_where_steep(make_grid: Callable[..., Grid]) -> None:
    """Slopes stay below rn_slpmax, and vanish where it is exceeded three times."""
    grid, t, s, n2, _ = linear_ocean(make_grid)
    params = copy.deepcopy(DEFAULT_PARAMETERS)
    steep = ldf_slp(grid, params, t, s, jnp.full_like(t, 2e-4), jnp.full_like(t, 7e-4), 1e-6 * n2)
    gentle = ldf_slp(grid, params, t, s, jnp.full_like(t, 2e-4), jnp.full_like(t, 7e-4), n2)
    assert all(float(jnp.abs(a).max()) < 0.01 for a in gentle)
    assert float(jnp.abs(gentle.uslp).max()) > 1e-5
    assert all(float(jnp.abs(a).max()) < 0.01 for a in steep)


def test_radiation_is_absorbed_whole_and_decays_with_depth(make_grid: Callable[..., Grid]) -> None:
    """Paulson and Simpson (1977): below the first band, heating falls off as exp(-z/rn_si1)."""
    grid = make_grid(np.array([[0, 0, 0], [0, 3, 12], [0, 0, 0]]), np.full(12, 10.0), periodic=True)
    heating = tra_qsr(grid, Config(), DEFAULT_PARAMETERS, 200.0 * grid.ssmask)
    np.testing.assert_allclose(heating.sum(0), 200.0 * grid.ssmask / (1026.0 * 3991.86795711963), rtol=1e-14)
    deep = heating[:, 1, 2]
    np.testing.assert_allclose(deep[5] / deep[4], np.exp(-10.0 / 23.0), rtol=1e-10)


def test_cooling_stops_at_the_freezing_point(make_grid: Callable[..., Grid]) -> None:
    grid = make_grid(np.ones((3, 6)), np.array([10.0]), periodic=True)
    zero = jnp.zeros_like(grid.e1t)
    cooling = Surface(zero, zero, zero, zero - 100.0, zero, zero, zero)
    temperature = zero.at[1].set(jnp.array([-2.5, -1.9, -1.85, -1.8, -1.7, 5.0]))
    heat, _ = tra_sbc(grid, cooling, temperature)
    full = -100.0 / (1026.0 * 3991.86795711963)
    np.testing.assert_allclose(heat[1] / full, [0.0, 0.0, 0.25, 0.5, 1.0, 1.0], atol=1e-12)


@pytest.fixture(scope="module")
def step_of(ocean: SimpleNamespace) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """(T, S) of step n+1 as a compiled function of (params, state, surface, avt)."""
    return jax.jit(lambda p, s, f, a: tracers(ocean, Config(), p, s, f, a))


PARAMETERS = [
    ("namtra_ldf", "rn_Ud"),
    ("namtra_ldf", "rn_slpmax"),
    ("namtra_eiv", "rn_Ue"),
    ("namtra_qsr", "rn_abs"),
    ("namtra_qsr", "rn_si0"),
    ("namtra_qsr", "rn_si1"),
]


@pytest.fixture(scope="module")
def push(step_of: Callable[..., tuple]) -> Callable[..., tuple[tuple, tuple]]:
    """Value and tangent at (params, state, surface, avt), compiled once for all tests."""
    return jax.jit(lambda point, tangent: jax.jvp(step_of, point, tangent))


@pytest.mark.parametrize(("group", "entry"), PARAMETERS)
def test_derivative_with_respect_to_a_parameter(
    ocean: SimpleNamespace,
    step_of: Callable[..., tuple],
    push: Callable[..., tuple[tuple, tuple]],
    group: str,
    entry: str,
) -> None:
    """Tangent against a centred difference: good to 1e-10 of the temperature's own rounding over the step."""
    value, step = DEFAULT_PARAMETERS[group][entry], 1e-4
    direction = jax.tree.map(lambda _: 0.0, DEFAULT_PARAMETERS)
    direction[group][entry] = value
    resting = (ocean.state, ocean.surface, ocean.avt)
    _, tangent = push((DEFAULT_PARAMETERS, *resting), (direction, *still(resting)))

    def moved(factor: float) -> tuple:
        params = copy.deepcopy(DEFAULT_PARAMETERS)
        params[group][entry] = value * factor
        return step_of(params, ocean.state, ocean.surface, ocean.avt)

    for exact, a, b in zip(tangent, moved(1 + step), moved(1 - step), strict=True):
        difference = (a - b) / (2 * step)
        # third derivatives of the taper, 20 per relative slope, times step^2
        atol = 1e-4 * float(jnp.abs(exact).max()) + 1e-10
        np.testing.assert_allclose(exact, difference, rtol=0, atol=atol)
    assert max(float(jnp.abs(exact).max()) for exact in tangent) > 1e-9


def still(tree: Any) -> Any:
    """Zero tangent."""
    return jax.tree.map(lambda a: 0.0 * a, tree)


def random_like(seed: int, tree: Any) -> Any:
    """Random tangent of the size of the leaves themselves."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda a: jnp.asarray(rng.normal(size=np.shape(a))) * jnp.abs(a), tree)


def test_tangent_and_adjoint_agree_and_are_finite(
    ocean: SimpleNamespace, step_of: Callable[..., tuple], push: Callable[..., tuple[tuple, tuple]]
) -> None:
    """<w, J v> = <J' w, v> for all parameters, state, fluxes and avt; water of one temperature included."""
    uniform = ocean.state._replace(thetao=ocean.state.thetao.at[:, :, 3:6].set(9.0) * ocean.grid.tmask)
    point = (DEFAULT_PARAMETERS, uniform, ocean.surface, ocean.avt)
    tangent = random_like(3, point)
    out, pushed = push(point, tangent)
    cotangent = random_like(4, out)
    pulled = jax.jit(lambda p, w: jax.vjp(step_of, *p)[1](w))(point, cotangent)
    forward = sum(float(jnp.vdot(a, b)) for a, b in zip(cotangent, pushed, strict=True))
    pairs = zip(jax.tree.leaves(pulled), jax.tree.leaves(tangent), strict=True)
    backward = sum(float(jnp.vdot(a, b)) for a, b in pairs)
    assert all(bool(jnp.isfinite(a).all()) for a in jax.tree.leaves(pulled))
    assert backward == pytest.approx(forward, rel=1e-10)  # rounding of 1e4 terms of mixed size


def test_tangent_of_the_state_passes_the_taylor_test(
    ocean: SimpleNamespace, step_of: Callable[..., tuple], push: Callable[..., tuple[tuple, tuple]]
) -> None:
    """The remainder of the first-order expansion falls by 4 when the perturbation is halved."""
    tangent = random_like(5, ocean.state)
    others = (ocean.surface, ocean.avt)
    point = (DEFAULT_PARAMETERS, ocean.state, *others)
    out, pushed = push(point, (still(DEFAULT_PARAMETERS), tangent, *still(others)))

    def remainders(eps: float) -> list[float]:
        state = jax.tree.map(lambda a, da: a + eps * da, ocean.state, tangent)
        moved = step_of(DEFAULT_PARAMETERS, state, *others)
        return [float(jnp.linalg.norm(m - f - eps * df)) for m, f, df in zip(moved, out, pushed, strict=True)]

    for coarse, fine in zip(remainders(1e-6), remainders(5e-7), strict=True):
        assert np.log2(coarse / fine) == pytest.approx(2.0, abs=0.1)


@pytest.fixture(scope="module", params=["gyre", "global", "other switches"])
def step(
    request: pytest.FixtureRequest, namelists: dict[str, str], fortran_step: Callable[..., SimpleNamespace]
) -> SimpleNamespace:
    """A Fortran step after 20 others, with currents, slopes and convection."""
    groups = namelists | {"other switches": namelists["gyre"] + OTHER_SWITCHES}
    answer = fortran_step(groups[request.param], 20)
    grid, state = answer.grid, answer.state
    answer.r3 = dom_qco_r3(grid, state.zos)
    answer.expansion = eos_rab(grid, answer.params["nameos"], state.thetao, state.so)
    answer.slopes = Slopes(*(answer.fields[name] for name in Slopes._fields))
    answer.transport = TracerTransport(*(answer.fields[name] for name in ("uu_tr", "vv_tr", "ww_tr")))
    return answer


def assert_twins(twin: jax.Array, fortran: jax.Array) -> None:
    """Equal to 1e-12 of the field's range: a few dozen roundings of single operations."""
    scale = float(jnp.abs(fortran).max())
    assert scale > 0.0
    np.testing.assert_allclose(twin, fortran, rtol=0, atol=1e-12 * scale)


def test_slopes_are_fortrans(step: SimpleNamespace) -> None:
    if not step.config.ln_ldfeiv:
        assert not any(bool(jnp.any(slope)) for slope in step.slopes)  # nobody needs them
        return
    state = step.state
    slopes = ldf_slp(step.grid, step.params, state.thetao, state.so, *step.expansion, step.fields["rn2"])
    for name in Slopes._fields:
        assert_twins(getattr(slopes, name), step.fields[name])
    assert_twins(tra_ldf_akz(ldf_tra(step.grid, step.config, step.params), slopes), step.fields["akz"])


def test_transports_are_fortrans(step: SimpleNamespace) -> None:
    flow = Flow(**{name: step.fields[name] for name in ("un_adv", "vn_adv", "u_bc", "v_bc", "r3t_new")})
    out = tra_transport(step.grid, step.config, step.params, flow, step.slopes, *step.r3)
    for twin, fortran in zip(out, step.transport, strict=True):
        assert_twins(twin, fortran)


@pytest.mark.parametrize(("tracer", "name"), [("thetao", "t"), ("so", "s")])
def test_advection_and_lateral_diffusion_are_fortrans(step: SimpleNamespace, tracer: str, name: str) -> None:
    grid, config, q = step.grid, step.config, getattr(step.state, tracer)
    advection = tra_adv(grid, config, q, step.r3[0], step.transport)
    assert_twins(advection, step.fields[f"adv_{name}"])
    lateral = tra_ldf(grid, config, q, *step.r3, ldf_tra(grid, config, step.params), step.slopes)
    assert_twins(step.fields[f"adv_{name}"] + lateral, step.fields[f"advldf_{name}"])


def test_surface_fluxes_and_radiation_are_fortrans(step: SimpleNamespace) -> None:
    f = step.fields
    heat, salt = tra_sbc(step.grid, step.surface, step.state.thetao[0])
    radiation = tra_qsr(step.grid, step.config, step.params, step.surface.qsr)
    assert_twins((f["advldf_t"] + radiation).at[0].add(heat), f["trd_t"])
    assert_twins(f["advldf_s"].at[0].add(salt), f["trd_s"])


def test_the_whole_tracer_step_is_fortrans(step: SimpleNamespace) -> None:
    flow = Flow(**{name: step.fields[name] for name in ("un_adv", "vn_adv", "u_bc", "v_bc", "r3t_new")})
    f, state = step.fields, step.state
    inputs = (f["avt"], f["rn2"], *step.expansion, *step.r3, flow)
    t, s = tra_stp(step.grid, step.config, step.params, state, step.surface, None, *inputs)
    assert_twins(t, f["thetao"])
    assert_twins(s, f["so"])
