"""A live model instance and its verbs.

    with Session.over_mpi() as session:
        start = session.snapshot()
        result = session.run({"namzdf_tke": {"rn_ediff": 0.12}}, start, steps=40, record=Recording(("tos",), 10))

This side drives: each verb sends one request to every rank of the model and collects its answers.
"""

from __future__ import annotations

import atexit
import traceback
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from bridge.conversation import Conversation
from bridge.description import Entry
from bridge.errors import BridgeError, ModelCrashed, ProtocolError
from bridge.model import (
    Grid,
    ModelDescription,
    Outcome,
    OutcomeKind,
    Params,
    Recording,
    Snapshot,
    Trajectory,
)
from bridge.protocol import Header, Role, Verb
from bridge.spill import SnapshotShelf
from bridge.transport.base import Transport

_WRITABLE = (Role.PARAMETER, Role.STATE, Role.FORCING)
_FIELDS = (Role.STATE, Role.FORCING, Role.DIAGNOSTIC)


class Session:
    """One live model instance behind a transport; implements `bridge.model.Model`.

    Wrong use raises ValueError before anything is sent. A refusal of the model raises RequestRefused, silence
    beyond the transport's time-out PeerTimeout, the end of its processes ModelCrashed.
    """

    def __init__(self, transport: Transport) -> None:
        self._model = Conversation(transport)
        self._shelf = SnapshotShelf(self._model)
        self._grid: Grid | None = None
        self.registration = self._model.registration
        self.step = self._model.first_step
        #: values that a run has unless its `params` say otherwise: those at the start, then those `set`
        self.parameters: dict[str, Any] = {}
        for entry in self.registration.of_role(Role.PARAMETER):
            self.parameters[entry.name] = entry.value if not entry.shape else self.get(entry.name)
        self._in_model = dict(self.parameters)

    @classmethod
    def over_mpi(cls, timeout: float = 300.0) -> Session:
        """The only model instance of this MPI job. Collective with `bridge_open`; call it once per process."""
        sessions = cls.all_over_mpi(timeout)
        if len(sessions) > 1:
            raise ProtocolError(f"this MPI job has {len(sessions)} model instances: use Session.all_over_mpi")
        return sessions[0]

    @classmethod
    def all_over_mpi(cls, timeout: float = 300.0) -> list[Session]:
        """All model instances of this MPI job, in the order of the programs on the command line."""
        from bridge.transport.mpi_transport import open_job

        sessions: list[Session] = [cls(transport) for transport in open_job(timeout)]
        for session in sessions:
            # A script that ends without stop would leave the model waiting for its next request.
            atexit.register(session.stop)
        return sessions

    @classmethod
    def over_zmq(cls, endpoint: str, timeout: float = 300.0, keys: Path | None = None) -> Session:
        """A model that meets us at a ZMQ endpoint, tcp://127.0.0.1:5555 or ipc:///path, whoever comes first.

        The model is a job of its own with NEMO_BRIDGE_ENDPOINT set. Beyond this machine both sides need `keys`
        (a directory made by `nemo-bridge keys`).
        """
        return cls.all_over_zmq(endpoint, 1, timeout, keys)[0]

    @classmethod
    def all_over_zmq(
        cls, endpoint: str, instances: int, timeout: float = 300.0, keys: Path | None = None
    ) -> list[Session]:
        """That many model instances at a ZMQ endpoint, in the order of their labels (NEMO_BRIDGE_INSTANCE)."""
        from bridge.transport.zmq_transport import open_instances

        return [cls.with_model(t) for t in open_instances(endpoint, instances, timeout, keys)]

    @classmethod
    def with_model(cls, transport: Transport) -> Session:
        """A session with a model that is a job of its own; one that we cannot work with is told why, and ended."""
        try:
            session = cls(transport)
        except BridgeError as error:
            transport.abort(f"the server cannot work with this model: {error}")
            raise
        atexit.register(session.stop)
        return session

    @property
    def lost(self) -> bool:
        """Is this session of no use any more: stopped, or broken in the middle of an exchange?"""
        return self._model.interrupted or not self._model.open

    @property
    def independent(self) -> bool:
        """Does the model's end leave this process and all other instances alone? So it is over ZMQ, not over MPI."""
        return self._model.transport.independent

    @property
    def instance(self) -> int:
        """Label of the instance."""
        return self._model.transport.instance

    def rest(self, seconds: float) -> None:
        """Let others have the core for so long, or until something arrives; for whoever follows several `running`."""
        self._model.transport.rest(seconds)

    # --- the verbs ---

    def describe(self) -> ModelDescription:
        """Name, version, time step, grid with its static arrays, fields, parameters."""
        registration = self.registration
        if self._grid is None:
            static = {entry.name: self.get(entry.name) for entry in registration.of_role(Role.STATIC)}
            self._grid = Grid(*registration.global_shape, static, registration.decomposition.edges)
        fields = {e.name: e.spec for e in registration.entries.values() if e.role in _FIELDS and e.shape}
        return ModelDescription(
            registration.model,
            registration.version,
            registration.time_step,
            self._grid,
            fields,
            dict(self.parameters),
        )

    def set(self, values: Mapping[str, Any]) -> None:
        """Write parameters, forcing or state by name: scalars, or global arrays [(k,) j, i] (cast to the dtype).

        Parameters set here are what later runs start from.
        """
        prepared = [(entry := self._writable(name), _as_sent(entry, value)) for name, value in values.items()]
        self._model.put(prepared)
        for entry, array in prepared:
            if entry.role is Role.PARAMETER:
                value = entry.as_python(array.copy())
                self.parameters[entry.name] = self._in_model[entry.name] = value

    def get(self, name: str, out: np.ndarray | None = None) -> Any:
        """Current value of anything registered: a number, or the global array [(k,) j, i].

        Cells of suppressed ranks are 0, or with `out` as they were there.
        """
        entry = self.registration.entry(name)
        array = _zeros(entry) if out is None else _checked_out(entry, out)
        self._model.fetch(entry, array)
        return entry.as_python(array)

    def snapshot(self) -> Snapshot:
        """Remember the full state, inside the model's memory."""
        return self._shelf.take()

    def restore(self, snapshot: Snapshot) -> None:
        """Bring a remembered state back, bit by bit; the model's step rewinds with it."""
        answers = self._model.ask(Header(Verb.RESTORE, argument=self._shelf.slot(snapshot)))
        self.step = answers[0].step

    def save(self, snapshot: Snapshot, path: Path | str) -> Snapshot:
        """Write a snapshot to files `path`.0000, … (one per rank, each appears complete or not at all)."""
        return self._shelf.save(snapshot, Path(path).absolute())

    def load(self, path: Path | str, expected: Snapshot | None = None) -> Snapshot:
        """Read a saved snapshot back into the model's memory (restore it to use it).

        Raises ProtocolError if `expected` is given and the content is not its content.
        """
        snapshot = self._shelf.load(Path(path).absolute())
        if expected is not None and expected.id != snapshot.id:
            self.drop(snapshot)
            raise ProtocolError(f"{path} holds the snapshot {snapshot.id}, expected {expected.id}")
        return snapshot

    def drop(self, snapshot: Snapshot) -> None:
        """Free the memory of a snapshot."""
        self._shelf.drop(snapshot)

    def limit_snapshots(self, bytes_: int, directory: Path | None = None, files_last: bool = False) -> None:
        """Let snapshots have at most so many bytes of the model's memory, all ranks together (one always fits).

        Beyond it the least recently used is moved to a file, and back when it is needed: each Snapshot goes on to
        work. The files are in a folder of their own in `directory`, which the model's ranks must be able to write to
        (default: the system's for temporary files), until `drop` or `stop`. `files_last`: what `save` writes and
        `load` reads will not be changed by anybody, and is not written again. RequestRefused if a snapshot cannot be
        written; it then stays in memory.
        """
        self._shelf.limit(bytes_, directory, files_last)

    def run(self, params: Params, snapshot: Snapshot, steps: int, record: Recording) -> Trajectory:
        """Restore `snapshot`, run `steps` steps with `params`, and record.

        Parameters that `params` does not name have the values of `self.parameters`. A blow-up is an outcome of
        the trajectory, with what was recorded until then; the session lives on.
        """
        self._apply(params)
        self.restore(snapshot)
        return self.advance(steps, record, params, snapshot)

    def running(
        self, params: Params, snapshot: Snapshot, steps: int, record: Recording
    ) -> Generator[float, None, Trajectory]:
        """As `run`, as a generator that returns the trajectory and meanwhile yields when it last heard of the model.

        One thread can follow several sessions in this way; a session has one run under way at a time.
        """
        self._apply(params)
        self.restore(snapshot)
        entries, fields = self._room(steps, record)
        first = self.step
        outcome = yield from self._model.running(first, steps, record.every, entries, fields)
        return self._trajectory(first, record, fields, outcome, params, snapshot)

    def advance(
        self,
        steps: int,
        record: Recording,
        params: Params | None = None,
        initial: Snapshot | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Trajectory:
        """Run on from where the model stands, with the parameters it has; `meanwhile` is called as it begins."""
        entries, fields = self._room(steps, record)
        first = self.step
        outcome = self._model.run(first, steps, record.every, entries, fields, meanwhile)
        return self._trajectory(first, record, fields, outcome, params, initial)

    def _room(self, steps: int, record: Recording) -> tuple[list[Entry], dict[str, np.ndarray]]:
        """What is recorded, and the arrays [record, (k,) j, i] that it goes into."""
        entries = [self.registration.entry(name) for name in record.fields]
        if steps < 0 or record.every < 1:
            raise ValueError(f"expected steps >= 0 and every >= 1, got {steps} and {record.every}")
        return entries, {e.name: _zeros(e, steps // record.every) for e in entries}

    def _trajectory(
        self,
        first: int,
        record: Recording,
        fields: dict[str, np.ndarray],
        outcome: Outcome,
        params: Params | None,
        initial: Snapshot | None,
    ) -> Trajectory:
        self.step = outcome.step
        recorded = (outcome.step - first - (outcome.kind is not OutcomeKind.COMPLETED)) // record.every
        return Trajectory(
            steps=first + record.every * np.arange(1, recorded + 1),
            time_step=self.registration.time_step,
            fields={
                name: self.registration.entry(name).as_python(values[:recorded])
                for name, values in fields.items()
            },
            params=params or {},
            outcome=outcome,
            initial=initial or Snapshot(f"step {first}", None, first),
        )

    def stop(self) -> None:
        """Let the model finish in its own way; a second stop does nothing.

        After an exchange that failed half-way (a time-out, an interrupt) it ends the job with a non-zero code.
        """
        if self._model.interrupted:
            # The two sides are out of step, so the model cannot be asked to stop.
            self._model.open = False
            self._model.transport.abort("the exchange with the model failed half-way")
        elif self._model.open:
            self._model.close()
        self._shelf.close()
        atexit.unregister(self.stop)

    def dismiss(self, reason: str) -> None:
        """End a model that is not wanted: it is told why, and its exit code is not 0."""
        self._model.open = False
        self._model.transport.abort(reason)
        atexit.unregister(self.stop)

    # --- with-block ---

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ModelCrashed):
            self._model.open = False  # nobody is left to be stopped
            atexit.unregister(self.stop)
            return
        if self._model.interrupted:
            traceback.print_exception(kind, error, trace)
        self.stop()

    # --- helpers ---

    def _apply(self, params: Params) -> None:
        """Give the model `params` on top of the standing parameters; send only what changes."""
        wanted = dict(self.parameters)
        for group, values in params.items():
            for name, value in values.items():
                entry = self.registration.entry(f"{group}/{name}", (Role.PARAMETER,))
                wanted[entry.name] = entry.as_python(_as_sent(entry, value))
        changed = {n: v for n, v in wanted.items() if not np.array_equal(v, self._in_model[n])}
        self._model.put([(e := self.registration.entries[n], _as_sent(e, v)) for n, v in changed.items()])
        self._in_model.update({n: np.copy(v) if isinstance(v, np.ndarray) else v for n, v in changed.items()})

    def _writable(self, name: str) -> Entry:
        return self.registration.entry(name, _WRITABLE)


def _as_sent(entry: Entry, value: Any) -> np.ndarray:
    """Value as a C-contiguous array of the entry's dtype and global shape (itself if it is one), else ValueError."""
    if isinstance(value, np.ndarray) and value.dtype == entry.dtype and value.flags.c_contiguous:
        array = value
    else:
        array = np.ascontiguousarray(value, dtype=entry.dtype).reshape(np.shape(value))
    if array.shape != entry.shape:
        raise ValueError(f"{entry.name!r} has shape {entry.shape}, got {array.shape}")
    return array


def _zeros(entry: Entry, *records: int) -> np.ndarray:
    """An array for values of an entry, or for so many records of them."""
    shape = (*records, *entry.shape)
    try:
        return np.zeros(shape, entry.dtype)
    except (MemoryError, ValueError) as error:
        raise ProtocolError(
            f"{entry.name!r} with shape {shape} does not fit into this machine's memory"
        ) from error


def _checked_out(entry: Entry, out: np.ndarray) -> np.ndarray:
    if out.shape != entry.shape or out.dtype != entry.dtype or not out.flags.c_contiguous:
        raise ValueError(
            f"out for {entry.name!r} must be C-contiguous, of shape {entry.shape} and dtype {entry.dtype}; "
            f"got shape {out.shape} and dtype {out.dtype}"
        )
    return out
