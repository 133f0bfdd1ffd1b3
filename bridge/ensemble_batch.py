"""A batch of runs, each made by whichever instance is free: one thread follows them all."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable

from bridge.errors import BridgeError, ModelCrashed
from bridge.model import Trajectory
from bridge.session import Session

#: a run under way: yields when it last heard of its model, returns what was recorded
Run = Generator[float, None, Trajectory]

# How waiting grows patient: seconds since any model was heard, then parts of that time, then seconds of rest.
_SPIN = 2e-3
_REST_FRACTION = 0.1
_LONGEST_REST = 20e-3  # news end it early, unless they come from another endpoint


class Batch:
    """`count` runs, waiting, under way or finished.

    `start(session, position)` makes a run, `give_up(position, error)` what is reported of one that lost `attempts`
    instances, `finished(position, trajectory)` is told of each end. An error that is not the loss of an instance
    lets the runs under way end, and is then raised.
    """

    def __init__(
        self,
        count: int,
        attempts: int,
        start: Callable[[Session, int], Run],
        give_up: Callable[[int, BridgeError], Trajectory],
        finished: Callable[[int, Trajectory], None],
    ) -> None:
        self._start = start
        self._give_up = give_up
        self._finished = finished
        self._waiting = deque(range(count))
        self._attempts_left = [attempts] * count
        self._running: dict[Session, tuple[int, Run]] = {}
        self._results: dict[int, Trajectory] = {}
        self._error: Exception | None = None
        self._heard = 0.0

    @property
    def needs_instances(self) -> bool:
        """Does a run wait for an instance?"""
        return bool(self._waiting) and self._error is None

    @property
    def done(self) -> bool:
        """Is nothing left to do?"""
        return not self._running and not self.needs_instances

    @property
    def ended(self) -> int:
        """Runs of which the end is known."""
        return len(self._results)

    def results(self) -> list[Trajectory]:
        """All trajectories in order, once `done`; raises the error that ended the batch early."""
        if self._error is not None:
            raise self._error
        return [self._results[position] for position in sorted(self._results)]

    def advance(self, sessions: Iterable[Session]) -> list[tuple[Session, BridgeError]]:
        """Give runs to idle sessions and take in what has come, without waiting; which sessions were lost, and why."""
        for session in sessions:
            if session not in self._running and self.needs_instances:
                position = self._waiting.popleft()
                self._running[session] = position, self._start(session, position)
        lost = [(session, self._follow(session)) for session in list(self._running)]
        return [(session, error) for session, error in lost if error is not None]

    def rest(self) -> None:
        """Wait a moment for news, the longer the longer there were none."""
        silence = time.monotonic() - self._heard
        some_session = next(iter(self._running), None)
        if some_session is not None:
            some_session.rest(0.0 if silence < _SPIN else min(_REST_FRACTION * silence, _LONGEST_REST))

    def _follow(self, session: Session) -> BridgeError | None:
        """Let one run go on; the error if its instance was lost."""
        position, run = self._running[session]
        try:
            self._heard = max(self._heard, next(run))
            return None
        except StopIteration as end:
            trajectory: Trajectory = end.value
            self._heard = time.monotonic()
        except Exception as error:
            del self._running[session]
            if not session.independent and (session.lost or isinstance(error, ModelCrashed)):
                raise  # the whole job is ending
            if session.lost and isinstance(error, BridgeError):
                self._try_again(position, error)
                return error
            self._error = self._error or error
            return None
        del self._running[session]
        self._end(position, trajectory)
        return None

    def _try_again(self, position: int, error: BridgeError) -> None:
        self._attempts_left[position] -= 1
        if self._attempts_left[position] > 0:
            self._waiting.appendleft(position)
        else:
            self._end(position, self._give_up(position, error))

    def _end(self, position: int, trajectory: Trajectory) -> None:
        self._results[position] = trajectory
        try:
            self._finished(position, trajectory)
        except Exception as error:
            self._error = self._error or error
