"""A run under way, as this side knows it: where its records go, and what each rank may say next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bridge.coupling import CoupledRun
from bridge.model import Outcome, OutcomeKind
from bridge.protocol import Header, Status, Verb
from bridge.wire_field import WireField


@dataclass
class Run:
    """A run of `steps` steps from step `first`; records go straight into `fields[name][record number]`."""

    first: int
    steps: int
    every: int
    recorded: Sequence[WireField]
    fields: dict[str, np.ndarray]
    coupled: CoupledRun | None = None
    travelling: dict[int, list[WireField]] = field(default_factory=dict)  # recorded as messages, of each rank
    waiting: set[int] = field(default_factory=set)  # ranks that have not told the outcome yet
    records: Counter[int] = field(default_factory=Counter)  # that came of each rank
    ended: Outcome | None = None  # as the first rank told

    def __str__(self) -> str:
        coupled = "" if self.coupled is None else f", coupled every {self.coupled.coupling.every}"
        return f"records and the outcome of {self.steps} steps from step {self.first}, every {self.every}{coupled}"

    @property
    def request(self) -> Header:
        """The request that begins the run; `numbers` are its payload."""
        extents = [len(wires) for wires in self._exchanged]
        coupling = self.coupled.coupling if self.coupled is not None else None
        extents += [coupling.every, coupling.lag] if coupling is not None else [0, 0]
        return Header(Verb.RUN, count=self.steps, argument=self.every, extents=tuple(extents))

    @property
    def numbers(self) -> np.ndarray:
        """Numbers [n] of the fields that are recorded, go to the closure and come from it."""
        return np.array([wire.number for wires in self._exchanged for wire in wires], dtype=np.int32)

    @property
    def shown(self) -> list[tuple[WireField, np.ndarray]]:
        """The fields that go to this side and their arrays [record or buffer, (k,) j, i]."""
        recorded = [(wire, self.fields[wire.entry.name]) for wire in self.recorded]
        return recorded + ([] if self.coupled is None else self.coupled.shown)

    def travel(self, rank: int, by_message: Sequence[bool]) -> None:
        """Note which of the shown fields of a rank come as messages; the others are copied to their places."""
        wires = [(wire, message) for (wire, _), message in zip(self.shown, by_message, strict=True)]
        own = len(self.recorded)
        self.travelling[rank] = [wire for wire, message in wires[:own] if message]
        if self.coupled is not None:
            self.coupled.travelling[rank] = [wire for wire, message in wires[own:] if message]

    @property
    def _exchanged(self) -> tuple[Sequence[WireField], Sequence[WireField], Sequence[WireField]]:
        if self.coupled is None:
            return self.recorded, (), ()
        return self.recorded, self.coupled.receive, self.coupled.send

    @property
    def outcome(self) -> Outcome:
        """How the run ended."""
        return self.ended or Outcome(OutcomeKind.COMPLETED, self.first)

    def fits(self, rank: int, header: Header) -> bool:
        """Is this what the rank may say next? Each record once and in order, then the outcome that all ranks tell."""
        if rank not in self.waiting:
            return False
        done = header.step - self.first
        if header.verb == Verb.RECORD:
            expected = self.every * (self.records[rank] + 1)
            return bool(self.recorded) and header.status == Status.OK and done == expected <= self.steps
        if header.verb == Verb.COUPLE and self.coupled is not None:
            return self._has_records(rank, done) and self.coupled.fits(rank, header, done, self.steps)
        if header.verb == Verb.OUTCOME:
            return self._is_end(rank, header.status, done) and self.ended in (None, outcome_of(header))
        return header.verb == Verb.HEARTBEAT or _is_refusal(header)

    def _is_end(self, rank: int, status: int, done: int) -> bool:
        """Can a run end in this way after `done` steps? No record may be missing; a blow-up's own step has none."""
        if status == Status.BLEW_UP:
            return 0 < done <= self.steps and self._has_records(rank, done - 1)
        ended_by_us = self.coupled is not None and done == self.coupled.ended_at
        return status == Status.OK and (done == self.steps or ended_by_us) and self._has_records(rank, done)

    def _has_records(self, rank: int, done: int) -> bool:
        return not self.recorded or self.records[rank] == done // self.every


def outcome_of(header: Header) -> Outcome:
    """What a rank's last word says."""
    if header.status == Status.BLEW_UP:
        return Outcome(OutcomeKind.BLEW_UP, header.step, f"the model blew up at step {header.step}")
    return Outcome(OutcomeKind.COMPLETED, header.step)


def _is_refusal(header: Header) -> bool:
    return (header.verb, header.argument, header.status) == (Verb.REPLY, Verb.RUN, Status.ERROR)
