"""Counted messages to and from one rank: each arrives once and in order, also when a connection broke meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bridge.errors import ProtocolError
from bridge.transport.envelope import ACKNOWLEDGE_EVERY, WINDOW_MESSAGES, Envelope, Kind


@dataclass(slots=True)
class Sent:
    """A message that the other side has not acknowledged."""

    number: int
    kind: Kind
    body: Any
    borrowed: bool  # the body is the caller's memory, which must not change before it is acknowledged


@dataclass
class Delivery:
    """Both directions, as this side sees them. Bodies are anything that has bytes."""

    sent: int = 0
    kept: deque[Sent] = field(default_factory=deque)
    received: int = 0
    inbox: deque[tuple[int, Any]] = field(default_factory=deque)  # kind and body, arrived and not yet taken
    told: int = 0  # what the other side knows to be taken

    @property
    def taken(self) -> int:
        """Messages that were taken out of the inbox."""
        return self.received - len(self.inbox)

    @property
    def has_room(self) -> bool:
        """May another message be sent?"""
        return len(self.kept) < WINDOW_MESSAGES

    @property
    def owes_acknowledgement(self) -> bool:
        """Has much been taken of which the other side does not know?"""
        return self.taken - self.told >= ACKNOWLEDGE_EVERY

    @property
    def lends(self) -> bool:
        """Is memory of the caller still needed?"""
        return any(message.borrowed for message in self.kept)

    def post(self, kind: Kind, body: Any, borrowed: bool = False) -> Envelope:
        """Count a message to be sent, and keep it; its envelope."""
        self.sent += 1
        self.kept.append(Sent(self.sent, kind, body, borrowed))
        return self.envelope(kind, self.sent)

    def envelope(self, kind: Kind, number: int = 0) -> Envelope:
        """Envelope that also says what has been taken."""
        self.told = self.taken
        return Envelope(kind, number, self.told)

    def acknowledged(self, number: int) -> None:
        """The other side has taken our messages up to this one; ProtocolError if we have not sent so many."""
        if number > self.sent:
            raise ProtocolError(f"{number} messages were acknowledged, of which only {self.sent} were sent")
        while self.kept and self.kept[0].number <= number:
            self.kept.popleft()

    def again(self) -> Iterator[tuple[Envelope, Any]]:
        """What has not been acknowledged, to be sent once more."""
        for message in list(self.kept):
            yield self.envelope(message.kind, message.number), message.body

    def arrived(self, envelope: Envelope, body: Any) -> None:
        """Put a counted message into the inbox, unless it came before or one before it is missing.

        ProtocolError when the other side sends more than it may.
        """
        if envelope.number != self.received + 1:
            return
        if len(self.inbox) >= WINDOW_MESSAGES:
            raise ProtocolError(f"more than {WINDOW_MESSAGES} messages came that nobody asked for")
        self.received += 1
        self.inbox.append((envelope.kind, body))
