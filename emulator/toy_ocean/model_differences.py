"""The twin's exact gradient against finite differences of the Fortran program itself.

The scalar is the mean square change of temperature and velocity since the restart x₀,

    J = ½ Σ_fields Σ_wet (x − x₀)² / s²,     s² = Σ_wet (x − x₀)² of the run with the unchanged namelist,

so that every field contributes ½. (The ssh is left out: it follows from fast waves, and its rounding is 100 times
larger beside its sensitivities than that of the others.) The diffusivity of convection, rn_evd, hardly acts on that:
it is so large that columns are well mixed whatever its value. What it decides is how much stratification is left in
them, so its scalar is

    J = ½ Σ_convecting (T(k−1) − T(k))² / s²

over the W points at which convection is on in every step of the run with the unchanged namelist. Central
differences of J are not taken by subtracting two values of J, which would leave few digits; with
d = x(θ+) − x(θ−) and m = (x(θ+) + x(θ−))/2,

    J(θ+) − J(θ−) = Σ d (m − x₀) / s²

exactly, so that rounding enters only through the fields' own. Both runs are stand-alone, with changed namelists,
from one restart file. Two steps, h and 2h, give a difference of fourth order, (4 D(h) − D(2h))/3. The single
discontinuous switch of the model is convection (zdfevd): the number of cells and steps at which it differs between
the two runs is part of the table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import netCDF4
import numpy as np

from bridge import namelist
from bridge.errors import ConfigurationError
from bridge.models import toy_ocean
from bridge.namelist import Namelist
from emulator.toy_ocean import config as configuration
from emulator.toy_ocean.gradient import ExactTwin, Fields, Start
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.sbc import Climatology, read_climatology
from emulator.toy_ocean.state import State, read_restart

FIELDS = {"thetao": "tmask", "uo": "umask", "vo": "vmask"}
PARAMETERS = (
    "namzdf_tke/rn_ediff",
    "namzdf_tke/rn_ediss",
    "namzdf_tke/rn_ebb",
    "namtra_ldf/rn_Ud",
    "namdyn_ldf/rn_Uv",
    "namdrg_bot/rn_Cd0",
    "namtra_qsr/rn_si1",
    "namzdf/rn_evd",
)
CONVECTION = "namzdf/rn_evd"
STEPS = (1e-2, 2e-3, 1e-3, 2e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7)  # relative to the parameter


class Scalar(Protocol):
    """A smooth function J of what a run recorded."""

    def __call__(self, records: Fields) -> tuple[float, Fields]:
        """J at the last record and its gradient with respect to all records."""
        ...

    def difference(self, upper: State, lower: State) -> float:
        """J(upper) − J(lower) without cancellation."""
        ...


class StandAlone:
    """The Fortran program, run by itself in `folder` from one spun-up state.

    `settings` are namelist values that differ from those of the file; file names in it are relative to its folder.
    """

    def __init__(
        self,
        file: Path,
        folder: Path,
        spin_up: int,
        program: Path | None = None,
        settings: Mapping | None = None,
    ) -> None:
        self.base, self.folder = file.parent, folder
        self._reading = threading.Lock()  # the netCDF library is not for threads
        self.program = program or toy_ocean.executable()
        plain: dict[str, dict[str, object]] = {
            "namdom": {"ln_meshmask": False},
            "namrun": {"nn_write": 0, "nn_stock": 0},
        }
        self.namelist = namelist.apply(toy_ocean.read_namelist(file), plain)
        self.namelist = namelist.apply(self.namelist, dict(settings or {}))
        first: dict[str, dict[str, object]] = {
            "namdom": {"ln_meshmask": True},
            "namrun": {"nn_it000": 1, "nn_itend": spin_up, "ln_rstart": False, "cn_ocerst_out": "start.nc"},
        }
        self.first_folder = self._start("spin_up", namelist.apply(self.namelist, first))
        self.start = Start(*read_restart(self.first_folder / "start.nc"))

    def run(
        self, name: str, params: Mapping[str, Mapping[str, float]], steps: int
    ) -> tuple[State, np.ndarray]:
        """State after `steps` steps, and where convection was on, [step, k, j, i]."""
        kt = self.start.kt
        window = {
            "nn_it000": kt + 1,
            "nn_itend": kt + steps,
            "ln_rstart": True,
            "cn_ocerst_in": str(self.first_folder / "start.nc"),
            "cn_ocerst_out": "end.nc",
            "nn_write": 1,
        }
        changed = namelist.apply(namelist.apply(self.namelist, {"namrun": window}), dict(params))
        folder = self._start(name, changed)
        with self._reading:
            state, _ = read_restart(folder / "end.nc")
            with netCDF4.Dataset(folder / str(changed.value("namrun", "cn_output"))) as file:
                file.set_auto_mask(False)
                convection = np.asarray(file["avt"][:]) == changed.value("namzdf", "rn_evd")
        for path in folder.iterdir():
            path.unlink()
        return state, convection

    def _start(self, name: str, changed: Namelist) -> Path:
        folder = self.folder / name
        toy_ocean.prepare(folder, changed, self.base)
        command = [str(self.program), toy_ocean.NAMELIST]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
        if done.returncode != 0:
            raise RuntimeError(
                f"{' '.join(command)} failed in {folder}:\n{done.stdout[-500:]}{done.stderr[-2000:]}"
            )
        return folder

    @cached_property
    def grid(self) -> Grid:
        """The mesh that the program wrote."""
        return Grid.read(self.first_folder / "mesh_mask.nc")

    @cached_property
    def forcing(self) -> Climatology | None:
        """What the global configuration is forced by."""
        if self.namelist.value("namcfg", "cn_cfg") != "global":
            return None
        return read_climatology(self.base / str(self.namelist.value("namcfg", "cn_input")).strip())

    def twin(self, every: int) -> ExactTwin:
        """The program's exact twin, starting where its runs start."""
        config, params = configuration.read(self.first_folder / toy_ocean.NAMELIST)
        return ExactTwin(self.grid, config, params, self.forcing, every=every, start=self.start)


@dataclass(frozen=True, eq=False)
class MeanSquareChange:
    """J and its derivative; `weights` [k, j, i] are 1/s² on wet cells, `origin` is x₀."""

    origin: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]

    @classmethod
    def of(cls, start: State, end: State, grid: Grid) -> MeanSquareChange:
        """J scaled by the run from `start` to `end`."""
        origin = {field: np.asarray(getattr(start, field)) for field in FIELDS}
        weights = {}
        for field, mask in FIELDS.items():
            wet = np.asarray(getattr(grid, mask))
            change = (np.asarray(getattr(end, field)) - origin[field]) * wet
            weights[field] = wet / np.sum(change**2)
        return cls(origin, weights)

    def __call__(self, records: Fields) -> tuple[float, Fields]:
        """J at the last record and its gradient with respect to all records."""
        value, adjoint = 0.0, {}
        for field, weight in self.weights.items():
            change = np.asarray(records[field][-1]) - self.origin[field]
            adjoint[field] = np.zeros_like(records[field])
            adjoint[field][-1] = weight * change
            value += 0.5 * float(np.sum(weight * change**2))
        return value, adjoint

    def difference(self, upper: State, lower: State) -> float:
        """J(upper) − J(lower) from the difference of the fields."""
        total = 0.0
        for field, weight in self.weights.items():
            one, other = np.asarray(getattr(upper, field)), np.asarray(getattr(lower, field))
            total += float(np.sum(weight * (one - other) * (0.5 * (one + other) - self.origin[field])))
        return total


@dataclass(frozen=True, eq=False)
class ConvectedStratification:
    """Scalar of rn_evd; `weights` [k, j, i] are 1/s² at the convecting W points (k: below temperature k − 1)."""

    weights: np.ndarray

    @classmethod
    def of(cls, end: State, convection: np.ndarray) -> ConvectedStratification:
        """J scaled by a run that ended in `end`; `convection` [step, k, j, i] says where it was on."""
        convecting = np.array(convection.all(axis=0))
        convecting[0] = False
        if not convecting.any():
            raise ConfigurationError("no cell convects throughout the window: rn_evd has nothing to act on")
        return cls(convecting / np.sum(convecting * _drop(np.asarray(end.thetao)) ** 2))

    def __call__(self, records: Fields) -> tuple[float, Fields]:
        """J at the last record and its gradient with respect to all records."""
        drop = _drop(np.asarray(records["thetao"][-1]))
        adjoint = np.zeros_like(records["thetao"])
        weighted = self.weights * drop
        adjoint[-1] -= weighted
        adjoint[-1, :-1] += weighted[1:]
        return 0.5 * float(np.sum(weighted * drop)), {"thetao": adjoint}

    def difference(self, upper: State, lower: State) -> float:
        """J(upper) − J(lower) from the difference of the fields."""
        one, other = _drop(np.asarray(upper.thetao)), _drop(np.asarray(lower.thetao))
        return float(np.sum(self.weights * (one - other) * 0.5 * (one + other)))


def _drop(t: np.ndarray) -> np.ndarray:
    """T(k−1) − T(k) at W points [k, j, i], zero at the surface."""
    drop = np.zeros_like(t)
    drop[1:] = t[:-1] - t[1:]
    return drop


@dataclass(frozen=True)
class Difference:
    """One central difference of the program: `step` is relative to the parameter's value."""

    parameter: str
    step: float
    value: float
    exact: float
    switches: int  # cells and steps at which convection differs between the two runs
    order: int = 2

    @property
    def error(self) -> float:
        """Relative to the exact derivative."""
        return abs(self.value - self.exact) / abs(self.exact)


def sweep(
    program: StandAlone,
    steps: int,
    relative: Sequence[float] | Mapping[str, Sequence[float]] = STEPS,
    parameters: Sequence[str] = PARAMETERS,
    every: int = 20,
    twin: ExactTwin | None = None,
) -> list[Difference]:
    """Differences over `steps` steps (a multiple of `every`) beside the twin's gradient; two runs at a time.

    `relative` may give each parameter its own steps; where it has h and 2h, a row of fourth order follows.
    """
    end, convection = program.run("reference", {}, steps)
    costs: dict[str, Scalar] = dict.fromkeys(
        parameters, MeanSquareChange.of(program.start.state, end, program.grid)
    )
    if CONVECTION in costs:
        costs[CONVECTION] = ConvectedStratification.of(end, convection)
    twin = twin or program.twin(every)
    exact: dict[str, float] = {}
    for cost in dict.fromkeys(costs.values()):
        names = [name for name in parameters if costs[name] is cost]
        _, gradient = twin.at({}, names, steps // twin.every).value_and_gradient(cost, tuple(FIELDS))
        exact.update(zip(names, gradient, strict=True))

    def one(task: tuple[str, float]) -> Difference:
        name, step = task
        group, _, entry = name.partition("/")
        value = float(program.namelist.value(group, entry))
        ends = value * (1.0 + step), value * (1.0 - step)
        label = f"{entry}_{step:.0e}"
        upper, lower = (
            program.run(f"{label}_{n}", {group: {entry: end}}, steps) for n, end in enumerate(ends)
        )
        slope = costs[name].difference(upper[0], lower[0]) / (ends[0] - ends[1])
        return Difference(name, step, slope, float(exact[name]), int((upper[1] != lower[1]).sum()))

    tasks = [
        (name, step)
        for name in parameters
        for step in (relative[name] if isinstance(relative, Mapping) else relative)
    ]
    with ThreadPoolExecutor(2) as pool:
        return with_fourth_order(list(pool.map(one, tasks)))


def with_fourth_order(table: Sequence[Difference]) -> list[Difference]:
    """The table, and the extrapolation of every pair of differences with steps h and 2h."""
    rows = {(row.parameter, row.step): row for row in table}
    made = []
    for row in table:
        wide = rows.get((row.parameter, 2.0 * row.step))
        if wide is not None:
            value = (4.0 * row.value - wide.value) / 3.0
            switches = max(row.switches, wide.switches)
            made.append(Difference(row.parameter, row.step, value, row.exact, switches, order=4))
    return [*table, *made]


def best(table: Sequence[Difference]) -> dict[str, Difference]:
    """The difference nearest to the exact derivative, by parameter."""
    found: dict[str, Difference] = {}
    for row in table:
        if row.parameter not in found or row.error < found[row.parameter].error:
            found[row.parameter] = row
    return found


def describe(table: Sequence[Difference]) -> str:
    """The sweep as a table (Markdown): relative errors, with the number of switches that differ in brackets."""
    columns = sorted({(row.order, -row.step) for row in table})
    titles = [f"{-step:.0e}" + (" (4th order)" if order == 4 else "") for order, step in columns]
    lines = ["| parameter | dJ/dθ | " + " | ".join(titles) + " |", "| --- " * (len(columns) + 2) + "|"]
    for name in dict.fromkeys(row.parameter for row in table):
        rows = {(row.order, -row.step): row for row in table if row.parameter == name}
        cells = [_cell(rows[column]) if column in rows else "" for column in columns]
        exact = next(iter(rows.values())).exact
        lines.append(f"| {name.split('/')[1]} | {exact:.6e} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(row: Difference) -> str:
    return f"{row.error:.1e}" + (f" ({row.switches})" if row.switches else "")


def main(arguments: Sequence[str] | None = None) -> None:
    """Sweep for one namelist file; prints the table, and writes it as JSON on request."""
    parser = argparse.ArgumentParser(
        prog="python -m emulator.toy_ocean.model_differences", description=main.__doc__
    )
    parser.add_argument("namelist", type=Path, help="namelist file of a configuration")
    parser.add_argument("--spin-up", type=int, default=720, help="steps before the window")
    parser.add_argument("--steps", type=int, nargs="+", default=[20, 100], help="lengths, multiples of 20")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args(arguments)

    import jax

    jax.config.update("jax_enable_x64", True)
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        program = StandAlone(options.namelist.resolve(), Path(folder), options.spin_up)
        twin = program.twin(20)
        for steps in options.steps:
            table = sweep(program, steps, twin=twin)
            print(f"{steps} steps\n\n{describe(table)}\n", flush=True)
            figures[str(steps)] = [asdict(row) | {"error": row.error} for row in table]
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
