"""Being the server of models that are jobs of their own: they meet us at a ZMQ endpoint, started by us or by others."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from bridge import launch
from bridge.model_jobs import ModelJobs
from optim.cli.interruption import asked_to_end
from optim.cli.job import ENDPOINT_FILE, ModelSettings
from optim.cli.server import check_parameters, snapshot_folder

if TYPE_CHECKING:
    from bridge.ensemble import Ensemble


@contextmanager
def served_models(settings: ModelSettings, directory: Path, serve_only: bool) -> Iterator[Ensemble]:
    """The instances of [model] at their endpoint, those that die replaced.

    We start them and start them again, or with `serve_only` say how and wait, as long as it takes, for the first ones.
    """
    from bridge.ensemble import Ensemble

    _log_to_standard_error()
    table, endpoint = settings.table, settings.endpoint(directory)

    def prepare(instance: int) -> launch.Job:
        settings.program.prepare(settings.folders(directory)[instance])
        return settings.model_job(directory, instance)

    jobs = ModelJobs(prepare, table.instances, table.restarts, table.timeout)
    if serve_only:
        print(f"waiting at {endpoint} for {table.instances} instance(s) of the model, started by", flush=True)
        print("\n".join(settings.model_lines(directory)), flush=True)
    try:
        with (
            asked_to_end(),
            snapshot_folder(directory) as snapshots,
            nullcontext() if serve_only else jobs,
            Ensemble.over_zmq(
                endpoint,
                table.instances,
                table.timeout,
                table.keys,
                directory=snapshots,
                first_timeout=math.inf if serve_only else table.timeout,
                tend=None if serve_only else jobs.tend,
            ) as ensemble,
        ):
            if (expected := settings.program.expected()) is not None:
                check_parameters(ensemble, expected)
            yield ensemble
    finally:
        (directory / ENDPOINT_FILE).unlink(missing_ok=True)
        if jobs.summary():
            print(f"nemo-bridge: {jobs.summary()}", file=sys.stderr, flush=True)


def _log_to_standard_error() -> None:
    """Instances that are lost, refused, started again."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("nemo-bridge: %(message)s"))
    log = logging.getLogger("nemo-bridge")
    log.handlers[:] = [handler]
    log.propagate = False
