"""A batch of runs, each made by whichever instance of its kind is free: one thread follows them all."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bridge.coupling import Coupling
from bridge.ensemble_arrivals import Newcomers, let_in
from bridge.errors import BridgeError, ModelCrashed
from bridge.model import Params, Recording, Snapshot, Trajectory

if TYPE_CHECKING:
    from bridge.ensemble import Ensemble

#: a run under way: yields when it last heard of its model, returns what was recorded
Run = Generator[float, None, Trajectory]

# How waiting grows patient: seconds since any model was heard, then parts of that time, then seconds of rest.
_SPIN = 2e-3
_REST_FRACTION = 0.1
_LONGEST_REST = 20e-3  # news end it early, unless they come from another endpoint
_LOOK = 0.05  # s between looks for a newcomer while nothing runs


class Instance(Protocol):
    """What makes one run at a time: a Session, or a model that is started anew for each."""

    @property
    def lost(self) -> bool:
        """Is it of no use any more?"""
        ...

    @property
    def independent(self) -> bool:
        """Does its end leave this process and all other instances alone?"""
        ...

    def rest(self, seconds: float) -> None:
        """Let others have the core for so long, or until something arrives."""
        ...


@dataclass(frozen=True)
class RunRequest:
    """A run that is wanted: by which kind of instances, from a snapshot of that kind.

    Runs are under way at the same time and a run may be made again: a closure that remembers something between its
    calls begins anew at the step of the snapshot, and is the `coupling` of one run only.
    """

    kind: Ensemble
    params: Params
    snapshot: Snapshot
    steps: int
    record: Recording
    coupling: Coupling | None = None


def make_runs(
    kinds: Sequence[Ensemble],
    requests: Sequence[RunRequest],
    newcomers: Newcomers | None,
    timeout: float,
    finished: Callable[[int, Trajectory], None] | None = None,
) -> list[Trajectory]:
    """All `requests`, by all instances of all `kinds` at once; see `Ensemble.map`.

    ModelCrashed when for `timeout` seconds nothing runs and no instance comes that could go on.
    """
    results: list[Trajectory | None] = [None] * len(requests)

    def begun(kind: Ensemble) -> Batch:
        positions = [n for n, request in enumerate(requests) if request.kind is kind]

        def end(number: int, trajectory: Trajectory) -> None:
            results[positions[number]] = trajectory
            if finished is not None:
                finished(positions[number], trajectory)

        return kind.batch([requests[n] for n in positions], end)

    batches = {kind: begun(kind) for kind in kinds}
    try:
        _follow_all(batches, newcomers, timeout, results)
    finally:
        for batch in batches.values():
            batch.abandon()
    for batch in batches.values():
        batch.raise_error()
    return [result for result in results if result is not None]


def _follow_all(
    batches: Mapping[Ensemble, Batch],
    newcomers: Newcomers | None,
    timeout: float,
    results: Sequence[Trajectory | None],
) -> None:
    """Let the batches of all kinds go on until they are done; `results` tells how far they are."""
    kinds = list(batches)
    at_work = time.monotonic()
    while not all(batch.done for batch in batches.values()):
        let_in(newcomers, kinds)
        for kind, batch in batches.items():
            for session, error in batch.advance(kind.sessions):
                kind.lose(session, error)
        if any(batch.failed for batch in batches.values()):
            for batch in batches.values():
                batch.begin_no_more()
        if busy := [batch for batch in batches.values() if batch.at_work]:
            at_work = time.monotonic()
            max(busy, key=lambda batch: batch.heard).rest()
        elif any(batch.needs_instances and not kind.sessions for kind, batch in batches.items()):
            if newcomers is None or time.monotonic() - at_work > timeout:
                ended = sum(result is not None for result in results)
                raise ModelCrashed(
                    f"no instance of the ensemble is left; {ended} of {len(results)} runs have ended"
                )
            time.sleep(_LOOK)


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
        start: Callable[[Any, int], Run],
        give_up: Callable[[int, BridgeError], Trajectory],
        finished: Callable[[int, Trajectory], None],
    ) -> None:
        self._start = start
        self._give_up = give_up
        self._finished = finished
        self._waiting = deque(range(count))
        self._attempts_left = [attempts] * count
        self._running: dict[Instance, tuple[int, Run]] = {}
        self._error: Exception | None = None
        self.heard = 0.0  # when any model was heard of

    @property
    def needs_instances(self) -> bool:
        """Does a run wait for an instance?"""
        return bool(self._waiting)

    @property
    def at_work(self) -> bool:
        """Is a run under way?"""
        return bool(self._running)

    @property
    def failed(self) -> bool:
        """Did an error end the batch early?"""
        return self._error is not None

    @property
    def done(self) -> bool:
        """Is nothing left to do?"""
        return not self._running and not self._waiting

    def begin_no_more(self) -> None:
        """Only let those end that are under way."""
        self._waiting.clear()

    def abandon(self) -> None:
        """Break off what is under way; its instances are lost then."""
        for _, run in self._running.values():
            run.close()

    def raise_error(self) -> None:
        """Raise the error that ended the batch early, if one did."""
        if self._error is not None:
            raise self._error

    def advance(self, sessions: Iterable[Instance]) -> list[tuple[Any, BridgeError]]:
        """Give runs to idle sessions and take in what has come, without waiting; which sessions were lost, and why."""
        for session in sessions:
            if session not in self._running and self.needs_instances:
                position = self._waiting.popleft()
                self._running[session] = position, self._start(session, position)
        lost = [(session, self._follow(session)) for session in list(self._running)]
        return [(session, error) for session, error in lost if error is not None]

    def rest(self) -> None:
        """Wait a moment for news, the longer the longer there were none."""
        silence = time.monotonic() - self.heard
        some_session = next(iter(self._running), None)
        if some_session is not None:
            some_session.rest(0.0 if silence < _SPIN else min(_REST_FRACTION * silence, _LONGEST_REST))

    def _follow(self, session: Instance) -> BridgeError | None:
        """Let one run go on; the error if its instance was lost."""
        position, run = self._running[session]
        try:
            self.heard = max(self.heard, next(run))
            return None
        except StopIteration as end:
            trajectory: Trajectory = end.value
            self.heard = time.monotonic()
        except Exception as error:
            del self._running[session]
            if not session.independent and (session.lost or isinstance(error, ModelCrashed)):
                raise  # the whole job is ending
            if session.lost and isinstance(error, BridgeError):
                self._try_again(position, error)
                return error
            self._fail(error)
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
        try:
            self._finished(position, trajectory)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self.begin_no_more()
