"""Transports through sections of a C-grid: differences of a streamfunction, whatever the way, and signs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bridge.errors import ConfigurationError
from bridge.models.nemo.sections import SECTIONS, between, nearest, overturning, rest_mesh

NY, NX, NZ = 30, 72, 3


@pytest.fixture(scope="module")
def mesh() -> dict[str, np.ndarray]:
    """5 degrees, F points at the north-eastern corners; widths and thicknesses of no importance."""
    rng = np.random.default_rng(0)
    lon, lat = np.meshgrid(-180.0 + 5 * np.arange(1, NX + 1), -75.0 + 5 * np.arange(1, NY + 1))
    return {
        "glamf": lon, "gphif": lat,
        "e2u": rng.uniform(1e5, 2e5, (NY, NX)), "e1v": rng.uniform(1e5, 2e5, (NY, NX)),
        "e3u": rng.uniform(10, 20, (NZ, NY, NX)), "e3v": rng.uniform(10, 20, (NZ, NY, NX)),
    }  # fmt: skip


def _flow(psi: np.ndarray, mesh: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Velocities [k, j, i] whose transports are differences of psi [k, j, i] at F points."""
    south = np.concatenate([psi[:, :1], psi[:, :-1]], axis=1)
    u = -(psi - south) / (mesh["e2u"] * mesh["e3u"])
    v = (psi - np.roll(psi, 1, axis=2)) / (mesh["e1v"] * mesh["e3v"])
    return u, v


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ((-100.0, -40.0), (-60.0, 35.0)),
        ((60.0, 40.0), (20.0, -40.0)),
        ((160.0, 0.0), (-150.0, 20.0)),  # across the date line
        ((0.0, 10.0), (0.0, -50.0)),
        ((-30.0, 25.0), (40.0, 25.0)),
    ],
)
def test_transports_are_differences_of_the_streamfunction(
    mesh: dict[str, np.ndarray], start: tuple[float, float], end: tuple[float, float]
) -> None:
    psi = np.random.default_rng(1).normal(size=(NZ, NY, NX))
    found = between(start, end, mesh).transports(*_flow(psi, mesh), mesh)
    a, b = nearest(start, mesh), nearest(end, mesh)
    np.testing.assert_allclose(found, psi[(slice(None), *b)] - psi[(slice(None), *a)], atol=1e-9)


def test_a_section_takes_as_many_faces_as_its_ends_are_apart(mesh: dict[str, np.ndarray]) -> None:
    faces = between((160.0, 0.0), (-150.0, 20.0), mesh)
    assert (faces.u[0].size, faces.v[0].size) == (4, 10)
    # near the straight line: never more than a step away from it
    rows = faces.v[0] - nearest((160.0, 0.0), mesh)[0]
    assert np.abs(rows - 0.4 * np.arange(10)).max() <= 1.0


def test_flow_to_the_east_through_a_walk_southwards_is_positive(mesh: dict[str, np.ndarray]) -> None:
    east, none = np.ones((2, NZ, NY, NX)), np.zeros((2, NZ, NY, NX))
    south = between((-65.0, -50.0), (-65.0, -65.0), mesh)
    found = south.transports(east, none, mesh)
    assert found.shape == (2, NZ)
    j, i = nearest((-65.0, -50.0), mesh)
    np.testing.assert_allclose(found[0], (mesh["e2u"] * mesh["e3u"])[:, j - 2 : j + 1, i].sum(axis=1))
    eastwards = between((-40.0, 25.0), (-20.0, 25.0), mesh)
    assert (eastwards.transports(none, east, mesh) > 0).all()
    np.testing.assert_allclose(overturning(found)[0, -1], found[0].sum())


def test_land_has_no_thickness() -> None:
    last = np.array([[0, 2, 1], [2, 2, 2]])
    thick = np.full((2, 2, 3), 10.0)
    domain: Any = {"bottom_level": last, "e3u_0": thick, "e3v_0": thick}
    domain |= {name: np.zeros((2, 3)) for name in ("glamf", "gphif", "e2u", "e1v")}
    found = rest_mesh(domain)
    np.testing.assert_array_equal(found["e3u"][:, 0] > 0, [[False, True, False], [False, False, False]])
    np.testing.assert_array_equal(found["e3v"][:, 0] > 0, [[False, True, True], [False, True, False]])


def test_ends_at_one_point_are_refused(mesh: dict[str, np.ndarray]) -> None:
    with pytest.raises(ConfigurationError, match="a section needs two ends"):
        between((0.0, 0.0), (0.5, 0.5), mesh)


def test_named_sections_have_two_ends() -> None:
    assert all(start != end for start, end in SECTIONS.values())
