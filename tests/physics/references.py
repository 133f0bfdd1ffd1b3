"""Solutions and laws that the toy ocean is compared with, each with its source. numpy only, SI units."""

from __future__ import annotations

import numpy as np

GRAVITY = 9.80665  # m s-2, as in the model
REFERENCE_DENSITY = 1026.0  # kg m-3, as in the model


def gravity_wave_speed(depth: float) -> float:
    """c = sqrt(g H) of long surface gravity waves, and of Kelvin waves along a wall (Gill 1982, 5.6 and 10.4)."""
    return float(np.sqrt(GRAVITY * depth))


def internal_wave_speed(
    buoyancy_frequency: float, depth: float, mode: int = 1, levels: int | None = None
) -> float:
    """c_n = N H / (n pi), rigid lid and uniform N (Gill 1982, 6.11).

    With `levels`: of the same mode between `levels` equal layers of T and u with w at their interfaces, where
    d2/dz2 has the eigenvalue (2 sin(n pi / 2 levels) / dz)^2 for w and pressure is the sum of buoyancy midway:
    c = N dz / (2 tan(n pi / (2 levels))).
    """
    if levels is None:
        return buoyancy_frequency * depth / (mode * np.pi)
    return buoyancy_frequency * depth / levels / (2 * np.tan(mode * np.pi / (2 * levels)))


def wind_deepening(friction_velocity: float, time: np.ndarray, buoyancy_frequency: float) -> np.ndarray:
    """Depth of a layer mixed by a steady wind into uniform N, no rotation: h = 1.05 u* sqrt(t / N) (m).

    Kato and Phillips (1969); the form is Price's (1979): the layer takes up the momentum u*^2 t, its density step
    is half of N^2 h rho / g, and it deepens so that the bulk Richardson number (N^2 h / 2) h / U^2 stays at
    R_v = 0.6. Hence h = (2 R_v)^(1/4) u* sqrt(t / N), and (1.2)^(1/4) = 1.05.
    """
    critical_richardson = 0.6
    return (
        (2 * critical_richardson) ** 0.25 * friction_velocity * np.sqrt(np.asarray(time) / buoyancy_frequency)
    )


def munk_width(viscosity: float, beta: float) -> float:
    """delta = (A / beta)^(1/3), m (Munk 1950)."""
    return float((viscosity / beta) ** (1 / 3))


def munk_current_edge(viscosity: float, beta: float, slip: float) -> float:
    """Distance from the wall at which the boundary current v turns round, m.

    At a no-slip wall (slip = 2) v goes with exp(-s/2) sin(sqrt(3) s/2), s = x/delta: s = 2 pi / sqrt(3) = 3.63;
    to exp(-s/2) cos(sqrt(3) s/2 - pi/6) at a free-slip wall (slip = 0): s = 4 pi / (3 sqrt(3)) = 2.42.
    """
    angle = {2.0: np.pi, 0.0: 2 * np.pi / 3}[slip]
    return 2 / np.sqrt(3) * angle * munk_width(viscosity, beta)


def gyre_streamfunction(
    x: np.ndarray,
    width: float,
    half_wavelength: float,
    beta: float,
    viscosity: float = 0.0,
    drag_rate: float = 0.0,
    slip: float = 0.0,
) -> np.ndarray:
    """X(x) of the steady linear gyre psi = psi_0 X(x) sin(pi y / L_y), normalised by the Sverdrup transport.

    beta psi_x = curl(tau)/(rho0 H) + A del^4 psi - r del^2 psi with psi = 0 on all walls, and for A > 0 free slip
    (slip = 0: del^2 psi = 0) or no slip (slip = 2: psi_x = 0) in the west and east. Exact in a rectangle of `width`
    for a curl proportional to sin(pi y / L_y); with no slip in the south and north as well it is good in mid-basin.
    A = 0 is Stommel (1948), r = 0 Munk (1950). x from the western wall, m; r in s-1. X is scaled so that Sverdrup
    balance would be X_x = -1 / width, X = 1 - x / width.
    """
    k2 = (np.pi / half_wavelength) ** 2
    # A X'''' - (2 A k2 + r) X'' - beta X' + (A k2^2 + r k2) X = forcing, the particular solution is constant
    polynomial = [
        viscosity,
        0.0,
        -(2 * viscosity * k2 + drag_rate),
        -beta,
        viscosity * k2**2 + drag_rate * k2,
    ]
    roots = np.roots(np.trim_zeros(polynomial, "f"))
    particular = beta / width / polynomial[-1]
    # roots with a positive real part decay from the eastern wall: keep every exponential below 1
    origin = np.where(roots.real > 0, width, 0.0)

    def exponentials(at: np.ndarray, derivative: int) -> np.ndarray:
        return roots**derivative * np.exp(roots * (np.asarray(at)[..., None] - origin))

    walls = np.array([0.0, width])
    rows = [exponentials(walls, 0)]
    right = [np.full(2, -particular)]
    if viscosity > 0:
        rows.append(exponentials(walls, 1 if slip else 2))
        right.append(np.zeros(2))
    coefficients = np.linalg.solve(np.concatenate(rows), np.concatenate(right))
    return particular + np.real(exponentials(x, 0) @ coefficients)
