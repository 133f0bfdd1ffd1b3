"""What an experiment needs of toy_ocean: identity of its runs, start of the window, surrogate, referee."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from bridge.errors import ConfigurationError
from bridge.ledger import Ledger
from bridge.model import BatchModel, Snapshot
from bridge.models import toy_ocean
from emulator.simplified_toy_ocean import SimplifiedTwin
from emulator.toy_ocean.config import Config
from emulator.toy_ocean.config import read as read_settings
from emulator.toy_ocean.gradient import ExactTwin, Start
from emulator.toy_ocean.grid import Grid
from emulator.toy_ocean.sbc import Climatology, read_climatology
from emulator.toy_ocean.state import State
from optim.experiment import Progress, Setting
from optim.experiment_file import Experiment
from optim.experiment_spin_up import spin_up
from optim.forward import Forward, Identity
from optim.gradients import FieldSurrogate

if TYPE_CHECKING:
    from bridge.ensemble import Ensemble
    from bridge.session import Session

MODEL_FOLDER = "model"
MESH = "mesh_mask.nc"


def prepare(
    experiment: Experiment, session: Session | Ensemble, ledger: Ledger, directory: Path, progress: Progress
) -> Setting:
    """The setting of an experiment with the toy_ocean that runs in `directory`/model behind `session`."""
    folder = directory / MODEL_FOLDER
    namelist = toy_ocean.read_namelist(folder / toy_ocean.NAMELIST)
    identity = Identity(
        executable=toy_ocean.executable(str(experiment.model.get("program", toy_ocean.NAME))),
        namelist=namelist.groups,
        forcing=[path for _, _, path in toy_ocean.input_files(namelist, folder)],
    )
    snapshot = spin_up(experiment, session, identity, directory, progress)
    return Setting(
        model=session,
        snapshot=snapshot,
        identity=identity,
        ledger=ledger,
        surrogate=lambda chosen: make_surrogate(chosen, folder),
        exact_gradient=lambda forward: exact_gradient(forward, folder, _start(session, snapshot)),
    )


def _start(session: Session | Ensemble, snapshot: Snapshot) -> Start:
    """The state that the snapshot holds, read from a model that stands there."""
    session.restore(snapshot)
    state = State(**{name: jnp.asarray(np.array(session.get(name), float)) for name in State._fields})
    if (
        isinstance(session, BatchModel) and session.snapshot().id != snapshot.id
    ):  # that instance has died since
        return _start(session, snapshot)
    return Start(state, snapshot.step)


def make_surrogate(experiment: Experiment, folder: Path) -> FieldSurrogate:
    """The simplified twin that [estimator] names, about records every `every` steps."""
    options = dict(experiment.estimator.options)
    substeps = int(options.pop("substeps", 1))
    if options:
        raise ConfigurationError(
            f"[estimator]: unknown entries {', '.join(sorted(options))}; known: substeps"
        )
    grid, config, params, forcing = read_model(folder)
    return SimplifiedTwin(
        experiment.estimator.surrogate, grid, config, params, experiment.window.every, substeps, forcing
    )


def exact_gradient(forward: Forward, folder: Path, start: Start) -> Callable[[np.ndarray], np.ndarray]:
    """x -> gradient [n] of the cost by the exact twin's adjoint; the residual is the real run's."""
    grid, config, params, forcing = read_model(folder)
    every = forward.window.recording.every
    twin = ExactTwin(grid, config, params, forcing, every=every, start=start)
    records = forward.window.steps // every

    def gradient(x: np.ndarray) -> np.ndarray:
        cost, controls = forward.cost, forward.controls
        trajectory = forward.trajectory(x)
        shapes = {name: trajectory.fields[name].shape for name in cost.fields}
        weights = cost.misfit_adjoint(cost.misfit(trajectory.fields), shapes)
        window = twin.at(trajectory.params, controls.names, records)
        slopes = controls.slopes(x)
        return np.asarray(window.tangent_linear(cost.fields).rmv(weights)) * slopes + (
            x if cost.prior else 0.0
        )

    return gradient


def read_model(folder: Path) -> tuple[Grid, Config, dict[str, dict[str, Any]], Climatology | None]:
    """Grid, switches, parameters and forcing of the model that runs in `folder`, for its twins."""
    mesh = folder / MESH
    if not mesh.is_file():
        raise ConfigurationError(
            f"{mesh}: not there; the twins need the model's mesh: set namdom/ln_meshmask = .true. in the namelist"
        )
    config, params = read_settings(folder / toy_ocean.NAMELIST)
    forcing = read_climatology(folder / config.cn_input) if config.cn_cfg == "global" else None
    return Grid.read(mesh), config, params, forcing
