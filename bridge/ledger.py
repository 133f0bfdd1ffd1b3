"""The ledger: every model run that was paid for, so that a resumed job repeats none and trusts no stale one.

A directory holds `ledger.sqlite` (one row per finished run), `runs/<key>.nc` (recorded fields, float64) and
`artifacts/<key>.<name>.npy` (residuals, Jacobians). A run is identified by a hash of everything its result depends
on (`run_key`). Data reach the disk under a temporary name, are synced and renamed, and only then is the row
committed: a kill at any moment leaves either a finished run or none. One process owns the ledger at a time
(`ledger_lock`).
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from bridge.errors import BridgeError, ConfigurationError
from bridge.ledger_key import run_key
from bridge.ledger_lock import OwnerLock
from bridge.model import Outcome, OutcomeKind, Params, Snapshot, Trajectory
from bridge.trajectory_file import trajectory_from_bytes, trajectory_to_bytes

_SCHEMA = """
create table if not exists runs (
    key text primary key,
    number integer not null,        -- order in which runs finished, from 1
    outcome text not null,
    outcome_step integer not null,
    message text not null,
    initial text not null,          -- snapshot id
    params text not null,           -- JSON {group: {entry: value}}
    meta text not null,             -- JSON, the caller's
    checksum text,                  -- sha256 of runs/<key>.nc; null once pruned
    finished real not null          -- seconds since 1970
);
create table if not exists artifacts (
    key text not null, name text not null, checksum text not null, finished real not null,
    primary key (key, name)
);
create table if not exists notes (name text primary key, value text not null);
"""


@dataclass(frozen=True)
class RunRecord:
    """One finished run as the ledger knows it; `pruned` when its fields were removed."""

    key: str
    number: int
    outcome: Outcome
    initial: str
    params: Params
    meta: dict[str, Any]
    pruned: bool
    finished: float


class Ledger:
    """The runs of one experiment, in `directory`.

    Opened for writing, it is owned by this process: LedgerBusy if another live process has it. With
    `read_only=True` (reports) nothing is locked or written.
    """

    key = staticmethod(run_key)

    def __init__(self, directory: str | Path, *, read_only: bool = False) -> None:
        self.directory = Path(directory)
        self.read_only = read_only
        database = self.directory / "ledger.sqlite"
        if read_only and not database.is_file():
            raise ConfigurationError(f"{self.directory}: no ledger here (ledger.sqlite is missing)")
        self._lock: OwnerLock | None = None
        if not read_only:
            for folder in ("runs", "artifacts"):
                (self.directory / folder).mkdir(parents=True, exist_ok=True)
            self._lock = OwnerLock(self.directory / "owner.lock")
            self._lock.acquire()
        try:
            self._database = _connect(database, read_only)
            if not read_only:
                self._remove_left_overs()
        except BaseException:
            self._release()
            raise

    # --- runs --------------------------------------------------------------------------------------------------

    def lookup(self, key: str) -> Trajectory | None:
        """The finished run `key`, or None: never run, pruned, or its file does not match its checksum."""
        row = self._row("select checksum from runs where key = ?", key)
        if row is None or row["checksum"] is None:
            return None
        content = _read_checked(self._run_file(key), row["checksum"])
        return None if content is None else trajectory_from_bytes(content)

    def store(self, key: str, trajectory: Trajectory, meta: Mapping[str, Any] | None = None) -> None:
        """Keep a finished run under `key`; storing it again replaces the fields and keeps its number.

        Raises BridgeError when the disk is full; what was stored before stays intact.
        """
        self._refuse_read_only()
        outcome = trajectory.outcome
        checksum = self._write(self._run_file(key), trajectory_to_bytes(trajectory))
        with self._transaction() as database:
            database.execute(
                "insert into runs values (?, (select coalesce(max(number), 0) + 1 from runs), ?, ?, ?, ?, ?, ?, ?, ?)"
                " on conflict (key) do update set outcome = excluded.outcome, outcome_step = excluded.outcome_step,"
                " message = excluded.message, checksum = excluded.checksum, finished = excluded.finished",
                (
                    key,
                    outcome.kind.value,
                    outcome.step,
                    outcome.message,
                    trajectory.initial.id,
                    json.dumps(_plain(trajectory.params)),
                    json.dumps(_plain(dict(meta or {}))),
                    checksum,
                    time.time(),
                ),
            )

    def record(self, key: str) -> RunRecord | None:
        """What the ledger knows of run `key` without reading its fields."""
        row = self._row("select * from runs where key = ?", key)
        return None if row is None else _record(row)

    def records(self) -> list[RunRecord]:
        """All finished runs, in the order they finished."""
        return [_record(row) for row in self._database.execute("select * from runs order by number")]

    def __len__(self) -> int:
        return int(self._database.execute("select count(*) from runs").fetchone()[0])

    def __contains__(self, key: str) -> bool:
        return self._row("select 1 from runs where key = ?", key) is not None

    def prune(self, key: str) -> None:
        """Remove the fields of run `key`; its row and its artifacts stay.

        Only a run that has an artifact may be pruned: otherwise what was paid for would be lost.
        """
        self._refuse_read_only()
        if self._row("select 1 from artifacts where key = ?", key) is None:
            raise ConfigurationError(f"run {key} has no artifact: pruning it would lose the run")
        with self._transaction() as database:
            database.execute("update runs set checksum = null where key = ?", (key,))
        self._run_file(key).unlink(missing_ok=True)

    # --- artifacts: arrays derived from runs, by key and name ------------------------------------------------------

    def store_artifact(self, key: str, name: str, array: np.ndarray) -> None:
        """Keep `array` under (key, name); `key` is usually, but need not be, that of a run."""
        self._refuse_read_only()
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(array), allow_pickle=False)
        checksum = self._write(self._artifact_file(key, name), buffer.getvalue())
        with self._transaction() as database:
            database.execute(
                "insert or replace into artifacts values (?, ?, ?, ?)", (key, name, checksum, time.time())
            )

    def artifact(self, key: str, name: str) -> np.ndarray | None:
        """The array kept under (key, name), or None."""
        row = self._row("select checksum from artifacts where key = ? and name = ?", key, name)
        if row is None:
            return None
        content = _read_checked(self._artifact_file(key, name), row["checksum"])
        return None if content is None else np.load(io.BytesIO(content), allow_pickle=False)

    def artifact_names(self, key: str) -> list[str]:
        """Names of the artifacts of `key`, sorted."""
        rows = self._database.execute("select name from artifacts where key = ? order by name", (key,))
        return [row["name"] for row in rows]

    # --- notes: small JSON values, e.g. the state of the minimiser --------------------------------------------------

    def set_note(self, name: str, value: Any) -> None:
        """Remember a JSON value under `name`, replacing the previous one, in one transaction."""
        self._refuse_read_only()
        with self._transaction() as database:
            database.execute("insert or replace into notes values (?, ?)", (name, json.dumps(_plain(value))))

    def note(self, name: str, default: Any = None) -> Any:
        """The JSON value under `name`, or `default`."""
        row = self._row("select value from notes where name = ?", name)
        return default if row is None else json.loads(row["value"])

    # --- the rest -------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Give the ledger back."""
        self._database.close()
        self._release()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _run_file(self, key: str) -> Path:
        return self.directory / "runs" / f"{key}.nc"

    def _artifact_file(self, key: str, name: str) -> Path:
        safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
        digest = hashlib.sha256(f"{key}\0{name}".encode()).hexdigest()[:12]
        return self.directory / "artifacts" / f"{digest}.{safe}.npy"

    def _row(self, query: str, *values: Any) -> sqlite3.Row | None:
        return self._database.execute(query, values).fetchone()

    def _transaction(self) -> _Transaction:
        return _Transaction(self._database, self.directory)

    def _write(self, path: Path, content: bytes) -> str:
        try:
            _write_durably(path, content)
        except OSError as error:
            raise _storage_error(error, self.directory) from error
        return hashlib.sha256(content).hexdigest()

    def _remove_left_overs(self) -> None:
        for path in self.directory.glob("*/*.tmp"):
            path.unlink(missing_ok=True)

    def _refuse_read_only(self) -> None:
        if self.read_only:
            raise ConfigurationError(f"{self.directory}: the ledger was opened read-only")


class _Transaction:
    """A committed or rolled-back unit of work; a full disk becomes a BridgeError."""

    def __init__(self, database: sqlite3.Connection, directory: Path) -> None:
        self._database = database
        self._directory = directory

    def __enter__(self) -> sqlite3.Connection:
        return self._database.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            self._database.__exit__(kind, error, trace)
        except sqlite3.OperationalError as failure:
            error = failure
            self._database.rollback()
        if isinstance(error, sqlite3.OperationalError):
            raise _storage_error(error, self._directory) from error


def _connect(path: Path, read_only: bool) -> sqlite3.Connection:
    if read_only:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
        database.row_factory = sqlite3.Row
        return database
    database = sqlite3.connect(path, timeout=30)
    database.row_factory = sqlite3.Row
    # A rollback journal, not WAL: WAL needs shared memory, which NFS and Lustre do not give.
    database.execute("pragma journal_mode = delete")
    database.execute("pragma synchronous = full")
    database.executescript(_SCHEMA)
    return database


def _write_durably(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_checked(path: Path, checksum: str) -> bytes | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return content if hashlib.sha256(content).hexdigest() == checksum else None


def _storage_error(error: Exception, directory: Path) -> BridgeError:
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "full" in str(error):
        return BridgeError(
            f"{directory}: the disk is full ({error}); every run stored before is intact: "
            "free some space and start again with --resume"
        )
    return BridgeError(f"{directory}: cannot write to the ledger ({error})")


def _record(row: sqlite3.Row) -> RunRecord:
    return RunRecord(
        key=row["key"],
        number=row["number"],
        outcome=Outcome(OutcomeKind(row["outcome"]), row["outcome_step"], row["message"]),
        initial=row["initial"],
        params=json.loads(row["params"]),
        meta=json.loads(row["meta"]),
        pruned=row["checksum"] is None,
        finished=row["finished"],
    )


def _plain(value: Any) -> Any:
    """`value` with numpy scalars and arrays, paths and mappings as JSON knows them."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value) if isinstance(value, Path | Snapshot) else value
