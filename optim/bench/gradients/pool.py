"""Several instances of the Fortran program toy_ocean, started here and ended with the block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge import launch
from bridge.ensemble import Ensemble
from bridge.model_jobs import ModelJobs
from bridge.models import toy_ocean
from bridge.namelist import Namelist

_TIMEOUT = 300.0  # s


@contextmanager
def toy_oceans(
    configuration: Namelist, base: Path, directory: Path, instances: int = 2
) -> Iterator[Ensemble]:
    """Instances of one rank each, in folders of `directory`; file names in the namelist are relative to `base`."""
    directory.mkdir(parents=True, exist_ok=True)
    endpoint = f"ipc://{directory.resolve() / 'server'}"

    def prepare(number: int) -> launch.Job:
        folder = model_folder(directory, number)
        toy_ocean.prepare(folder, configuration, base)
        return launch.model_over_zmq(toy_ocean.argv(), 1, folder, endpoint, number)

    jobs = ModelJobs(prepare, instances, timeout=_TIMEOUT)
    with jobs, Ensemble.over_zmq(endpoint, instances, _TIMEOUT, tend=jobs.tend) as ensemble:
        yield ensemble


def model_folder(directory: Path, number: int = 0) -> Path:
    """Where that instance runs."""
    return directory / f"model-{number}"
