"""Times of repeated calls, and what is said of them: best and median side by side, and the setting."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

#: figures by name; of a figure `x`, taken from best times, `x_median` is the same from medians
Figures = dict[str, float]


def seconds_of(action: Callable[[], Any], repeats: int) -> list[float]:
    """Seconds of each of `repeats` calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return times


def best_and_median(name: str, seconds: Sequence[float], factor: float = 1.0) -> Figures:
    """The figures `name` and `name`_median, `factor` times the seconds."""
    return {name: factor * float(min(seconds)), f"{name}_median": factor * float(np.median(seconds))}


def ratio(name: str, ours: Sequence[Sequence[float]], reference: Sequence[float]) -> Figures:
    """Sum of the bests of several series over the best of the reference, and the same of medians."""
    return {
        name: sum(min(times) for times in ours) / min(reference),
        f"{name}_median": float(sum(np.median(times) for times in ours) / np.median(reference)),
    }


def median_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """Median, and the 95 % bootstrap interval of it."""
    values = np.asarray(values)
    samples = np.random.default_rng(0).choice(values, (10_000, values.size))
    low, high = np.percentile(np.median(samples, axis=1), [2.5, 97.5])
    return float(np.median(values)), float(low), float(high)


def setting(**more: Any) -> Mapping[str, Any]:
    """Where and when this was measured."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        **more,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            return next(line.split(":")[1].strip() for line in stream if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown"
