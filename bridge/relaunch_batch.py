"""A model that is started anew for every run, several at a time: each in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bridge.ensemble_batch import Batch, Run
from bridge.errors import BridgeError
from bridge.model import ModelDescription, Params, Recording, Snapshot, Trajectory
from bridge.relaunch import RelaunchedModel


@dataclass
class RelaunchedEnsemble:
    """Relaunched models that are alike but for their folders; implements `bridge.model.BatchModel`."""

    models: Sequence[RelaunchedModel]

    @property
    def ranks(self) -> int:
        """Of each."""
        return self.models[0].ranks

    def describe(self) -> ModelDescription:
        """Grid, fields and parameters as the namelist sets them."""
        return self.models[0].describe()

    def snapshot(self) -> Snapshot:
        """The start of every run."""
        return self.models[0].snapshot()

    def run(self, params: Params, snapshot: Snapshot, steps: int, record: Recording) -> Trajectory:
        """One run; as `RelaunchedModel.run`."""
        return self.map([params], snapshot, steps, record)[0]

    def map(
        self,
        params_batch: Iterable[Params],
        snapshot: Snapshot,
        steps: int,
        record: Recording,
        finished: Callable[[int, Trajectory], None] | None = None,
    ) -> list[Trajectory]:
        """One run for each of `params_batch`, in its order, as many at a time as there are folders."""
        wanted = list(params_batch)
        results: dict[int, Trajectory] = {}

        def end(position: int, trajectory: Trajectory) -> None:
            results[position] = trajectory
            if finished is not None:
                finished(position, trajectory)

        def begin(model: RelaunchedModel, position: int) -> Run:
            return model.running(wanted[position], snapshot, steps, record)

        self.describe()  # a crashed run wants to know the time step
        batch = Batch(len(wanted), 1, begin, _never, end)
        while not batch.done:
            batch.advance(self.models)
            batch.rest()
        batch.raise_error()
        return [results[position] for position in range(len(wanted))]


def _never(position: int, error: BridgeError) -> Trajectory:
    raise error  # a relaunched model is never lost: a failed job is an outcome
