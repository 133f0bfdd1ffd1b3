"""Lateral viscosity of momentum on a mesh: small where the tropics' narrow currents need it, else in proportion to dx.

ORCA's own files hold such a map (nn_ahm_ijk_t = -30). Ours is a Laplacian viscosity of `WIDE` × dx / 1° poleward of
20° and `NARROW` × dx / 1° within 2.5° of the equator.
"""

from __future__ import annotations

import numpy as np

from bridge.models.nemo.orca1.mesh import Mesh

NARROW, WIDE = 1000.0, 20000.0  # m2 s-1
_NEAR, _FAR = 2.5, 20.0  # degrees
_DEGREE = 111e3  # m


def viscosity(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """ahmt at T and ahmf at F points [j, i], m2 s-1."""
    factors, places = mesh.scale_factors, mesh.places
    return (
        _at(places["t"][1], np.maximum(factors["e1t"], factors["e2t"])),
        _at(places["f"][1], np.maximum(factors["e1f"], factors["e2f"])),
    )


def _at(lat: np.ndarray, width: np.ndarray) -> np.ndarray:
    away = np.clip((np.abs(lat) - _NEAR) / (_FAR - _NEAR), 0.0, 1.0)
    share = 0.5 * (1.0 - np.cos(np.pi * away))
    return (NARROW + (WIDE - NARROW) * share) * np.minimum(width / _DEGREE, 3.0)
