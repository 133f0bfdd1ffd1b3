"""`nemo-bridge bench veros`: all of it, in cells beside the JSON file, and the figures."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optim.bench.commit import commit
from optim.bench.report import publish
from optim.bench.timing import setting
from optim.bench.veros import cost, exactness, parity, reference
from optim.bench.veros.cells import Cells
from optim.bench.veros.differences import judged
from optim.bench.veros.exactness import Point

PARTS = ("parity", "parameters", "temperature", "elsewhere", "cost")


def main(json_path: Path | None = None, quick: bool = False, parts: Sequence[str] = PARTS) -> dict[str, Any]:
    """Measure what is not measured yet; a table to standard output, the figures to `json_path` if given.

    `quick`: the coarse channel and two horizons. Several processes may make different `parts` at the same time; the
    figures are those of the parts asked for.
    """
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise ValueError(f"expected parts among {', '.join(PARTS)}, got {', '.join(unknown)}")
    plan = _QUICK if quick else _FULL
    cells = Cells(_directory(json_path), {**plan, "veros": importlib.metadata.version("veros")})
    _keep_compiled(cells.directory / "compiled")
    cases = measure(plan, cells, parts)
    result = {"figures": figures(cases), "setting": setting(commit=commit(), **plan), "veros": cases}
    return publish(result, "veros", json_path)


def _keep_compiled(directory: Path) -> None:
    """Compiled programs are kept beside the cells, for this process and those it starts; or where the user says."""
    import jax

    kept = os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(directory.absolute()))
    jax.config.update("jax_compilation_cache_dir", kept)


#: errors beyond this are compared with the noise of the differences
_SMALL_ERROR = 1e-6

_FULL: dict[str, Any] = {
    "setup": "acc",
    "spin_up": 200,
    "horizons": [1, 10, 50, 100],
    "directions": [0, 1, 2],
    "elsewhere": [0, 1, 2],
    "long": 730,
}
_QUICK: dict[str, Any] = {
    "setup": "acc_coarse",
    "spin_up": 60,
    "horizons": [1, 5],
    "directions": [0],
    "elsewhere": [],
    "long": 0,
}


def _directory(json_path: Path | None) -> Path:
    return Path("runs/bench_veros") if json_path is None else json_path.with_suffix(".cells")


def measure(plan: dict[str, Any], cells: Cells, parts: Sequence[str]) -> dict[str, Any]:
    """All cells of `parts`: {kind: …}."""
    model = reference.make(plan["setup"])
    state = reference.spun_up(model, plan["spin_up"], cells)
    horizons = tuple(plan["horizons"])
    here = Point(model, state, model.params(), horizons, cells, "here")
    cases: dict[str, Any] = {}
    if "parity" in parts:
        cases["parity"] = cells.get("parity", parity.forward_parity, plan["setup"], 10, cells.directory)
    if "parameters" in parts:
        cases["parameters"] = exactness.parameter_cells(here, reference.PARAMETERS)
        cases["parameters"] |= _without_profile(plan, here)
    if "temperature" in parts:
        cases["temperature"] = exactness.temperature_cells(here, plan["directions"])
    for seed in plan["elsewhere"] if "elsewhere" in parts else ():
        params = exactness.elsewhere(model, seed, reference.PARAMETERS)
        there = Point(model, state, params, horizons[:2], cells, f"point{seed}")
        cases[there.tag] = exactness.parameter_cells(there, reference.PARAMETERS)
    if "cost" in parts:
        cases |= _costs(plan, here)
    return cases


def _without_profile(plan: dict[str, Any], here: Point) -> dict[str, Any]:
    """kappaH_min in a model without the profile of diffusivity that hides it, from the same state."""
    model = reference.make(plan["setup"], **reference.WITHOUT_PROFILE)
    point = Point(model, here.state, model.params(), here.horizons, here.cells, "without_profile")
    return exactness.parameter_cells(point, ["kappaH_min"])


def _costs(plan: dict[str, Any], here: Point) -> dict[str, Any]:
    """Time of a gradient over the longest horizon, and memory of gradients over that and over a long one."""
    from emulator.veros.gradient import GradientSweep

    sweep, steps = GradientSweep(here.model, reference.loss(here.model, "psi")), here.horizons[-1]
    cells = here.cells
    found = {
        "cost": cells.get(
            "gradient_over_forward", cost.gradient_over_forward, sweep, here.state, here.params, steps
        )
    }
    for length in (steps, plan["long"]) if plan["long"] else ():
        found[f"memory_n{length}"] = cells.get(f"memory_n{length}", cost.peak_memory, plan["setup"], length)
    return found


def figures(cases: dict[str, Any]) -> dict[str, float]:
    """gradient_error.<parameter>.n<steps> (loss psi), …_<loss> for the others, the same with `noise`, and the rest."""
    found: dict[str, float] = {}
    if "parity" in cases:
        found["forward_parity"] = max(cases["parity"].values())
    for kind in [name for name in cases if name in ("parameters", "temperature") or name.startswith("point")]:
        found |= _exactness(cases[kind], f"{kind}." if kind.startswith("point") else "")
    if "cost" in cases:
        found["gradient_over_forward"] = cases["cost"]["ratio"]
        found["gradient_over_forward_median"] = cases["cost"]["median_ratio"]
        found["forward_ms_per_step"] = cases["cost"]["forward_ms_per_step"]
    found |= {f"{name}_gb": case["gigabytes"] for name, case in cases.items() if name.startswith("memory")}
    ratios = [
        error / found[name.replace("gradient_error", "difference_noise")]
        for name, error in found.items()
        if name.startswith("gradient_error.") and error > _SMALL_ERROR
    ]
    return {**found, "worst_error_over_noise": max(ratios)} if ratios else found


def _exactness(by_name: dict[str, Any], place: str) -> dict[str, float]:
    """Errors and noise of one kind of cells; where differences are 0 there is nothing to compare with."""
    found: dict[str, float] = {}
    for name, by_loss in by_name.items():
        for loss, by_horizon in by_loss.items():
            for horizon, seen in by_horizon.items():
                label = f"{place}{name}{'' if loss == 'psi' else f'_{loss}'}.n{horizon}"
                verdict = judged(seen["exact"], seen["differences"])
                if verdict is not None:
                    found[f"gradient_error.{label}"] = verdict.error
                    found[f"difference_noise.{label}"] = verdict.noise
    return found
