"""A live model instance and its verbs.

    with Session.over_mpi() as session:
        start = session.snapshot()
        result = session.run({"namzdf_tke": {"rn_ediff": 0.12}}, start, steps=40, record=Recording(("tos",), 10))

This side drives: each verb sends one request to every rank of the model and collects its answers.
"""

from __future__ import annotations

import atexit
import os
import traceback
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from bridge.conversation import Conversation
from bridge.coupling import CoupledRun, Coupling
from bridge.description import Entry
from bridge.errors import BridgeError, ModelCrashed, ProtocolError
from bridge.model import (
    Grid,
    ModelDescription,
    OutcomeKind,
    Params,
    Recording,
    Snapshot,
    Trajectory,
    whole_number,
)
from bridge.protocol import Header, Role, Verb
from bridge.run import Run
from bridge.spill import SnapshotShelf
from bridge.transport.base import Transport
from bridge.wire_field import WireField, as_asked, can_be_narrow

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
        self._wires: dict[str, WireField] = {}
        self.registration = self._model.registration
        self.step = self._model.first_step
        #: values that a run has unless its `params` say otherwise: those at the start, then those `set`
        self.parameters: dict[str, Any] = {}
        for entry in self.registration.of_role(Role.PARAMETER):
            self.parameters[entry.name] = entry.value if not entry.shape else self.get(entry.name)
        self._in_model: dict[str, Any] = dict(self.parameters)
        self._forcing_before: dict[str, Any] = {}  # of what closures have written over since the last `set`

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
        broken = self._model.interrupted and not self._model.under_way
        return broken or not self._model.open

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

        Parameters set here are what later runs start from. A float32 array for a field of float64 travels as it is;
        the model widens it.
        """
        prepared = [self._as_sent(self.registration.entry(name, _WRITABLE), v) for name, v in values.items()]
        self._model.put(prepared)
        for wire, array in prepared:
            self._forcing_before.pop(wire.entry.name, None)
            if (entry := wire.entry).role is Role.PARAMETER:
                value = entry.as_python(array.copy())
                self.parameters[entry.name] = self._in_model[entry.name] = value

    def get(self, name: str, out: np.ndarray | None = None, dtype: Any = None, halo: int = 0) -> Any:
        """Current value of anything registered: a number, or the global array [(k,) j, i].

        Cells of suppressed ranks are 0, or with `out` as they were there. With `dtype` float32 a field of float64
        travels, and comes, as float32; beyond its range it is infinite. With `halo` the array has so many cells more at
        each side, [(k,) j + 2 halo, i + 2 halo]: what lies across a seam or the north fold (components of vectors
        change their sign there: `FieldSpec.vector`), and 0 beyond a closed edge.
        """
        wire = self._asked(name, dtype, halo)
        if out is None and not wire.entry.shape:
            return wire.entry.as_python(self._model.number(wire))
        array = self._array(wire) if out is None else _checked_out(wire, out)
        self._model.fetch(wire, array)
        return wire.entry.as_python(array)

    def array(self, name: str, dtype: Any = None, halo: int = 0) -> np.ndarray:
        """Zeros with the shape and dtype that `name` has for `set` and, with the same `dtype` and `halo`, for `get`.

        Where the model runs on this machine they lie in memory that its ranks share: what goes to and fro is then
        copied once, by the rank. Any other array is copied once more.
        """
        array = self._array(self._asked(name, dtype, halo))
        array[...] = 0
        return array

    def snapshot(self) -> Snapshot:
        """Remember the full state, inside the model's memory."""
        return self._shelf.take()

    def restore(self, snapshot: Snapshot) -> None:
        """Bring a remembered state back, bit by bit; the model's step rewinds with it."""
        answers = self._model.ask(Header(Verb.RESTORE, argument=self._shelf.slot(snapshot)))
        self.step = answers[0].step
        if self.step != snapshot.step:
            self._model.interrupted = True
            who = f"instance {self.instance}"
            raise ProtocolError(f"{who}: expected to be back at step {snapshot.step}, got step {self.step}")

    def save(self, snapshot: Snapshot, path: Path | str) -> Snapshot:
        """Write a snapshot to files `path`.0000, … (one per rank, each appears complete or not at all)."""
        return self._shelf.save(snapshot, _of_files(path))

    def load(self, path: Path | str, expected: Snapshot | None = None) -> Snapshot:
        """Read a saved snapshot back into the model's memory (restore it to use it).

        Raises ProtocolError if `expected` is given and the content is not its content.
        """
        snapshot = self._shelf.load(_of_files(path))
        if expected is not None and expected.id != snapshot.id:
            self.drop(snapshot)
            raise ProtocolError(f"{path} holds the snapshot {snapshot.id}, expected {expected.id}")
        return snapshot

    def drop(self, snapshot: Snapshot) -> None:
        """Free the memory of a snapshot."""
        self._shelf.drop(snapshot)

    def limit_snapshots(self, bytes_: float, directory: Path | None = None, files_last: bool = False) -> None:
        """Let snapshots have at most so many bytes of the model's memory, all ranks together (one always fits).

        Beyond it the least recently used is moved to a file, and back when it is needed: each Snapshot goes on to
        work. The files are in a folder of their own in `directory`, which the model's ranks must be able to write to
        (default: as before, at first the system's for temporary files), until `drop` or `stop`; those that are files
        already stay where they are. `files_last`: what `save` writes and
        `load` reads will not be changed by anybody, and is not written again. RequestRefused if a snapshot cannot be
        written; it then stays in memory.
        """
        self._shelf.limit(bytes_, directory, files_last)

    def run(
        self,
        params: Params,
        snapshot: Snapshot,
        steps: int,
        record: Recording,
        coupling: Coupling | None = None,
    ) -> Trajectory:
        """Restore `snapshot`, run `steps` steps with `params`, and record.

        Parameters that `params` does not name have the values of `self.parameters`, and forcing has that of the last
        `set`, whatever a closure has made of it since. A blow-up is an outcome of the trajectory, with what was
        recorded until then; the session lives on. With `coupling`, a closure in Python takes part (see Coupling).
        """
        run = self._planned(snapshot.step, steps, record, coupling)
        self._begin(run, params, snapshot)
        self._model.run(run)
        return self._trajectory(run, params, snapshot)

    def running(
        self,
        params: Params,
        snapshot: Snapshot,
        steps: int,
        record: Recording,
        coupling: Coupling | None = None,
    ) -> Generator[float, None, Trajectory]:
        """As `run`, as a generator that returns the trajectory and meanwhile yields when it last heard of the model.

        One thread can follow several sessions in this way; a session has one run under way at a time.
        """
        run = self._planned(snapshot.step, steps, record, coupling)
        self._begin(run, params, snapshot)
        yield from self._model.running(run)
        return self._trajectory(run, params, snapshot)

    def advance(
        self,
        steps: int,
        record: Recording,
        params: Params | None = None,
        initial: Snapshot | None = None,
        meanwhile: Callable[[], None] | None = None,
        coupling: Coupling | None = None,
    ) -> Trajectory:
        """Run on from where the model stands, with the parameters it has; `meanwhile` is called as it begins."""
        run = self._planned(self.step, steps, record, coupling)
        self._expect_forcing(run)
        self._model.run(run, meanwhile)
        return self._trajectory(run, params, initial)

    def _planned(self, first: int, steps: int, record: Recording, coupling: Coupling | None) -> Run:
        """A run from step `first`: what is recorded and exchanged, and arrays [record, (k,) j, i] for it.

        Nothing is sent yet: what cannot be is refused while the model is as it was.
        """
        steps = whole_number("steps", steps, 0)
        recorded = [as_asked(self.registration.entry(name), record.dtype) for name in record.fields]
        coupled = None if coupling is None else self._coupled(coupling)
        records = steps // record.every
        fields = {wire.entry.name: self._array(wire, records) for wire in recorded}
        return Run(first, steps, record.every, recorded, fields, coupled)

    def _coupled(self, coupling: Coupling) -> CoupledRun:
        """What the closure is given and gives."""
        if coupling.halo > min(self.registration.global_shape[:2]):
            raise ValueError(f"the grid is too small for a halo of {coupling.halo} cells")
        receive = [
            as_asked(self.registration.entry(name), coupling.dtype, coupling.halo)
            for name in coupling.receive
        ]
        send = [as_asked(self.registration.entry(n, _WRITABLE), coupling.dtype) for n in coupling.send]
        return CoupledRun(coupling, receive, send, self._array)

    def _begin(self, run: Run, params: Params, snapshot: Snapshot) -> None:
        """Put the model where the run begins."""
        self._apply(params)
        self.restore(snapshot)
        self._expect_forcing(run)

    def _expect_forcing(self, run: Run) -> None:
        """Keep what the closure will write over, for the next run."""
        for wire in run.coupled.send if run.coupled is not None else ():
            if wire.entry.role is Role.PARAMETER:
                self._in_model[wire.entry.name] = None  # nobody knows; the next run sends the standing value
            elif wire.entry.role is Role.FORCING and wire.entry.name not in self._forcing_before:
                self._forcing_before[wire.entry.name] = self.get(wire.entry.name)

    def _trajectory(self, run: Run, params: Params | None, initial: Snapshot | None) -> Trajectory:
        """What came of a run; raises what the closure raised, if it did."""
        outcome, first = run.outcome, run.first
        self.step = outcome.step
        if run.coupled is not None and run.coupled.failure is not None:
            raise run.coupled.failure
        recorded = (outcome.step - first - (outcome.kind is not OutcomeKind.COMPLETED)) // run.every
        return Trajectory(
            steps=first + run.every * np.arange(1, recorded + 1),
            time_step=self.registration.time_step,
            fields={
                w.entry.name: w.entry.as_python(run.fields[w.entry.name][:recorded]) for w in run.recorded
            },
            params=params or {},
            outcome=outcome,
            initial=initial or Snapshot(f"step {first}", None, first),
        )

    def stop(self) -> None:
        """Let the model finish in its own way; a second stop does nothing.

        After an exchange that failed half-way (a time-out, an interrupt) it ends the job with a non-zero code. Nothing
        happens in a forked copy of this process: the model is its parent's.
        """
        if self._model.in_closure:
            raise ValueError("a closure cannot stop its session: what it raises ends the run")
        if self._model.left_behind:
            return
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
        if self._model.left_behind:
            return
        self._model.open = False
        self._model.transport.abort(reason)
        self._shelf.close()
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
        if self.independent and is_failure(error) and not self.lost:
            self.dismiss(f"the server failed: {type(error).__name__}: {error}")
        else:
            self.stop()

    # --- helpers ---

    def _apply(self, params: Params) -> None:
        """Give the model the standing forcing, and `params` on top of the standing parameters; only what changes."""
        wanted = dict(self.parameters)
        for group, values in params.items():
            if not isinstance(values, Mapping):
                raise ValueError(
                    f'expected params as {{"group": {{"name": value}}}}, got {group!r}: {values!r:.80}'
                )
            for name, value in values.items():
                entry = self.registration.entry(f"{group}/{name}", (Role.PARAMETER,))
                wanted[entry.name] = entry.as_python(WireField(entry).array(value))
        changed = {n: v for n, v in wanted.items() if not np.array_equal(v, self._in_model[n])}
        written = {**self._forcing_before, **changed}
        self._model.put([self._as_sent(self.registration.entries[n], v) for n, v in written.items()])
        self._forcing_before.clear()
        self._in_model.update({n: np.copy(v) if isinstance(v, np.ndarray) else v for n, v in changed.items()})

    def _asked(self, name: str, dtype: Any, halo: int) -> WireField:
        """How an entry travels that is asked for; ValueError if it cannot in that way."""
        entry = self.registration.entry(name)
        if type(halo) is int and halo == 0 and dtype is None:  # most calls
            return self._as_it_is(entry)
        halo = whole_number("halo", halo, 0)
        wire = as_asked(entry, dtype, halo)
        if dtype is not None and not wire.narrow:
            raise ValueError(
                f"{name!r} always travels as {entry.dtype}: only fields of float64 can be narrowed"
            )
        if halo and (halo > min(self.registration.global_shape[:2]) or not entry.tiled):
            raise ValueError(f"{name!r} with shape {entry.shape} cannot have a halo of {halo} cells")
        return wire

    def _as_sent(self, entry: Entry, value: Any) -> tuple[WireField, np.ndarray]:
        """How a value travels, and its array: as float32 if that is what it is, though the field is of float64."""
        if isinstance(value, np.ndarray) and value.dtype == np.float32 and can_be_narrow(entry):
            wire = WireField(entry, narrow=True)
        else:
            wire = self._as_it_is(entry)
        return wire, wire.array(value)

    def _array(self, wire: WireField, *records: int) -> np.ndarray:
        """An array for values of an entry, or for so many records of them; zero where no rank will write."""
        shape = (*records, *wire.shape)
        try:
            return self._model.array(shape, wire.dtype, bool(wire.halo))
        except (MemoryError, ValueError) as error:
            raise ProtocolError(
                f"{wire.entry.name!r} with shape {shape} does not fit into this machine's memory"
            ) from error

    def _as_it_is(self, entry: Entry) -> WireField:
        """The entry as it travels unless something else is asked for; made once."""
        if entry.name not in self._wires:
            self._wires[entry.name] = WireField(entry)
        return self._wires[entry.name]


def _checked_out(wire: WireField, out: np.ndarray) -> np.ndarray:
    flags = out.flags
    if out.shape != wire.shape or out.dtype != wire.dtype or not (flags.c_contiguous and flags.writeable):
        raise ValueError(
            f"out for {wire.entry.name!r} must be C-contiguous and writeable, of shape {wire.shape} and dtype "
            f"{wire.dtype}; got shape {out.shape} and dtype {out.dtype}{'' if flags.writeable else ', read-only'}"
        )
    return out


def _of_files(path: Path | str) -> Path:
    """What the names of a snapshot's files begin with; ValueError if no file can be called so."""
    text = os.fspath(path)
    if not text.strip() or text != text.rstrip() or os.path.isdir(text):
        raise ValueError(f"expected the path of a file, without .0000 and blanks at its end, got {text!r}")
    return Path(text).absolute()


def is_failure(error: BaseException | None) -> bool:
    """Does a program fail that leaves a with-block in this way?"""
    return error is not None and not (isinstance(error, SystemExit) and error.code in (0, None))
