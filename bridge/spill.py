"""The snapshots of one model: in slots of its memory, and beyond a limit in files.

Without a limit all of them stay in memory. With one, the least recently used is saved to a file and dropped when
another needs its room, and loaded again, its hash checked, when somebody needs it.
"""

from __future__ import annotations

import hashlib
import math
import numbers
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.conversation import Conversation
from bridge.errors import ProtocolError, RequestRefused
from bridge.model import Snapshot
from bridge.own_folder import OwnFolder
from bridge.protocol import Header, Verb, whole_snapshot


@dataclass
class _Held:
    """A snapshot that is to stay: in a slot of the model's memory, in a file, or in both."""

    snapshot: Snapshot
    bytes: int
    slot: int | None
    path: Path | None = None  # a file that will not change


class SnapshotShelf:
    """Snapshots of one model, told apart by `Snapshot.slot`: a number that is never given twice."""

    def __init__(self, model: Conversation) -> None:
        self._model = model
        self._held: dict[int, _Held] = {}  # the least recently used first
        self._given = 0
        self._limit: float | None = None
        self._files_last = False
        self._folders: list[OwnFolder] = []  # the last one takes what is moved now
        self._directory: Path | None = None  # in which that one is

    def limit(self, bytes_in_memory: float, directory: Path | None, files_last: bool) -> None:
        """From now on hold at most so many bytes; see `Session.limit_snapshots`."""
        limit = checked_limit(bytes_in_memory)
        directory = None if directory is None else Path(directory).absolute()
        if not self._folders or directory not in (None, self._directory):
            self._folders.append(_folder_in(directory))
            self._directory = directory
        self._limit = limit
        self._files_last = files_last
        self._make_room(0)

    def take(self) -> Snapshot:
        """The state of the model as it is now."""
        self._make_room()
        slot = self._free_slot()
        return self._keep(self._model.ask(Header(Verb.SNAPSHOT, argument=slot)), slot)

    def load(self, path: Path) -> Snapshot:
        """What is in the files `path`.0000, …"""
        self._make_room()
        slot = self._free_slot()
        return self._keep(self._read(slot, path), slot, path)

    def save(self, snapshot: Snapshot, path: Path) -> Snapshot:
        """Write the files `path`.0000, …"""
        slot = self.slot(snapshot)
        held = self._find(snapshot)
        self._write(held, slot, path)
        if self._files_last and held.path is None:
            held.path = path
        return Snapshot(snapshot.id, snapshot.slot, snapshot.step, path)

    def slot(self, snapshot: Snapshot) -> int:
        """Where it is in the model's memory; brought back from its file if need be."""
        held = self._find(snapshot)
        self._held[self._number(snapshot)] = self._held.pop(self._number(snapshot))  # the most recently used
        if held.slot is None:
            assert held.path is not None  # what left the memory has a file
            self._make_room(held.bytes)
            slot = self._free_slot()
            if (found := content_hash(self._read(slot, held.path))) != held.snapshot.id:
                self._model.ask(Header(Verb.DROP, argument=slot))
                raise ProtocolError(f"{held.path} holds the snapshot {found}, expected {held.snapshot.id}")
            held.slot = slot
        return held.slot

    def drop(self, snapshot: Snapshot) -> None:
        """Forget it."""
        held = self._find(snapshot)
        if held.slot is not None:
            self._model.ask(Header(Verb.DROP, argument=held.slot))
        del self._held[self._number(snapshot)]
        if held.path is not None and held.path.parent in [folder.path for folder in self._folders]:
            self._remove(held.path)

    def close(self) -> None:
        """Nothing is needed any more."""
        while self._folders:
            self._folders.pop().cleanup()

    # --- room ---

    def _make_room(self, needed: int | None = None) -> None:
        """Move snapshots to files until there is room for so many bytes (by default, for another snapshot)."""
        if self._limit is None:
            return
        if needed is None:
            needed = max((held.bytes for held in self._held.values()), default=0)
        inside = [held for held in self._held.values() if held.slot is not None]
        while inside and sum(held.bytes for held in inside) + needed > self._limit:
            self._spill(inside.pop(0))

    def _spill(self, held: _Held) -> None:
        assert held.slot is not None
        if held.path is None:
            path = self._folders[-1].path / f"{held.snapshot.id}-{held.snapshot.slot}"
            try:
                self._write(held, held.slot, path)
            except RequestRefused as error:
                self._remove(path)
                raise RequestRefused(
                    f"{error}. It was to make room: the snapshots in the model's memory may have {self._limit:.0f} "
                    "bytes. None is lost; drop one, raise the limit, or free the disk"
                ) from error
            held.path = path
        self._model.ask(Header(Verb.DROP, argument=held.slot))
        held.slot = None

    def _free_slot(self) -> int:
        used = {held.slot for held in self._held.values()}
        return next(n for n in range(len(used) + 1) if n not in used)

    # --- the model ---

    def _keep(self, answers: list[Header], slot: int, path: Path | None = None) -> Snapshot:
        snapshot = Snapshot(content_hash(answers), self._given, answers[0].step, path)
        size = sum(answer.snapshot_bytes for answer in answers)
        self._held[self._given] = _Held(snapshot, size, slot, path if self._files_last else None)
        self._given += 1
        return snapshot

    def _read(self, slot: int, path: Path) -> list[Header]:
        """The answers of all ranks; RequestRefused if their files are not those of one snapshot."""
        answers = self._model.ask(Header(Verb.LOAD, argument=slot), text=str(path))
        if all(content_hash(answers).startswith(answer.whole_snapshot) for answer in answers):
            return answers
        self._model.ask(Header(Verb.DROP, argument=slot))
        parts: dict[str, str] = {}
        for rank, answer in enumerate(answers):
            part = f"{_rank_file(path, rank)} (of snapshot {answer.whole_snapshot}…, step {answer.step})"
            parts.setdefault(answer.whole_snapshot, part)
        raise RequestRefused(
            f"these files do not make one snapshot: {', '.join(parts.values())}; a save over other files was cut off, "
            "or a file was replaced: save again"
        )

    def _write(self, held: _Held, slot: int, path: Path) -> None:
        request = Header(Verb.SAVE, field=whole_snapshot(held.snapshot.id), argument=slot)
        self._model.ask(request, text=str(path))

    def _remove(self, path: Path) -> None:
        """Delete the files of all ranks, where they can be reached from here."""
        for rank in range(self._model.transport.ranks):
            _rank_file(path, rank).unlink(missing_ok=True)

    def _find(self, snapshot: Snapshot) -> _Held:
        held = self._held.get(self._number(snapshot))
        if held is None or held.snapshot.id != snapshot.id:
            raise ValueError(f"this session does not hold the snapshot {snapshot.id}: load it first")
        return held

    @staticmethod
    def _number(snapshot: Snapshot) -> int:
        return -1 if snapshot.slot is None else snapshot.slot


def checked_limit(bytes_: Any) -> float:
    """A limit for snapshots in bytes; ValueError if it is none."""
    real = isinstance(bytes_, numbers.Real) and not isinstance(bytes_, bool)
    if not real or not 0 <= bytes_ < math.inf:  # nor is nan
        raise ValueError(f"expected a limit of bytes for snapshots, a finite number from 0, got {bytes_!r}")
    return float(bytes_)


def _folder_in(directory: Path | None) -> OwnFolder:
    try:
        return OwnFolder("snapshots-", directory)
    except OSError as error:
        raise ValueError(f"no folder for snapshots can be made in {directory}: {error.strerror}") from error


def _rank_file(path: Path, rank: int) -> Path:
    return Path(f"{path}.{rank:04d}")


def content_hash(answers: Iterable[Header]) -> str:
    """Hash of a snapshot from those of its ranks and its step."""
    answers = list(answers)
    text = " ".join(answer.snapshot_hash for answer in answers) + f" {answers[0].step}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
