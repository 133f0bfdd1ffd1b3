"""Temporary directories that go with the process that made them, and not with a forked copy of it."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path


class OwnFolder:
    """As `tempfile.TemporaryDirectory`, which a forked copy removes as well when it ends."""

    def __init__(self, prefix: str, directory: Path | None = None) -> None:
        """OSError where none can be made."""
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=directory))
        self._remove = weakref.finalize(self, _remove, self.path, os.getpid())

    def cleanup(self) -> None:
        """Remove it with all that is in it."""
        self._remove()


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
