"""Everything that an ORCA1-like NEMO reads, made from public packages into one folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from bridge.errors import ConfigurationError
from bridge.models.nemo.orca1 import domain_cfg, files
from bridge.models.nemo.orca1.bottom import bottom, neighbours
from bridge.models.nemo.orca1.levels import reference_levels
from bridge.models.nemo.orca1.mesh import block_means, read_eorca1
from bridge.models.nemo.orca1.observations import write_observations
from bridge.models.nemo.orca1.relief import cell_depths
from bridge.models.nemo.orca1.sources import PROVENANCE, Sources

VERSIONS = ("5.0", "4.2", "4.0")
#: cells of eORCA1 on the side of one
COARSER = (1, 2, 3)
#: least wet levels of a column
_LEAST_LEVELS = {31: 3, 75: 9}
#: s at 1°; coarser meshes take longer ones in proportion, at most three hours
_TIME_STEP, _LONGEST = 3600.0, 10800.0


def make_domain(levels: int, coarsen: int, relief: Path) -> domain_cfg.Domain:
    """eORCA1, or `coarsen` × `coarsen` of its cells as one: wet where more than half of them are."""
    mesh, wet = read_eorca1()
    if coarsen != 1:
        mesh = mesh.coarsened(coarsen)
        wet = block_means(wet.astype(float), coarsen) > 0.5
    depth, _ = cell_depths(mesh, relief)
    reference = reference_levels(levels)
    floor = bottom(mesh, wet, depth, reference, _LEAST_LEVELS[levels])
    return domain_cfg.Domain(mesh, reference, floor, index=coarsen)


def build(
    folder: Path,
    levels: int = 31,
    coarsen: int = 1,
    version: str = "5.0",
    sources: Sources | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> domain_cfg.Domain:
    """Write what NEMO reads, namelist_cfg and observations.nc into `folder`."""
    if version not in VERSIONS:
        raise ConfigurationError(f"expected a NEMO version of {', '.join(VERSIONS)}, got {version!r}")
    if coarsen not in COARSER:
        raise ConfigurationError(
            f"expected {', '.join(map(str, COARSER))} cells on the side of one, got {coarsen}"
        )
    sources = sources or Sources()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be made a folder ({error.strerror})") from error
    progress("mesh and sea floor")
    domain = make_domain(levels, coarsen, sources.relief)
    progress("domain_cfg.nc")
    title = {
        "title": f"ORCA1-like domain, {levels} levels"
        + (f", {coarsen} x {coarsen} cells as one" * (coarsen > 1))
    }
    domain_cfg.write(folder / "domain_cfg.nc", domain, {**PROVENANCE, **title}, version)
    progress("initial state, forcing, viscosity")
    files.write_inputs(folder, domain, sources, version)
    progress("climatologies to compare with")
    write_observations(folder / "observations.nc", domain, sources)
    step = min(_TIME_STEP * coarsen, _LONGEST)
    steps = round(10 * 86400 / step)
    settings = files.namelist(version, steps, {"namdom": {"rn_dt": step}})
    settings.write(folder / "namelist_cfg", force=True)
    return domain


def checks(domain: domain_cfg.Domain) -> dict[str, float]:
    """What the configuration is, to be held against published values: areas in m², volume in m³, lengths in m."""
    floor, area = domain.bottom, domain.mesh.area
    wet_area = float((area * floor.wet).sum())
    volume = float((area * floor.depth).sum())
    shortest = min(float(e[floor.wet].min()) for e in domain.mesh.scale_factors.values())
    return {
        "wet_columns": float(floor.wet.sum()),
        "wet_area": wet_area,
        "volume": volume,
        "mean_depth": volume / wet_area,
        "deepest": float(floor.depth.max()),
        "shallowest": float(floor.depth[floor.wet].min()),
        "shortest_side": shortest,
        "isolated_columns": float(np.sum(_alone(floor.wet))),
    }


def _alone(wet: np.ndarray) -> np.ndarray:
    return wet & ~neighbours(wet).any(axis=0)
