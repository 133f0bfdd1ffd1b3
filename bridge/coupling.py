"""A closure in Python that a run is coupled to, step by step.

def restoring(step, fields):
    return {"thetao_tendency": rate * (climatology - fields["thetao"])}

session.run({}, start, 720, record, coupling=Coupling(restoring, ("thetao",), ("thetao_tendency",), every=6))
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bridge.model import whole_number
from bridge.protocol import Header
from bridge.wire_field import WireField, float32_wanted

#: closure(step, {name: array}) -> {name: array}
Closure = Callable[[int, Mapping[str, np.ndarray]], Mapping[str, Any]]


@dataclass(frozen=True)
class Coupling:
    """What a run exchanges with `closure`, and when.

    The steps of a run fall into intervals n = 0, 1, … of `every` steps. When interval n begins, the model sends the
    fields `receive` as they are at that moment, that is after the steps done so far, and Python calls
    `closure(step, fields)`, where `step` is the number of the last step done. What it returns, one array [(k,) j, i]
    for each field of `send` and a number for each entry without dimensions, is written before the first step of

        interval n           with `lag` = 0: the model waits for it;
        interval n + `lag`   with `lag` >= 1: the model runs on at once, while Python computes.

    Each interval has exactly that forcing, whatever the timing: a lag is a delay, not a race, and results are
    the same bits every time. In the first `lag` intervals of a run the forcing stays as it stands, and the closure
    is not called in the last `lag` ones, as nobody would wait for its result.

    `send` names forcing, state or parameters; forcing and parameters return to their standing values, those of the last
    `set`, at the next `run` (not when the model runs on with `advance`). With
    `dtype` float32 fields travel, and reach the closure, as float32. The fields have a `halo` of so many cells, filled
    as the grid continues (see `Session.get`); what the closure returns has none. Arrays given to the closure are
    overwritten in the next interval: it copies what it keeps.

    An exception of the closure ends the run where the model stands and is raised by `run`; the session lives on.
    So does a wrong result: ValueError names the field, what was expected, and what came. So does a verb of the session
    that the closure calls: the model is in the middle of a run, and what the closure needs to see is in `receive`.
    """

    closure: Closure
    receive: tuple[str, ...]
    send: tuple[str, ...]
    every: int = 1
    lag: int = 0
    halo: int = 0
    dtype: Any = None

    def __post_init__(self) -> None:
        for words in (self.receive, self.send):
            if isinstance(words, str) or len(set(words)) != len(words):
                raise ValueError(f"expected a tuple of different field names, got {words!r}")
        for name, least in (("every", 1), ("lag", 0), ("halo", 0)):
            object.__setattr__(self, name, whole_number(name, getattr(self, name), least))
        float32_wanted(self.dtype)


class CoupledRun:
    """The closure's side of one run: the fields that it is given, and what it made of them until that is due."""

    def __init__(
        self,
        coupling: Coupling,
        receive: Sequence[WireField],
        send: Sequence[WireField],
        array: Callable[[WireField, int], np.ndarray],
    ) -> None:
        self.coupling = coupling
        self.receive = receive
        self.send = send
        #: fields by name [buffer, (k,) j, i]: with a lag, ranks may show those of later intervals meanwhile
        self._buffers = {wire.entry.name: array(wire, coupling.lag + 1) for wire in receive}
        self.travelling: dict[int, list[WireField]] = {}  # received as messages, of each rank
        self.lent: list[tuple[WireField, np.ndarray]] = []  # forcing that ranks may still read
        self.failure: BaseException | None = None
        self.here: set[int] = set()  # ranks that have begun the next interval
        self.ended_at: int | None = None  # steps after which we ended the run, because the closure failed
        self._interval = -1
        self._made: deque[list[tuple[WireField, np.ndarray]]] = deque()

    @property
    def shown(self) -> list[tuple[WireField, np.ndarray]]:
        """The fields that are received and their arrays [buffer, (k,) j, i]."""
        return [(wire, self._buffers[wire.entry.name]) for wire in self.receive]

    @property
    def fields(self) -> dict[str, np.ndarray]:
        """The fields of this interval."""
        return self._fields_of(self._interval)

    @property
    def next_fields(self) -> dict[str, np.ndarray]:
        """The fields of the interval that ranks begin."""
        return self._fields_of(self._interval + 1)

    def _fields_of(self, interval: int) -> dict[str, np.ndarray]:
        return {name: buffer[interval % len(buffer)] for name, buffer in self._buffers.items()}

    def fits(self, rank: int, header: Header, done: int, steps: int) -> bool:
        """May a rank begin an interval after `done` of `steps` steps in this way? Nothing is asked in vain."""
        coupling = self.coupling
        asked = done + coupling.every * coupling.lag < steps
        return (
            rank not in self.here
            and self.ended_at is None
            and done == (self._interval + 1) * coupling.every < steps
            and (header.argument, header.count) == ((1, len(self.receive)) if asked else (0, 0))
        )

    def begin(self) -> None:
        """All ranks have begun the next interval."""
        self._interval += 1
        self.here.clear()

    def compute(self, step: int) -> None:
        """Call the closure on the fields that have arrived; what goes wrong there is kept in `failure`."""
        if self.failure is not None:
            return
        try:
            self._made.append(self._checked(self.coupling.closure(step, self.fields), step))
        except BaseException as error:
            self.failure = error

    def due(self) -> list[tuple[WireField, np.ndarray]]:
        """What is to be written now; nothing in the first `lag` intervals, nor when the closure failed."""
        if self.failure is not None:
            self.ended_at = self._interval * self.coupling.every
            return []
        return [] if self._interval < self.coupling.lag else self._made.popleft()

    def _checked(self, made: Mapping[str, Any], step: int) -> list[tuple[WireField, np.ndarray]]:
        wanted = set(self.coupling.send)
        if not isinstance(made, Mapping) or set(made) != wanted:
            got = sorted(made) if isinstance(made, Mapping) else type(made).__name__
            raise ValueError(
                f"expected the closure to return {sorted(wanted)} as a dictionary, got {got} at step {step}"
            )
        arrays = [(wire, wire.array(made[wire.entry.name])) for wire in self.send]
        for wire, array in arrays:
            _check_finite(wire.entry.name, array, step)
        # With a lag the closure may use its arrays again before these are due.
        return [(wire, array.copy()) for wire, array in arrays] if self.coupling.lag else arrays


def _check_finite(name: str, array: np.ndarray, step: int) -> None:
    """ValueError unless all values are finite."""
    with np.errstate(all="ignore"):
        if array.dtype.kind != "f" or np.isfinite(
            array.sum()
        ):  # the sum reads the array once and writes nothing
            return
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        where = tuple(int(n) for n in wrong[0])
        raise ValueError(
            f"expected finite values of {name!r} from the closure, got {len(wrong)} that are not at step {step}, "
            f"the first at {where}: {array[where]}"
        )
