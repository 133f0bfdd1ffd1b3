"""Points on the sphere as unit vectors [..., 3]: no poles and no date line to take care of."""

from __future__ import annotations

import numpy as np

EARTH_RADIUS = 6371229.0  # m, NEMO's `ra`
EARTH_ROTATION = 7.292115083046062e-5  # s-1, NEMO's `omega`


def points(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Unit vectors [..., 3] of longitudes and latitudes in degrees [...]."""
    lam, phi = np.deg2rad(np.asarray(lon, dtype=float)), np.deg2rad(np.asarray(lat, dtype=float))
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def longitude(p: np.ndarray) -> np.ndarray:
    """Degrees east [...] in (-180, 180]."""
    return np.rad2deg(np.arctan2(p[..., 1], p[..., 0]))


def latitude(p: np.ndarray) -> np.ndarray:
    """Degrees north [...]."""
    return np.rad2deg(np.arcsin(np.clip(p[..., 2], -1.0, 1.0)))


def middle(*ends: np.ndarray) -> np.ndarray:
    """The points [..., 3] in the middle of others."""
    total = np.sum(ends, axis=0)
    return total / np.linalg.norm(total, axis=-1, keepdims=True)


def distance(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Length in m [...] of the great circles between points."""
    return 2 * EARTH_RADIUS * np.arcsin(np.clip(np.linalg.norm(p - q, axis=-1) / 2, 0.0, 1.0))


def coriolis(p: np.ndarray) -> np.ndarray:
    """2 Ω sin φ [s-1]."""
    return 2 * EARTH_ROTATION * p[..., 2]
