"""Several alike model instances behind the verbs of one Session, and batches of runs that keep all of them busy.

    with Ensemble.over_zmq("tcp://127.0.0.1:5555", instances=4) as ensemble:
        start = ensemble.snapshot()
        runs = ensemble.map([{"namzdf_tke": {"rn_ediff": x}} for x in values], start, 360, Recording(("tos",), 30))

Over ZMQ an instance that dies is dropped, its run is made again by another one, and a new instance may join at any
time. Over MPI all instances are one job: whatever dies, the launcher ends all of it, this process included.
"""

from __future__ import annotations

import atexit
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from bridge.coupling import Coupling
from bridge.description import Registration
from bridge.ensemble_arrivals import Newcomers, ZmqArrivals, card_of, difference, let_in, name_of
from bridge.ensemble_batch import Batch, Run, RunRequest, make_runs
from bridge.errors import BridgeError, ModelCrashed, PeerTimeout
from bridge.model import ModelDescription, Outcome, OutcomeKind, Params, Recording, Snapshot, Trajectory
from bridge.own_folder import OwnFolder
from bridge.protocol import Role
from bridge.session import Session, is_failure

_STANDING = (Role.PARAMETER, Role.FORCING)  # what a newcomer has to be told: no snapshot holds it
_LOOK = 0.05  # s between looks for a newcomer while there is no instance at all
_log = logging.getLogger("nemo-bridge")
Answer = TypeVar("Answer")


class Ensemble:
    """Alike instances of one model; implements `bridge.model.BatchModel`.

    `attempts` is how many instances a run may cost before it counts as crashed; `timeout` how long to wait, in
    seconds, for a newcomer when no instance is left. Snapshots are files in `directory`, which all instances must be
    able to read and write (default: a temporary one), and which nobody changes. Each instance holds at most
    `snapshot_memory` bytes of them in its memory (default: all). ValueError if the instances are not alike.
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
        self.sessions = list(sessions)
        if not self.sessions or attempts < 1:
            raise ValueError(f"expected sessions and attempts >= 1, got {self.sessions} and {attempts}")
        self._size = len(self.sessions)
        self.card = card_of(self.sessions[0])
        for session in self.sessions[1:]:
            if (unlike := difference(self.card, card_of(session))) is not None:
                raise ValueError(
                    f"instances of an ensemble should be alike; {name_of(session)} has another {unlike} than "
                    f"{name_of(self.sessions[0])}: use a MixedEnsemble"
                )
        self._newcomers = newcomers
        self._attempts = attempts
        self._timeout = timeout
        self._temporary = None if directory else OwnFolder("nemo-bridge-")
        self._directory = Path(directory or self._temporary.path).absolute()  # type: ignore[union-attr]
        self._snapshot_memory = snapshot_memory
        self._held: dict[Session, dict[str, Snapshot]] = {}
        for session in self.sessions:
            self._take_on(session)
        self._standing: dict[str, Any] = {}

    @classmethod
    def over_mpi(
        cls, timeout: float = 300.0, directory: Path | None = None, snapshot_memory: float | None = None
    ) -> Ensemble:
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
        first_timeout: float | None = None,
        tend: Callable[[Collection[int]], None] | None = None,
    ) -> Ensemble:
        """That many instances at a ZMQ endpoint. When one dies, the next to arrive there takes its place.

        `first_timeout`: seconds to wait for each of the first ones (default: `timeout`). `tend(labels that are here)`
        is called now and then while instances are missing: `bridge.model_jobs.ModelJobs.tend` starts them.
        """
        arrivals = ZmqArrivals(endpoint, timeout, keys, tend)
        sessions = arrivals.wait_for(instances, first_timeout)
        try:
            ensemble = cls(sessions, arrivals, attempts, timeout, directory, snapshot_memory)
        except BaseException as error:
            arrivals.send_away(sessions, error)
            raise
        atexit.register(ensemble.stop)
        return ensemble

    # --- runs ---

    def run(
        self,
        params: Params,
        snapshot: Snapshot,
        steps: int,
        record: Recording,
        coupling: Coupling | None = None,
    ) -> Trajectory:
        """One run, by whichever instance is alive; as `Session.run`."""
        return self.map([params], snapshot, steps, record, coupling=coupling)[0]

    def map(
        self,
        params_batch: Iterable[Params],
        snapshot: Snapshot,
        steps: int,
        record: Recording,
        finished: Callable[[int, Trajectory], None] | None = None,
        coupling: Coupling | None = None,
    ) -> list[Trajectory]:
        """One run for each of `params_batch`, in its order, by all instances at once.

        `finished(position, trajectory)` is called as each run ends, whatever becomes of the others. A run that blew
        up, or that cost `attempts` instances, is an outcome. ModelCrashed if no instance is left.

        All runs are coupled to the one `coupling`, by turns: its closure should be a function of what it is given. (A
        closure that remembers something takes one RunRequest for each run, see `MixedEnsemble`.) What it raises is
        raised here, once the other runs under way have ended.
        """
        requests = [RunRequest(self, params, snapshot, steps, record, coupling) for params in params_batch]
        return make_runs([self], requests, self._newcomers, self._timeout, finished)

    # --- the verbs of a Session ---

    @property
    def registration(self) -> Registration:
        """What the model has registered."""
        return self._first.registration

    @property
    def parameters(self) -> dict[str, Any]:
        """Values that a run has unless its `params` say otherwise."""
        return self._first.parameters

    def describe(self) -> ModelDescription:
        """What the model says of itself."""
        return self._ask_first(lambda first: first.describe())

    def get(self, name: str) -> Any:
        """Current value in the first instance; after `map` each instance is somewhere else."""
        return self._ask_first(lambda first: first.get(name))

    def set(self, values: Mapping[str, Any]) -> None:
        """Write parameters, forcing or state of every instance, and parameters and forcing of those to come."""
        entries = self.registration.entries
        self._each(lambda session: session.set(values))
        self._standing.update({n: np.copy(v) for n, v in values.items() if entries[n].role in _STANDING})

    def snapshot(self) -> Snapshot:
        """The state of the first instance, from now on held by all: saved to a file, loaded, its hash checked."""

        def taken(first: Session) -> Snapshot:
            snapshot = first.snapshot()
            return self._share(first, snapshot, self._directory / snapshot.id)

        return self._ask_first(taken)

    def load(self, path: Path | str, expected: Snapshot | None = None) -> Snapshot:
        """Read a saved snapshot into every instance."""
        return self._ask_first(lambda first: self._share(first, first.load(path, expected), None))

    def save(self, snapshot: Snapshot, path: Path | str) -> Snapshot:
        """Write a snapshot to files `path`.0000, … (one per rank)."""
        saved = self._ask_first(lambda first: first.save(self._local(first, snapshot), path))
        return replace(snapshot, path=saved.path)

    def restore(self, snapshot: Snapshot) -> None:
        """Bring a remembered state back in every instance."""
        self._each(lambda session: session.restore(self._local(session, snapshot)))

    def drop(self, snapshot: Snapshot) -> None:
        """Free the memory of a snapshot in every instance; its files stay."""
        if not any(snapshot.id in held for held in self._held.values()):
            raise ValueError(f"no instance of the ensemble holds the snapshot {snapshot.id}")
        holders = [session for session in self.sessions if snapshot.id in self._held[session]]
        self._each(lambda session: session.drop(self._held[session].pop(snapshot.id)), holders)

    def stop(self) -> None:
        """Let all instances finish in their own way; a second stop does nothing."""
        while self.sessions:
            session = self.sessions[0]
            try:
                session.stop()
            except BridgeError as error:
                self.lose(session, error)
            else:
                self._forget(session)
        if self._newcomers is not None:
            self._newcomers.close()
            self._newcomers = None
        if self._temporary is not None:
            self._temporary.cleanup()
        atexit.unregister(self.stop)

    def __enter__(self) -> Ensemble:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ModelCrashed) and not all(session.independent for session in self.sessions):
            self.sessions[0].__exit__(kind, error, trace)  # the job is ending: nobody is left to be stopped
            return
        if error is not None and is_failure(error):
            for session in [session for session in self.sessions if session.independent and not session.lost]:
                self._forget(session)
                session.dismiss(f"the server failed: {type(error).__name__}: {error}")
        self.stop()

    # --- snapshots ---

    def _share(self, owner: Session, snapshot: Snapshot, path: Path | None) -> Snapshot:
        """Let every instance hold the owner's snapshot, by way of its file (written to `path` if it has none)."""
        if path is not None:
            snapshot = owner.save(snapshot, path)
        if snapshot.id in self._held[owner]:
            owner.drop(snapshot)  # the same content is held already
        else:
            self._held[owner][snapshot.id] = snapshot
        shared = Snapshot(snapshot.id, None, snapshot.step, snapshot.path)
        self._each(lambda session: self._local(session, shared))
        return shared

    def _local(self, session: Session, snapshot: Snapshot) -> Snapshot:
        """The snapshot as that instance holds it; loaded if it does not. ProtocolError if the file is another one."""
        held = self._held[session]
        if snapshot.id not in held:
            if snapshot.path is None:
                raise ValueError(f"the snapshot {snapshot.id} is not of this ensemble, and has no file")
            held[snapshot.id] = session.load(snapshot.path, expected=snapshot)
        return held[snapshot.id]

    # --- runs ---

    def batch(self, requests: list[RunRequest], finished: Callable[[int, Trajectory], None]) -> Batch:
        """These runs, none of them begun; for `make_runs`."""
        self._drop_the_lost()
        return Batch(
            len(requests),
            self._attempts,
            lambda session, position: self._running(session, requests[position]),
            lambda position, error: self._failed(requests[position], error),
            finished,
        )

    def _running(self, session: Session, wanted: RunRequest) -> Run:
        local = self._local(session, wanted.snapshot)
        trajectory = yield from session.running(
            wanted.params, local, wanted.steps, wanted.record, wanted.coupling
        )
        return replace(trajectory, initial=wanted.snapshot)

    def _failed(self, wanted: RunRequest, error: BridgeError) -> Trajectory:
        kind = OutcomeKind.TIMED_OUT if isinstance(error, PeerTimeout) else OutcomeKind.CRASHED
        message = f"lost {self._attempts} instance(s), the last one because: {error}"
        outcome = Outcome(kind, wanted.snapshot.step, message)
        return Trajectory(
            np.zeros(0, int), self.card["time step"], {}, wanted.params, outcome, wanted.snapshot
        )

    # --- instances that come and go ---

    @property
    def _first(self) -> Session:
        self._drop_the_lost()
        start = time.monotonic()
        while not self.sessions:
            if self._newcomers is None or time.monotonic() - start > self._timeout:
                raise ModelCrashed("no instance of the ensemble is left")
            time.sleep(_LOOK)
            let_in(self._newcomers, [self])
        return self.sessions[0]

    def _ask_first(self, question: Callable[[Session], Answer]) -> Answer:
        """What the first instance answers; of the next one if it is lost over it."""
        while True:
            first = self._first
            try:
                return question(first)
            except BridgeError as error:
                if not first.lost or first not in self.sessions:
                    raise
                self.lose(first, error)

    def _each(self, action: Callable[[Session], Any], sessions: Iterable[Session] | None = None) -> None:
        """Do it with every instance, or with those; one that is lost over it is dropped."""
        for session in list(self.sessions if sessions is None else sessions):
            try:
                action(session)
            except BridgeError as error:
                if not session.lost:
                    raise
                self.lose(session, error)
        if not self.sessions and self._newcomers is None:
            raise ModelCrashed("no instance of the ensemble is left")

    def _drop_the_lost(self) -> None:
        """Drop instances of which the session was stopped, or broken by an earlier verb."""
        for session in [session for session in self.sessions if session.lost]:
            self.lose(session, ModelCrashed("its session has been stopped or interrupted"))

    def lose(self, session: Session, error: BridgeError) -> None:
        """Drop an instance; over MPI that is the end of the job."""
        if not session.independent:
            raise error
        _log.warning("lost %s: %s", name_of(session), error)
        self._forget(session)
        session.stop()

    @property
    def labels(self) -> Collection[int]:
        """Of the instances that are here."""
        return {session.instance for session in self.sessions}

    @property
    def has_room(self) -> bool:
        """Is the place of a dead instance free?"""
        return len(self.sessions) < self._size

    def admit(self, session: Session) -> None:
        """Take a newcomer in that is alike."""
        try:
            session.set(self._standing)
        except BridgeError:
            session.stop()
            raise
        self.sessions.append(session)
        self._take_on(session)

    def _take_on(self, session: Session) -> None:
        self._held[session] = {}
        if self._snapshot_memory is not None:
            session.limit_snapshots(self._snapshot_memory, self._directory, files_last=True)

    def _forget(self, session: Session) -> None:
        self.sessions.remove(session)
        del self._held[session]
