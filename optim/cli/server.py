"""Being the server rank of an MPI job, whoever started it."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bridge.errors import ConfigurationError
from bridge.namelist import Namelist
from optim.cli.exit_codes import end_rank

if TYPE_CHECKING:
    from bridge.ensemble import Ensemble
    from bridge.session import Session

SNAPSHOT_FOLDER = "snapshots"
LiveModel = TypeVar("LiveModel", bound="Session | Ensemble")


def enable_float64() -> None:
    """Differentiated code refuses to run in single precision; programs choose, libraries do not."""
    import jax

    jax.config.update("jax_enable_x64", True)


@contextmanager
def live_session(timeout: float, expected: Namelist | None = None) -> Iterator[Session]:
    """The only model of this MPI job; as `live_model`."""
    from bridge.session import Session

    with _ending_the_job(Session.over_mpi(timeout), expected) as session:
        yield session


@contextmanager
def live_model(
    timeout: float, directory: Path, expected: Namelist | None = None
) -> Iterator[Session | Ensemble]:
    """The model of this MPI job, or the ensemble of its instances, which share snapshots in a folder of `directory`.

    Whatever is raised inside ends the whole job with the right exit code. With `expected`, ConfigurationError if the
    running model's parameters differ from that namelist: a user's own mpirun may have started it in another
    directory than the experiment file means.
    """
    from bridge.ensemble import Ensemble
    from bridge.session import Session

    sessions = Session.all_over_mpi(timeout)
    if len(sessions) == 1:
        with _ending_the_job(sessions[0], expected) as session:
            yield session
        return
    with snapshot_folder(directory) as folder:
        ensemble = Ensemble(sessions, timeout=timeout, directory=folder)
        with _ending_the_job(ensemble, expected):
            yield ensemble


@contextmanager
def snapshot_folder(directory: Path) -> Iterator[Path]:
    """Where the instances of an ensemble share their snapshots while it lives."""
    folder = directory / SNAPSHOT_FOLDER
    folder.mkdir(exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ending_the_job(model: LiveModel, expected: Namelist | None) -> Iterator[LiveModel]:
    with model:
        try:
            if expected is not None:
                check_parameters(model, expected)
            yield model
        except BaseException as error:
            end_rank(error)


def check_parameters(model: Session | Ensemble, expected: Namelist) -> None:
    """ConfigurationError when a scalar parameter of the running model is not what the namelist says."""
    differences = []
    for name, value in model.describe().parameters.items():
        group, _, entry = name.partition("/")
        known = expected.groups.get(group.lower(), {}).get(entry.lower())
        if isinstance(known, int | float) and isinstance(value, int | float) and float(known) != float(value):
            differences.append(f"{name}: {value} in the model, {known} in the file")
    if differences:
        raise ConfigurationError(
            f"the running model was not started with {expected.source}:\n  " + "\n  ".join(differences)
        )


def progress_printer() -> Callable[[str], None]:
    """A function that prints a line with the time since now in front, at once."""
    began = time.monotonic()

    def show(line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        print(f"[{minutes:3d}:{seconds:02d}] {line}", file=sys.stdout, flush=True)

    return show
