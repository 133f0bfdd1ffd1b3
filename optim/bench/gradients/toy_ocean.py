"""Case `toy_ocean`: the gyre of examples/gyre, the Fortran program as the real model, its exact twin as the referee.

Temperature, sea surface height and mixed-layer depth, means over boxes and over the window, are compared with a run
whose parameters differ from all test points. The window begins on 10 August of the second year. The mixing length is
that of nn_mxl = 2: with nn_mxl = 3 single columns flicker from step to step by 1e-3 K. No mean sees that, but their
exact tangents grow by 1e8 within 50 steps, and such a gradient means nothing for a change of any size. With 2 this is
rarer, not gone (`cells.reference`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bridge import namelist
from bridge.ensemble import Ensemble
from bridge.errors import ConfigurationError, RequestRefused
from bridge.model import Recording, Snapshot
from bridge.models import toy_ocean
from emulator.toy_ocean.gradient import ExactTwin, Start
from emulator.toy_ocean.state import State
from optim.bench.gradients.boxes import balanced_cost, box_means
from optim.bench.gradients.diagnosed import Diagnosed, Diagnostic
from optim.bench.gradients.mixed_layer import mixed_layer_depth
from optim.bench.gradients.pool import model_folder, toy_oceans
from optim.bench.gradients.problem import Problem
from optim.control import Control, ControlVector, Transform
from optim.experiment_toy_ocean import read_model
from optim.forward import Forward, Window

_NAMELIST = Path("examples/gyre/namelist_cfg")
_SPIN_UP = 6960  # steps of two hours: one year, seven months and ten days from rest
_CHANGES: dict[str, dict[str, Any]] = {
    "namrun": {"nn_itend": 1_000_000, "nn_write": 0},
    "namzdf_tke": {"nn_mxl": 2},
}
#: (group, entry, prior mean, prior spread as a factor's logarithm)
_CONTROLS = (
    ("namzdf_tke", "rn_ediff", 0.1, 0.4),
    ("namzdf_tke", "rn_ediss", 0.7, 0.4),
    ("namtra_eiv", "rn_Ue", 0.02, 0.3),
    ("namdyn_ldf", "rn_Uv", 2.0, 0.12),
    ("namtra_qsr", "rn_si1", 23.0, 0.08),
    ("namtra_qsr", "rn_abs", 0.58, 0.06),
    ("namsbc_ssr", "rn_dqdt", -40.0, 0.06),
)
#: where the observed run lies: its effects add up rather than cancel, a component that vanishes has no sign to find
_TRUTH = np.array([-1.5, 1.5, 1.5, 1.5, -1.5, 1.5, -1.5])
_REACH = 0.5  # test points lie that far from the prior mean in each parameter, at most
_FIELDS = ("thetao", "zos", "mld")
_INSTANCES = 2


def controls() -> ControlVector:
    """The parameters with their priors."""
    return ControlVector(tuple(_control(*row) for row in _CONTROLS))


def _control(group: str, entry: str, mean: float, spread: float) -> Control:
    """A log-normal prior, or (for a negative entry, which has no logarithm) a normal one."""
    ends = sorted((mean * np.exp(-4.0 * spread), mean * np.exp(4.0 * spread)))
    transform: Transform = "log" if mean > 0.0 else "linear"
    return Control(group, entry, ends[0], ends[1], mean, abs(mean) * spread, transform)


@dataclass(frozen=True)
class ToyOcean:
    """The case with `points` test points."""

    points: int = 5
    windows: tuple[int, ...] = (1, 5, 10, 20, 50, 100)
    name: str = field(default="toy_ocean", init=False)

    @property
    def recipe(self) -> str:
        """Everything that its figures depend on."""
        settings = (
            self.points,
            _SPIN_UP,
            _CHANGES,
            _CONTROLS,
            _TRUTH.tolist(),
            _REACH,
            _FIELDS,
            "boxes 8 4 16",
        )
        return f"{self.name}{settings}"

    @contextmanager
    def opened(self, folder: Path) -> Iterator[Callable[[int], Problem]]:
        """The problem of a window, while the Fortran programs run."""
        file = _NAMELIST if _NAMELIST.is_file() else Path(__file__).parents[3] / _NAMELIST
        if not file.is_file():
            raise ConfigurationError(f"{_NAMELIST} not found: run this from a checkout of nemo-bridge")
        configuration = namelist.apply(toy_ocean.read_namelist(file), _CHANGES)
        with toy_oceans(configuration, file.parent, folder, _INSTANCES) as ensemble:
            gyre = _Gyre.of(ensemble, folder)
            yield lambda steps: gyre.problem(self, steps)


@dataclass(frozen=True)
class _Gyre:
    """The running model, its twin and the start of all windows."""

    model: Diagnosed
    start: Snapshot
    twin: ExactTwin
    controls: ControlVector

    @classmethod
    def of(cls, ensemble: Ensemble, folder: Path) -> _Gyre:
        start = _spun_up(ensemble, folder)
        ensemble.restore(start)
        state = State(**{name: jnp.asarray(np.array(ensemble.get(name), float)) for name in State._fields})
        grid, config, params, _ = read_model(model_folder(folder))
        depths = np.asarray(grid.gdept_0).reshape(grid.nz, -1)[:, 0]
        mask = np.asarray(grid.tmask)
        mixed = Diagnostic("mld", "thetao", jax.jit(lambda t: mixed_layer_depth(t, depths, mask)))
        twin = ExactTwin(grid, config, params, every=1, start=Start(state, start.step))
        return cls(Diagnosed(ensemble, (mixed,)), start, twin, controls())

    def problem(self, case: ToyOcean, steps: int) -> Problem:
        """The window of `steps` steps."""
        every = max(1, steps // 10)
        points = np.random.default_rng(7).uniform(-_REACH, _REACH, (case.points, len(self.controls)))
        window = Window(self.start, steps, Recording(_FIELDS, every))
        params = [self.controls.to_params(x) for x in (_TRUTH, *points)]
        truth, *others = self.model.map(params, window.snapshot, steps, window.recording)
        cost = balanced_cost(self._operators(steps // every), truth.fields, [run.fields for run in others])
        forward = Forward(self.model, self.controls, cost, window)
        names = self.controls.names
        return Problem(case.name, steps, names, points, lambda x: self._exact(forward, x), forward)

    def _operators(self, records: int) -> list:
        """Upper and lower temperature, sea level, mixed layer: means over boxes and the window."""
        grid = self.twin.grid
        mask = np.asarray(grid.tmask)
        mean = np.full((1, records), 1.0 / records)
        found = [
            box_means("thetao", mask, 8, [(0, 4)]),
            box_means("thetao", mask, 8, [(4, 10)]),
            box_means("zos", mask[0], 4),
            box_means("mld", mask[0], 16),
        ]
        return [replace(operator, time_weights=mean) for operator in found]

    def _exact(self, forward: Forward, x: np.ndarray) -> np.ndarray:
        """Gradient by the exact twin's adjoint, about the twin's own states, which are the program's to rounding."""
        steps, every = forward.window.steps, forward.window.recording.every
        linear = self.twin.at(self.controls.to_params(x), self.controls.names, steps)
        run = linear.run(("thetao", "zos"))
        recorded = {name: values[every - 1 :: every] for name, values in run.items()}
        everything = self.model.complete(recorded)
        misfit = forward.cost.misfit(everything)
        shapes = {name: everything[name].shape for name in forward.cost.fields}
        weights = self.model.adjoint(recorded, forward.cost.misfit_adjoint(misfit, shapes))
        spread = {name: np.zeros_like(run[name]) for name in weights}
        for name, values in weights.items():
            spread[name][every - 1 :: every] = values
        return np.asarray(linear.tangent_linear(tuple(spread)).rmv(spread)) * self.controls.slopes(x)


def _spun_up(ensemble: Ensemble, folder: Path) -> Snapshot:
    """The start of all windows, made once and kept in `folder`."""
    saved = folder / f"spin-up-{_SPIN_UP}"
    try:
        return ensemble.load(saved)
    except RequestRefused:
        ensemble.run({}, ensemble.snapshot(), _SPIN_UP, Recording((), _SPIN_UP))
        return ensemble.save(ensemble.snapshot(), saved)
