"""The model ranks of our own MPI job as processes of this machine: who is stopped, who is gone, where are the logs?

mpirun notices a process that ends, not one that hangs in a stop; and it does not say which instance has died.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bridge.errors import ModelCrashed, PeerTimeout, with_log
from bridge.started_job import log_tail
from bridge.transport.neighbour import Life, life_of, own_place, parent_of

_LOOK = 0.5  # s between looks at the processes


@dataclass
class Sibling:
    """One rank of a model. `process` is 0 where it cannot be seen from here: on another machine."""

    instance: int
    rank: int
    ranks: int
    process: int
    directory: Path | None
    stopped: float = 0.0  # s for which we have seen it stopped

    @property
    def name(self) -> str:
        """For messages."""
        where = f" (process {self.process})" if self.process else ""
        return f"rank {self.rank} of {self.ranks} of instance {self.instance}{where}"

    @property
    def life(self) -> Life:
        """What the system says of its process."""
        return life_of(self.process, own_place()) if self.process else Life.UNKNOWN


@dataclass
class Siblings:
    """All model ranks of the job. A process that stays stopped for longer than `patience` s counts as hung."""

    members: Sequence[Sibling]
    patience: float
    _looked: float = field(default_factory=time.monotonic)

    def look(self) -> None:
        """PeerTimeout if some rank hangs; cheap enough for each turn of a waiting loop."""
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return
        # A look that comes late was late because we were stopped or busy: that is no silence of theirs.
        elapsed, self._looked = min(now - self._looked, 2 * _LOOK), now
        for member in self.members:
            member.stopped = member.stopped + elapsed if member.life is Life.STOPPED else 0.0
            if member.stopped > self.patience:
                reason = "its process is stopped (suspended by a signal)"
                raise PeerTimeout(
                    self.with_log(f"no sign of life from {member.name}: {reason}", member.instance)
                )

    def gone(self) -> list[Sibling]:
        """Those whose process has ended."""
        return [member for member in self.members if member.life is Life.GONE]

    def crash(self, message: str) -> ModelCrashed:
        """The end of the job, with the ranks that are gone and the log of one of them."""
        gone = self.gone()
        if not gone:
            return ModelCrashed(message)
        names = "; ".join(member.name for member in gone[:4]) + ("; …" if len(gone) > 4 else "")
        directory = gone[0].directory
        return ModelCrashed(f"{message}; gone: {names}", directory, log_tail(directory) if directory else "")

    def with_log(self, message: str, instance: int) -> str:
        """The message, and the log of that instance where it can be seen."""
        directory = next((m.directory for m in self.members if m.instance == instance), None)
        return message if directory is None else with_log(message, directory, log_tail(directory))


def siblings(processes: Mapping[int, Sequence[int]], patience: float) -> Siblings:
    """The ranks of each instance from their process ids, which may be of other machines.

    Those are ours that the same launcher has started.
    """
    members = []
    for instance, ids in processes.items():
        for rank, process in enumerate(ids):
            seen = process if process and parent_of(process) == os.getppid() else 0
            members.append(Sibling(instance, rank, len(ids), seen, _directory(seen)))
    return Siblings(members, patience)


def _directory(process: int) -> Path | None:
    try:
        return Path(os.readlink(f"/proc/{process}/cwd")) if process else None
    except OSError:
        return None
