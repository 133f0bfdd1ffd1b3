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
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from bridge.ensemble_batch import Batch, Run
from bridge.errors import BridgeError, ModelCrashed, PeerTimeout
from bridge.model import ModelDescription, Outcome, OutcomeKind, Params, Recording, Snapshot, Trajectory
from bridge.protocol import Role
from bridge.session import Session

_STANDING = (Role.PARAMETER, Role.FORCING)  # what a newcomer has to be told: no snapshot holds it
_LOOK = 0.05  # s between looks for a newcomer while there is no instance at all
_log = logging.getLogger("nemo-bridge")


class Newcomers(Protocol):
    """Where instances come from that replace dead ones."""

    def next(self) -> Session | None:
        """A session with an instance that has arrived, if there is one; does not wait."""
        ...

    def close(self) -> None:
        """No further instance is wanted."""
        ...


class Ensemble:
    """Alike instances of one model; implements `bridge.model.BatchModel`.

    `attempts` is how many instances a run may cost before it counts as crashed; `timeout` how long to wait, in
    seconds, for a newcomer when no instance is left. Snapshots are files in `directory`, which all instances must be
    able to read and write (default: a temporary one). ValueError if the instances are not alike.
    """

    def __init__(
        self,
        sessions: Iterable[Session],
        newcomers: Newcomers | None = None,
        attempts: int = 3,
        timeout: float = 300.0,
        directory: Path | None = None,
    ) -> None:
        self.sessions = list(sessions)
        if not self.sessions or attempts < 1:
            raise ValueError(f"expected sessions and attempts >= 1, got {self.sessions} and {attempts}")
        self._size = len(self.sessions)
        self._card = _card(self.sessions[0])
        for session in self.sessions[1:]:
            if (unlike := _difference(self._card, _card(session))) is not None:
                raise ValueError(
                    f"instances of an ensemble should be alike; {_name(session)} has another {unlike} than "
                    f"{_name(self.sessions[0])}: use one Session for each, or one ensemble for each kind"
                )
        self._newcomers = newcomers
        self._attempts = attempts
        self._timeout = timeout
        self._temporary = None if directory else tempfile.TemporaryDirectory(prefix="nemo-bridge-")
        self._directory = Path(directory or self._temporary.name).absolute()  # type: ignore[union-attr]
        self._held: dict[Session, dict[str, Snapshot]] = {session: {} for session in self.sessions}
        self._standing: dict[str, Any] = {}

    @classmethod
    def over_mpi(cls, timeout: float = 300.0, directory: Path | None = None) -> Ensemble:
        """All model instances of this MPI job; see `Session.all_over_mpi`."""
        return cls(Session.all_over_mpi(timeout), timeout=timeout, directory=directory)

    @classmethod
    def over_zmq(
        cls,
        endpoint: str,
        instances: int,
        timeout: float = 300.0,
        keys: Path | None = None,
        attempts: int = 3,
        directory: Path | None = None,
    ) -> Ensemble:
        """That many instances at a ZMQ endpoint. When one dies, the next to arrive there takes its place."""
        arrivals = _ZmqArrivals(endpoint, timeout, keys)
        try:
            ensemble = cls(arrivals.wait_for(instances), arrivals, attempts, timeout, directory)
        except BaseException as error:
            arrivals.close(f"the server ended before the run began: {error}")
            raise
        atexit.register(ensemble.stop)
        return ensemble

    # --- runs ---

    def run(self, params: Params, snapshot: Snapshot, steps: int, record: Recording) -> Trajectory:
        """One run, by whichever instance is alive; as `Session.run`."""
        return self.map([params], snapshot, steps, record)[0]

    def map(
        self,
        params_batch: Iterable[Params],
        snapshot: Snapshot,
        steps: int,
        record: Recording,
        finished: Callable[[int, Trajectory], None] | None = None,
    ) -> list[Trajectory]:
        """One run for each of `params_batch`, in its order, by all instances at once.

        `finished(position, trajectory)` is called as each run ends, whatever becomes of the others. A run that blew
        up, or that cost `attempts` instances, is an outcome. ModelCrashed if no instance is left.
        """
        wanted = list(params_batch)

        def start(session: Session, position: int) -> Run:
            return self._running(session, wanted[position], snapshot, steps, record)

        def give_up(position: int, error: BridgeError) -> Trajectory:
            return self._failed(wanted[position], snapshot, error)

        batch = Batch(len(wanted), self._attempts, start, give_up, finished or (lambda position, end: None))
        self._drop_the_lost()
        while not batch.done:
            self._let_in_newcomers()
            for session, error in batch.advance(self.sessions):
                self._lose(session, error)
            if batch.needs_instances and not self.sessions:
                self._wait_for_newcomer(f"{batch.ended} of {len(wanted)} runs have ended")
            batch.rest()
        return batch.results()

    # --- the verbs of a Session ---

    @property
    def parameters(self) -> dict[str, Any]:
        """Values that a run has unless its `params` say otherwise."""
        return self._first.parameters

    def describe(self) -> ModelDescription:
        """What the model says of itself."""
        return self._first.describe()

    def get(self, name: str) -> Any:
        """Current value in the first instance; after `map` each instance is somewhere else."""
        return self._first.get(name)

    def set(self, values: Mapping[str, Any]) -> None:
        """Write parameters, forcing or state of every instance, and parameters and forcing of those to come."""
        self._each(lambda session: session.set(values))
        entries = self._first.registration.entries
        self._standing.update({n: np.copy(v) for n, v in values.items() if entries[n].role in _STANDING})

    def snapshot(self) -> Snapshot:
        """The state of the first instance, from now on held by all: saved to a file, loaded, its hash checked."""
        first = self._first
        taken = first.snapshot()
        return self._share(first, taken, self._directory / taken.id)

    def load(self, path: Path | str, expected: Snapshot | None = None) -> Snapshot:
        """Read a saved snapshot into every instance."""
        first = self._first
        return self._share(first, first.load(path, expected), None)

    def save(self, snapshot: Snapshot, path: Path | str) -> Snapshot:
        """Write a snapshot to files `path`.0000, … (one per rank)."""
        saved = self._first.save(self._local(self._first, snapshot), path)
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
                self._lose(session, error)
            else:
                self._forget(session)
        if self._newcomers is not None:
            self._newcomers.close()
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

    def _running(
        self, session: Session, params: Params, snapshot: Snapshot, steps: int, record: Recording
    ) -> Run:
        local = self._local(session, snapshot)
        trajectory = yield from session.running(params, local, steps, record)
        return replace(trajectory, initial=snapshot)

    def _failed(self, params: Params, snapshot: Snapshot, error: BridgeError) -> Trajectory:
        kind = OutcomeKind.TIMED_OUT if isinstance(error, PeerTimeout) else OutcomeKind.CRASHED
        message = f"lost {self._attempts} instance(s), the last one because: {error}"
        outcome = Outcome(kind, snapshot.step, message)
        return Trajectory(np.zeros(0, int), self._card["time step"], {}, params, outcome, snapshot)

    # --- instances that come and go ---

    @property
    def _first(self) -> Session:
        self._drop_the_lost()
        if not self.sessions:
            raise ModelCrashed("no instance of the ensemble is left")
        return self.sessions[0]

    def _each(self, action: Callable[[Session], Any], sessions: Iterable[Session] | None = None) -> None:
        """Do it with every instance, or with those; one that is lost over it is dropped."""
        for session in list(self.sessions if sessions is None else sessions):
            try:
                action(session)
            except BridgeError as error:
                if not session.lost:
                    raise
                self._lose(session, error)
        self._first  # noqa: B018 (raises if none is left)

    def _drop_the_lost(self) -> None:
        """Drop instances of which the session was stopped, or broken by an earlier verb."""
        for session in [session for session in self.sessions if session.lost]:
            self._lose(session, ModelCrashed("its session has been stopped or interrupted"))

    def _lose(self, session: Session, error: BridgeError) -> None:
        """Drop an instance; over MPI that is the end of the job."""
        if not session.independent:
            raise error
        _log.warning("lost %s: %s", _name(session), error)
        self._forget(session)
        session.stop()

    def _forget(self, session: Session) -> None:
        self.sessions.remove(session)
        del self._held[session]

    def _let_in_newcomers(self) -> None:
        """Instances that have arrived take the places that are free."""
        while self._newcomers is not None and len(self.sessions) < self._size:
            try:
                session_or_none = self._newcomers.next()
                if session_or_none is None:
                    return
                self._admit(session_or_none)
            except BridgeError as error:
                _log.warning("a new instance could not join: %s", error)

    def _admit(self, session: Session) -> None:
        if (unlike := _difference(self._card, _card(session))) is not None:
            _log.warning("%s may not join: it has another %s than the others", _name(session), unlike)
            session.stop()
            return
        try:
            session.set(self._standing)
        except BridgeError:
            session.stop()
            raise
        _log.warning("%s joins the ensemble", _name(session))
        self.sessions.append(session)
        self._held[session] = {}

    def _wait_for_newcomer(self, state: str) -> None:
        start = time.monotonic()
        while not self.sessions:
            if self._newcomers is None or time.monotonic() - start > self._timeout:
                raise ModelCrashed(f"no instance of the ensemble is left; {state}")
            time.sleep(_LOOK)
            self._let_in_newcomers()


class _ZmqArrivals:
    """Instances that come to a ZMQ endpoint."""

    def __init__(self, endpoint: str, timeout: float, keys: Path | None) -> None:
        from bridge.transport.zmq_transport import Endpoint, tell_of_uncaught_exceptions

        self._endpoint = Endpoint(endpoint, keys)
        self._timeout = timeout
        self._transports: list[Any] = []
        tell_of_uncaught_exceptions(self._transports)

    def wait_for(self, instances: int) -> list[Session]:
        """The first ones, in the order of their labels."""
        transports = [self._endpoint.accept(self._timeout) for _ in range(instances)]
        self._transports.extend(transports)
        return [Session.with_model(t) for t in sorted(transports, key=lambda t: t.instance)]

    def next(self) -> Session | None:
        """A session with the next one, if it is there."""
        transport = self._endpoint.arrival(self._timeout)
        if transport is None:
            return None
        self._transports.append(transport)
        return Session.with_model(transport)

    def close(self, reason: str = "the server has ended its ensemble") -> None:
        """Give the endpoint back."""
        self._endpoint.close(reason)


# --- being alike ---


def _card(session: Session) -> dict[str, Any]:
    """What instances of an ensemble have in common."""
    registration = session.registration
    return {
        "model": (registration.model, registration.version),
        "time step": registration.time_step,
        "grid": tuple(registration.global_shape),
        "number or shape of tiles": registration.decomposition.tiles,
        "set of fields": {e.name: (e.role, e.dtype, e.shape) for e in registration.entries.values()},
        "set of parameter values": dict(session.parameters),
    }


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """Name of the first item in which two cards differ."""
    return next((name for name in one if not _equal(one[name], other[name])), None)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else bool(one == other)


def _name(session: Session) -> str:
    return f"instance {session.instance}"
