"""The identity of a run: a hash of everything its result depends on."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bridge.model import Params, Recording, Snapshot
from bridge.namelist import Namelist


def run_key(
    *,
    executable: str | Path,
    namelist: Namelist | Mapping[str, Any] | str | Path,
    snapshot: Snapshot | str,
    params: Params,
    steps: int,
    recording: Recording,
    forcing: Any = None,
) -> str:
    """Key of a run, 40 hexadecimal digits.

    `executable`: a file (its bytes count, not its name), or a string that identifies a model without one.
    `namelist`: its values, or a file or text. `snapshot`: the initial state's id. `forcing`: anything else the result
    depends on: None, paths of input files (their bytes count), arrays, numbers, strings, or nestings of these.
    """
    parts = {
        "executable": _path_or_text(executable),
        "namelist": _namelist(namelist),
        "snapshot": snapshot.id if isinstance(snapshot, Snapshot) else snapshot,
        "params": content_hash(params),
        "steps": int(steps),
        "fields": sorted(recording.fields),
        "every": int(recording.every),
        "forcing": content_hash(forcing),
    }
    if recording.dtype is not None:
        parts["dtype"] = str(recording.dtype)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:40]


def content_hash(value: Any) -> str:
    """Hash of nested dictionaries, sequences, arrays, numbers, strings and files; equal content, equal hash."""
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes; remembered while its size and modification time stay the same."""
    status = path.stat()
    return _file_hash(str(path.resolve()), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _file_hash(path: str, size: int, modified: int) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, Mapping):
        for name in sorted(value, key=str):
            digest.update(f"{{{name}:".encode())
            _feed(digest, value[name])
    elif isinstance(value, Path):
        digest.update(f"file {file_hash(value)}".encode())
    elif isinstance(value, bytes):
        digest.update(b"bytes " + value)
    elif isinstance(value, str | bool | type(None)):
        digest.update(f"{type(value).__name__} {value};".encode())
    elif isinstance(value, Iterable) and not isinstance(value, np.ndarray | np.generic):
        for item in value:
            digest.update(b"[")
            _feed(digest, item)
    else:
        _feed_numbers(digest, np.asarray(value))


def _feed_numbers(digest: Any, array: np.ndarray) -> None:
    # 1, 1.0 and float32(1) are the same parameter to the model: hash the float64 value.
    if array.dtype.kind not in "biuf":
        raise TypeError(f"cannot hash an array of {array.dtype}; expected numbers")
    values = np.ascontiguousarray(array, dtype=np.float64)
    values = np.where(values == 0.0, 0.0, values)  # -0.0 equals 0.0
    digest.update(f"array {array.shape} ".encode())
    digest.update(values.tobytes())


def _path_or_text(value: str | Path) -> str:
    path = Path(value)
    return file_hash(path) if path.is_file() else str(value)


def _namelist(value: Namelist | Mapping[str, Any] | str | Path) -> str:
    if isinstance(value, Namelist):
        return content_hash({group: dict(entries) for group, entries in value.groups.items()})
    if isinstance(value, Path):
        return file_hash(value)
    return content_hash(value)
