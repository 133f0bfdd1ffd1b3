"""Waves travel at the speed that theory gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import recipes
import references

CELL = 1.0e4


def crest(signal: np.ndarray) -> np.ndarray:
    """Position (in cells) of the largest value of each row [t, x], refined by a parabola."""
    k = np.clip(signal.argmax(-1), 1, signal.shape[-1] - 2)
    before, peak, after = (np.take_along_axis(signal, (k + d)[:, None], 1)[:, 0] for d in (-1, 0, 1))
    return k + 0.5 * (before - after) / (before - 2 * peak + after)


def speed(signal: np.ndarray, interval: float) -> float:
    """Speed (m s-1) of the crest in a record [t, x] every `interval` seconds, by a straight-line fit."""
    slope = np.polyfit(interval * np.arange(signal.shape[0]), CELL * crest(signal), 1)[0]
    return float(slope)


def channel(**entries: Any) -> dict[str, Any]:
    return {
        "nn_nx": 200,
        "nn_ny": 6,
        "nn_nz": 2,
        "rn_dx": CELL,
        "rn_depth": 1000.0,
        "ln_perio": True,
        "rn_f0": 0.0,
    } | entries


def test_surface_gravity_wave(run_toy_ocean: Callable[..., Any]) -> None:
    box = channel(cn_bump="x", rn_ssh_bump=0.1, rn_bump_width=1.2e5)
    run = run_toy_ocean(recipes.idealised(box, 22, 300.0, 1, recipes.NO_MIXING))
    height = run.fields.zos.values[:, 2]
    # the hump splits in two; followed eastwards once they have parted and before it wraps round
    east = height[-10:, 101:]
    # averaging over a step (variance dt^2/12 each time) widens the hump of width sigma/c in time, and lowers it
    damping = (1 + 22 * 300.0**2 / 12 / (1.2e5 / references.gravity_wave_speed(1000.0)) ** 2) ** -0.5
    assert height[-1].max() == pytest.approx(0.05 * damping, rel=0.02)
    # 2 %: 24 cells per hump leave next to no numerical dispersion
    assert speed(east, 300.0) == pytest.approx(references.gravity_wave_speed(1000.0), rel=0.02)


def test_kelvin_wave_keeps_to_the_wall(run_toy_ocean: Callable[..., Any]) -> None:
    box = channel(nn_ny=42, rn_f0=1.0e-4, cn_bump="kelvin", rn_ssh_bump=0.1, rn_bump_width=1.5e5)
    run = run_toy_ocean(recipes.idealised(box, 20, 300.0, 1, recipes.NO_MIXING))
    wall = run.fields.zos.values[:, 1]
    assert speed(wall, 300.0) == pytest.approx(references.gravity_wave_speed(1000.0), rel=0.02)
    # it travels eastwards, wall on its right, with no flow across: 3 % of the flow along the wall
    assert np.abs(run.fields.vo.values).max() < 0.03 * np.abs(run.fields.uo.values).max()


def test_internal_wave_of_the_first_mode(run_toy_ocean: Callable[..., Any]) -> None:
    levels, depth, frequency = 16, 1000.0, 10.0**-2.5
    box = channel(
        nn_nx=120, nn_nz=levels, rn_n2=frequency**2, cn_bump="x", rn_t_bump=0.01, rn_bump_width=6.0e4
    )
    interval = 6 * 3600.0
    run = run_toy_ocean(recipes.idealised(box, 240, 1800.0, 12, recipes.NO_MIXING))
    centres = (np.arange(levels) + 0.5) / levels
    temperature = run.fields.thetao.values[:, :, 2]
    amplitude = np.einsum(
        "tkx,k->tx", temperature - temperature.mean(-1, keepdims=True), np.sin(np.pi * centres)
    )
    east = (np.sign(amplitude[0, 60]) * amplitude)[-10:, 61:]
    expected = references.internal_wave_speed(frequency, depth, levels=levels)
    assert expected == pytest.approx(references.internal_wave_speed(frequency, depth), rel=0.01)
    # 2 %: amplitude 1 m in 1000 m, 12 cells per hump
    assert speed(east, interval) == pytest.approx(expected, rel=0.02)
