"""Messages over ZMQ: the meeting point of a server and models that are programs of their own.

The only file that imports pyzmq. A ROUTER socket here, one DEALER socket per rank of a model there. What travels is
counted and kept until it is taken (`delivery`), so a connection may break and come back without a loss. Nobody is
served across the machine's border without CURVE keys.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import zmq
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils.monitor import parse_monitor_message

from bridge.errors import BridgeError, ConfigurationError, PeerTimeout, ProtocolError
from bridge.settings import PATIENCE, check_environment
from bridge.transport import keys as key_files
from bridge.transport.envelope import (
    LARGEST_BODY,
    Envelope,
    Introduction,
    Kind,
    OtherVersion,
    pack_welcome,
)
from bridge.transport.neighbour import own_place
from bridge.transport.zmq_instance import Rank, ZmqTransport

_QUEUE = 1024  # messages to one rank, beats included; counted ones are never more than a window
_BEAT_INTERVAL = 1000  # ms
_SLICE = 0.2  # s
_FAREWELL = 2000  # ms for the last messages to leave
_ZAP_DOMAIN = "nemo-bridge"
_log = logging.getLogger("nemo-bridge")


def open_instances(
    endpoint: str, instances: int = 1, timeout: float = 300.0, keys: Path | None = None
) -> list[ZmqTransport]:
    """Wait at `endpoint` for that many instances of models; one transport each, in the order of their labels.

    Models may be there before or come later, within `timeout` seconds. An exception that nobody catches tells the
    models, which then end with a non-zero code.
    """
    meeting = Endpoint(endpoint, keys)
    try:
        transports = [meeting.accept(timeout) for _ in range(instances)]
    except BaseException as error:
        meeting.close(f"the server ended before the run began: {error}")
        raise
    meeting.close_with_the_last()
    tell_of_uncaught_exceptions(transports)
    return sorted(transports, key=lambda transport: transport.instance)


class Endpoint:
    """A place where models find this server: `tcp://127.0.0.1:5555`, `ipc:///path`, or beyond this machine with keys.

    `accept` waits for the next complete instance; instances are told apart by their label (NEMO_BRIDGE_INSTANCE of
    the model, else the number of its program in its MPI job). Belongs to one thread. Raises ConfigurationError when
    the endpoint is wrong, taken, or open to others without keys, or a setting in the environment makes no sense.
    """

    def __init__(self, endpoint: str, keys: Path | None = None, patience: float | None = None) -> None:
        check_environment()
        if keys is None and os.environ.get(key_files.KEYS):
            keys = Path(os.environ[key_files.KEYS])
        if not key_files.is_local(endpoint) and keys is None:
            raise ConfigurationError(
                f"{endpoint} can be reached from other machines (ipc and tcp to 127.0.0.1 cannot): "
                f"make keys with `nemo-bridge keys`, and give their directory here or in {key_files.KEYS}"
            )
        self.patience = patience or PATIENCE.read()
        self._live: dict[int, ZmqTransport] = {}
        self._arriving: dict[int, dict[int, Rank]] = {}
        self._ranks: dict[bytes, Rank] = {}
        self._refusal: OtherVersion | None = None  # the first
        self._turned_away = ""  # why, the last time that a handshake failed
        self._last_one_closes = False
        self._closed = False
        self._owner = os.getpid()
        self._authenticator: ThreadAuthenticator | None = None
        self._lock = _lock(endpoint)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._set_options()
        self._news = self._socket.get_monitor_socket(
            zmq.EVENT_DISCONNECTED
            | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | zmq.EVENT_HANDSHAKE_FAILED_AUTH
        )
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._news, zmq.POLLIN)
        #: goes up with each connection that was lost, of whomever
        self.losses = 0
        try:
            if keys is not None:
                self._use_keys(keys)
            self._socket.bind(endpoint)
        except (zmq.ZMQError, ConfigurationError) as error:
            self.close()
            if isinstance(error, ConfigurationError):
                raise
            raise _cannot_listen(endpoint, error) from error
        #: where the socket listens; tells the port of tcp://127.0.0.1:*
        self.address: str = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def accept(self, timeout: float = 300.0, meanwhile: Callable[[], None] = lambda: None) -> ZmqTransport:
        """Wait for the next instance of which all ranks are there; `meanwhile` is called now and then.

        PeerTimeout if none is complete in time, ProtocolError if a model speaks another version.
        """
        start = time.monotonic()
        while True:
            if (arrival := self.arrival(timeout)) is not None:
                return arrival
            if self._refusal is not None:
                refusal, self._refusal = self._refusal, None
                raise refusal
            if time.monotonic() - start > timeout:
                raise PeerTimeout(self._nobody(timeout))
            meanwhile()
            self.pump(_SLICE)

    def arrival(self, timeout: float = 300.0) -> ZmqTransport | None:
        """The next instance of which all ranks are there, if there is one; does not wait."""
        self.pump(0.0)
        for label, ranks in self._arriving.items():
            if len(ranks) == next(iter(ranks.values())).introduction.ranks:
                return self._welcome(label, timeout)
        return None

    def close_with_the_last(self) -> None:
        """No further instance is expected: the endpoint is free again when the last one has left."""
        self._last_one_closes = True
        self.refuse_arrivals("the server has all the instances that it wants")

    def close(self, reason: str = "the server has closed its endpoint") -> None:
        """Give the endpoint back; models that still wait here are told the reason. Nothing in a forked copy."""
        if self._closed or os.getpid() != self._owner:
            return
        self._closed = True
        self.refuse_arrivals(reason)
        self._socket.disable_monitor()
        self._news.close(0)
        self._socket.close(_FAREWELL)
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.term()
        if self._lock is not None:
            os.unlink(self._lock.name)
            self._lock.close()

    # --- for the transports ---

    def pump(self, seconds: float) -> bool:
        """Take in what has arrived, waiting up to `seconds` for something; did anything arrive?"""
        if self._take_in():
            return True
        ready = dict(self._poller.poll(round(1000 * seconds)))
        if self._news in ready:
            self._hear_news()
        return self._socket in ready and self._take_in()

    def transmit(self, rank: Rank, envelope: Envelope, body: Any) -> None:
        """Send one message; a rank without a connection gets it when it is back."""
        try:
            self._socket.send_multipart((rank.address, envelope.pack(), body), zmq.NOBLOCK, copy=False)
            rank.lost_since = None
        except zmq.ZMQError as error:
            if error.errno == zmq.EHOSTUNREACH:
                rank.lost_since = rank.lost_since or time.monotonic()
            elif error.errno != zmq.EAGAIN:
                raise
            elif envelope.kind >= Kind.REQUEST:
                rank.failure = PeerTimeout(f"{rank.name} takes no messages any more")

    def forget(self, transport: ZmqTransport) -> None:
        """An instance has left: its label is free."""
        self._live.pop(transport.instance, None)
        for rank in transport.members:
            self._ranks.pop(rank.address, None)
        if self._last_one_closes and not self._live:
            self.close()

    # --- what arrives ---

    def _take_in(self) -> bool:
        arrived = False
        while not self._closed:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            arrived = True
            self._take(frames)
        return arrived

    def _take(self, frames: list[zmq.Frame]) -> None:
        address = frames[0].bytes
        rank = self._ranks.get(address)
        try:
            if len(frames) != 3:
                raise ProtocolError(
                    f"a message of {len(frames) - 1} frames, not of 2, is not of this protocol"
                )
            envelope = Envelope.unpack(frames[1].buffer)
            if envelope.kind == Kind.HELLO:
                self._meet(address, rank, frames[2].bytes)
            elif rank is None:
                raise ProtocolError(
                    "this server does not know you (was it started anew?): start the model again"
                )
            elif rank.take(envelope, frames[2].buffer):
                self._answer(rank, envelope)
        except ProtocolError as error:
            if rank is not None:
                rank.fails(error)
                return
            if isinstance(error, OtherVersion):
                self._refusal = self._refusal or error
            self._refuse(address, str(error))

    def _answer(self, rank: Rank, envelope: Envelope) -> None:
        """Say what the rank needs to know: what was taken, or what it missed while it was away."""
        if envelope.kind != Kind.RESUME:
            self.transmit(rank, rank.delivery.envelope(Kind.ACKNOWLEDGE), b"")
            return
        _log.info("%s is connected again", rank.name)
        self.transmit(rank, rank.delivery.envelope(Kind.RESUMED), b"")
        for again, body in rank.delivery.again():
            self.transmit(rank, again, body)

    def _meet(self, address: bytes, known: Rank | None, body: bytes) -> None:
        """A rank of a model says who it is."""
        if known is not None:
            if known.introduction.label in self._live:
                self._send_welcome(known)  # the first one was lost
            return
        newcomer = Rank(address, Introduction.unpack(body))
        label = newcomer.introduction.label
        there: Iterable[Rank] = self._arriving.get(label, {}).values()
        if label in self._live:
            there = self._live[label].members
        elif self._last_one_closes:
            raise ProtocolError("the server has all the instances that it wants")
        for other in list(there):
            self.transmit(other, Envelope(Kind.BEAT), b"")
            if other.lost_since is not None and label in self._arriving:
                del self._arriving[label][other.introduction.rank]  # it left before we began
                self._ranks.pop(other.address)
            elif label in self._live or not other.agrees_with(newcomer):
                raise ProtocolError(
                    f"instance {label} is here already ({other.name}): give each model its own NEMO_BRIDGE_INSTANCE"
                )
        self._arriving.setdefault(label, {})[newcomer.introduction.rank] = newcomer
        self._ranks[address] = newcomer

    def _welcome(self, label: int, timeout: float) -> ZmqTransport:
        ranks = self._arriving.pop(label)
        members = [ranks[number] for number in range(len(ranks))]
        transport = self._live[label] = ZmqTransport(self, label, members, timeout)
        for rank in members:
            self._send_welcome(rank)
        return transport

    def _send_welcome(self, rank: Rank) -> None:
        self.transmit(rank, Envelope(Kind.WELCOME), pack_welcome(os.getpid(), self.patience, own_place()))

    def refuse_arrivals(self, reason: str) -> None:
        """Send those away that wait for a session."""
        for ranks in self._arriving.values():
            for rank in ranks.values():
                self._refuse(rank.address, reason)
                self._ranks.pop(rank.address, None)
        self._arriving.clear()

    def _refuse(self, address: bytes, reason: str) -> None:
        _log.warning("refused %s: %s", address.decode(errors="replace"), reason)
        try:
            self._socket.send_multipart(
                (address, Envelope(Kind.REFUSED).pack(), reason.encode()), zmq.NOBLOCK
            )
        except zmq.ZMQError:
            pass  # it is gone already, or does not read

    def _nobody(self, timeout: float) -> str:
        message = f"waited {timeout:g} s in vain for a model at {self.address}"
        for label, ranks in self._arriving.items():
            wanted = next(iter(ranks.values())).introduction.ranks
            missing = ", ".join(str(n) for n in range(wanted) if n not in ranks)
            message += f"; of instance {label} these ranks of {wanted} are missing: {missing}"
        if self._turned_away:
            message += f"; {self._turned_away}"
        return (
            f"{message}. A model that has ended says why in its own output (a setting that it refuses, no libzmq, "
            "keys); one that waits has another NEMO_BRIDGE_ENDPOINT"
        )

    # --- options, keys and news ---

    def _set_options(self) -> None:
        silence = round(500 * self.patience)
        for option, value in (
            (zmq.ROUTER_MANDATORY, 1),
            (zmq.ROUTER_HANDOVER, 1),
            (zmq.LINGER, _FAREWELL),
            (zmq.SNDHWM, _QUEUE),
            (zmq.RCVHWM, _QUEUE),
            (zmq.MAXMSGSIZE, LARGEST_BODY),
            (zmq.HEARTBEAT_IVL, _BEAT_INTERVAL),
            (zmq.HEARTBEAT_TIMEOUT, silence),
            (zmq.HEARTBEAT_TTL, silence),
        ):
            self._socket.setsockopt(option, value)

    def _use_keys(self, directory: Path) -> None:
        public, secret = key_files.server_pair(directory)
        known = key_files.known_models(directory)
        try:
            self._socket.setsockopt(zmq.CURVE_PUBLICKEY, public)
            self._socket.setsockopt(zmq.CURVE_SECRETKEY, secret)
        except zmq.ZMQError as error:
            raise ConfigurationError(f"{directory}: the server's keys are not keys of CURVE") from error
        self._socket.setsockopt(zmq.CURVE_SERVER, 1)
        self._socket.setsockopt(zmq.ZAP_DOMAIN, _ZAP_DOMAIN.encode())
        self._authenticator = ThreadAuthenticator(self._context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback(_ZAP_DOMAIN, _Doorkeeper(known))

    def _hear_news(self) -> None:
        while True:
            try:
                event = parse_monitor_message(self._news.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return
            if event["event"] == zmq.EVENT_DISCONNECTED:
                self.losses += 1
            elif event["event"] in (
                zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
                zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,  # it saw that we do not agree before we did
            ):
                with_keys = "it has no key, or a server.public that is not ours"
                self._turn_away(with_keys if self._authenticator else "it has keys, or does not speak ZMTP")
            elif event["event"] == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                self._turn_away("its key is not known")

    def _turn_away(self, reason: str) -> None:
        self._turned_away = f"refused a peer at {self.address}: {reason}"
        _log.warning("%s", self._turned_away)


class _Doorkeeper:
    """Says whether a model's key is known; called from the authenticator's thread."""

    def __init__(self, known: dict[bytes, str]) -> None:
        self._known = known

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether the model with this public key may come in."""
        if key in self._known:
            _log.info("a model with the key %r comes in", self._known[key])
            return True
        _log.warning("refused a model: its public key %s is not among the known ones", key.decode())
        return False


def new_key_pair() -> tuple[bytes, bytes]:
    """A public and a secret key for CURVE, 40 characters each."""
    public, secret = zmq.curve_keypair()
    return public, secret


def _lock(endpoint: str) -> TextIO | None:
    """Hold `<path>.lock` of an ipc endpoint: libzmq would silently take the path away from another server."""
    path = endpoint.removeprefix("ipc://")
    if path == endpoint or path.startswith("@") or "*" in path:
        return None
    while True:
        try:
            file = open(path + ".lock", "w")  # noqa: SIM115 (held as long as the endpoint)
        except OSError as error:
            raise ConfigurationError(f"{endpoint}: cannot be an endpoint ({error.strerror})") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path + ".lock")):
                return file
        except BlockingIOError:
            file.close()
            raise ConfigurationError(_in_use(endpoint)) from None
        except FileNotFoundError:
            pass  # its last holder has just removed it
        file.close()


def _in_use(endpoint: str) -> str:
    return f"{endpoint} is in use: another server listens there; end it, or give this one another endpoint"


def _cannot_listen(endpoint: str, error: zmq.ZMQError) -> ConfigurationError:
    if error.errno == zmq.EADDRINUSE:
        return ConfigurationError(_in_use(endpoint))
    return ConfigurationError(
        f"{endpoint}: cannot listen there ({error.strerror}); expected tcp://127.0.0.1:5555 or ipc:///path"
    )


def tell_of_uncaught_exceptions(transports: list[ZmqTransport]) -> None:
    """An exception that nobody catches would let the models end as if all were well: tell them."""
    previous = sys.excepthook

    owner = os.getpid()

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        previous(kind, error, trace)
        for transport in transports if os.getpid() == owner else ():
            try:
                transport.abort(f"the server failed: {kind.__name__}: {error}")
            except BridgeError:
                pass  # the model is gone as well

    sys.excepthook = hook
