"""Instances that come to an ensemble: how they arrive over ZMQ, what kind they are, and whose place they take."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bridge.errors import BridgeError
from bridge.session import Session

_log = logging.getLogger("nemo-bridge")


class Newcomers(Protocol):
    """Where instances come from that replace dead ones."""

    def next(self) -> Session | None:
        """A session with an instance that has arrived, if there is one; does not wait."""
        ...

    def tend(self, connected: Collection[int]) -> None:
        """See that instances come, if that is in our hands; `connected` are the labels of those that are here."""
        ...

    def close(self) -> None:
        """No further instance is wanted."""
        ...


class Host(Protocol):
    """Who takes instances of one kind: an Ensemble."""

    @property
    def card(self) -> Mapping[str, Any]:
        """What its instances have in common (`card_of`)."""
        ...

    @property
    def labels(self) -> Collection[int]:
        """Of the instances that are here."""
        ...

    @property
    def has_room(self) -> bool:
        """Is the place of a dead instance free?"""
        ...

    def admit(self, session: Session) -> None:
        """Take the instance in. BridgeError if it is lost over it."""
        ...


class ZmqArrivals:
    """Instances that come to a ZMQ endpoint."""

    def __init__(
        self,
        endpoint: str,
        timeout: float,
        keys: Path | None,
        tend: Callable[[Collection[int]], None] | None = None,
    ) -> None:
        from bridge.transport.zmq_transport import Endpoint, tell_of_uncaught_exceptions

        self._endpoint = Endpoint(endpoint, keys)
        self._timeout = timeout
        self._tended = tend is not None
        self.tend = tend or (lambda connected: None)
        self._transports: list[Any] = []
        tell_of_uncaught_exceptions(self._transports)

    def wait_for(self, instances: int, timeout: float | None = None) -> list[Session]:
        """The first ones, in the order of their labels, each within `timeout` seconds.

        If they do not all come, those that did are told.
        """
        sessions: list[Session] = []
        try:
            while len(sessions) < instances:
                meanwhile = partial(self.tend, {session.instance for session in sessions})
                transport = self._endpoint.accept(self._timeout if timeout is None else timeout, meanwhile)
                transport.timeout = self._timeout
                self._transports.append(transport)
                sessions += self._begun(transport)
            self.tend({session.instance for session in sessions})
            return sorted(sessions, key=lambda session: session.instance)
        except BaseException as error:
            self.send_away(sessions, error)
            raise

    def send_away(self, sessions: Sequence[Session], error: BaseException) -> None:
        """The server ends before a run began: tell those that are here, and give the endpoint back."""
        reason = f"the server ended before the run began: {error}"
        for session in sessions:
            session.dismiss(reason)
        self.close(reason)

    def _begun(self, transport: Any) -> list[Session]:
        """A session with an instance; none with one that is lost at once, where another one will be started."""
        try:
            return [Session.with_model(transport)]
        except BridgeError as error:
            if not self._tended:
                raise
            _log.warning("lost instance %d: %s", transport.instance, error)
            return []

    def next(self) -> Session | None:
        """A session with the next one, if it is there."""
        transport = self._endpoint.arrival(self._timeout)
        if transport is None:
            return None
        self._transports.append(transport)
        return Session.with_model(transport)

    def close(self, reason: str = "the server has ended its ensemble") -> None:
        """Give the endpoint back."""
        self._endpoint.close(reason)


def let_in(newcomers: Newcomers | None, hosts: Sequence[Host]) -> None:
    """Instances that have arrived join those who are alike, while some place is free; others are sent away."""
    if newcomers is None:
        return
    newcomers.tend(_labels(hosts))
    while any(host.has_room for host in hosts):
        try:
            session = newcomers.next()
            if session is None:
                return
            _place(session, hosts)
        except BridgeError as error:
            _log.warning("a new instance could not join: %s", error)
        newcomers.tend(_labels(hosts))  # the one that takes the last place is here, too


def _labels(hosts: Sequence[Host]) -> set[int]:
    return {label for host in hosts for label in host.labels}


def _place(session: Session, hosts: Sequence[Host]) -> None:
    card = card_of(session)
    differences = [difference(host.card, card) for host in hosts]
    if None not in differences:
        which = " and ".join(sorted({f"another {name}" for name in differences}))
        reason = f"{name_of(session)} may not join: it has {which} than the others"
        _log.warning(reason)
        session.dismiss(reason)
        return
    hosts[differences.index(None)].admit(session)
    _log.warning("%s joins the ensemble", name_of(session))


# --- being alike ---


def card_of(session: Session) -> dict[str, Any]:
    """What instances of one kind have in common."""
    registration = session.registration
    return {
        "model": (registration.model, registration.version),
        "time step": registration.time_step,
        "grid": tuple(registration.global_shape),
        "number or shape of tiles": registration.decomposition.tiles,
        "set of fields": {e.name: (e.role, e.dtype, e.shape) for e in registration.entries.values()},
        "set of parameter values": dict(session.parameters),
    }


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """Name of the first item in which two cards differ."""
    return next((name for name in one if not _equal(one[name], other[name])), None)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else bool(one == other)


def name_of(session: Session) -> str:
    """For messages."""
    return f"instance {session.instance}"
