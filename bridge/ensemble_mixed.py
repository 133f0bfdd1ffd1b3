"""Instances of several models, or of one at several resolutions, behind one batch of runs.

with MixedEnsemble.over_zmq("tcp://127.0.0.1:5555", instances=4) as oceans:
    coarse, fine = oceans.kinds  # in the order of the labels; each is an Ensemble
    starts = {kind: kind.snapshot() for kind in oceans.kinds}
    wanted = [RunRequest(kind, params, starts[kind], 360, Recording(("tos",), 30)) for kind, params in plan]
    runs = oceans.map(wanted)
"""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from bridge.ensemble import Ensemble
from bridge.ensemble_arrivals import Newcomers, ZmqArrivals, card_of, difference
from bridge.ensemble_batch import RunRequest, make_runs
from bridge.model import Trajectory
from bridge.session import Session

__all__ = ["MixedEnsemble", "RunRequest"]


class MixedEnsemble:
    """Instances that need not be alike: those that are form one of the `kinds`, an Ensemble of its own.

    Arguments are as for Ensemble. A run is made, and made again if need be, by instances of its own kind only; a
    newcomer joins the kind that it is alike.
    """

    def __init__(
        self,
        sessions: Iterable[Session],
        newcomers: Newcomers | None = None,
        attempts: int = 3,
        timeout: float = 300.0,
        directory: Path | None = None,
        snapshot_memory: float | None = None,
    ) -> None:
        groups = _groups(sessions)
        #: one Ensemble for each kind, in the order of their first instances
        self.kinds = [Ensemble(g, None, attempts, timeout, directory, snapshot_memory) for g in groups]
        self._labels = {s.instance: kind for kind in self.kinds for s in kind.sessions}
        self._newcomers = newcomers
        self._timeout = timeout

    @classmethod
    def over_mpi(
        cls, timeout: float = 300.0, directory: Path | None = None, snapshot_memory: float | None = None
    ) -> MixedEnsemble:
        """All model instances of this MPI job; see `Session.all_over_mpi`."""
        sessions = Session.all_over_mpi(timeout)
        return cls(sessions, timeout=timeout, directory=directory, snapshot_memory=snapshot_memory)

    @classmethod
    def over_zmq(
        cls,
        endpoint: str,
        instances: int,
        timeout: float = 300.0,
        keys: Path | None = None,
        attempts: int = 3,
        directory: Path | None = None,
        snapshot_memory: float | None = None,
    ) -> MixedEnsemble:
        """That many instances at a ZMQ endpoint, of whatever kinds. Alike newcomers take the places of the dead."""
        arrivals = ZmqArrivals(endpoint, timeout, keys)
        sessions = arrivals.wait_for(instances)
        mixed = cls(sessions, arrivals, attempts, timeout, directory, snapshot_memory)
        atexit.register(mixed.stop)
        return mixed

    def kind_of(self, label: int) -> Ensemble:
        """The kind of the instance that began with this label (NEMO_BRIDGE_INSTANCE, or its program's number)."""
        if label not in self._labels:
            raise ValueError(f"no instance began with the label {label}; there were {sorted(self._labels)}")
        return self._labels[label]

    def map(
        self,
        requests: Iterable[RunRequest],
        finished: Callable[[int, Trajectory], None] | None = None,
    ) -> list[Trajectory]:
        """One run for each of `requests`, in their order, by all instances of all kinds at once.

        `finished(position, trajectory)` is called as each run ends. A run that blew up, or that cost `attempts`
        instances, is an outcome. ModelCrashed if no instance is left of a kind that is needed.
        """
        wanted = list(requests)
        for request in wanted:
            if request.kind not in self.kinds:
                raise ValueError("a run was asked of an ensemble that is not one of the kinds of this one")
        return make_runs(self.kinds, wanted, self._newcomers, self._timeout, finished)

    def stop(self) -> None:
        """Let all instances finish in their own way; a second stop does nothing."""
        for kind in self.kinds:
            kind.stop()
        if self._newcomers is not None:
            self._newcomers.close()
        atexit.unregister(self.stop)

    def __enter__(self) -> MixedEnsemble:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for ensemble in self.kinds:
            ensemble.__exit__(kind, error, trace)
        if self._newcomers is not None:
            self.stop()


def _groups(sessions: Iterable[Session]) -> list[list[Session]]:
    """Sessions that are alike together, in the order of their first ones."""
    groups: list[list[Session]] = []
    for session in sessions:
        card = card_of(session)
        group = next((g for g in groups if difference(card_of(g[0]), card) is None), None)
        if group is None:
            groups.append([session])
        else:
            group.append(session)
    return groups
