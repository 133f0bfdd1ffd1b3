"""Messages in memory, to a model that is a Python object in the same process. For tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from bridge.errors import PeerTimeout
from bridge.protocol import Header
from bridge.transport.base import Window, plain_question


class LoopbackRank:
    """The far end, as one rank of a model sees it: requests and payloads come in, answers go out."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.requests: deque[Header] = deque()
        self.incoming: deque[bytes] = deque()
        self.answers: deque[Header] = deque()
        self.outgoing: deque[bytes] = deque()

    def answer(self, header: Header, *payloads: bytes) -> None:
        """Send an answer with its payloads."""
        self.answers.append(Header.unpack(header.pack()))
        self.outgoing.extend(payloads)


class LoopbackTransport:
    """Transport to `ranks` in-memory peers; `serve(peer)` lets one of them work on what has arrived."""

    def __init__(self, ranks: int, serve: Callable[[LoopbackRank], None], timeout: float = 1.0) -> None:
        self.ranks = ranks
        self.instance = 0
        self.independent = True
        self.may_share_memory = False
        self.in_place = True
        self.timeout = timeout
        self.aborted = ""
        self.closed = False
        self.peers = [LoopbackRank(rank) for rank in range(ranks)]
        self._serve = serve
        self._expected: list[tuple[int, Window]] = []

    def send_request(self, rank: int, header: bytes) -> None:
        self.peers[rank].requests.append(Header.unpack(header))

    def send(self, rank: int, payload: Window | bytes) -> None:
        data = payload if isinstance(payload, bytes) else np.ascontiguousarray(payload.view).tobytes()
        self.peers[rank].incoming.append(data)

    def receive(self, rank: int, window: Window) -> None:
        self._expected.append((rank, window))

    def question(self, header: bytes, window: Window) -> Callable[[], None]:
        return plain_question(self, header, window)

    def next_answer(self) -> tuple[int, Header]:
        for peer in self.peers:
            self._serve(peer)
        for peer in self.peers:
            if peer.answers:
                return peer.rank, peer.answers.popleft()
        raise PeerTimeout(f"no rank of the model answered for {self.timeout} s")

    def poll(self) -> tuple[int, Header] | None:
        for peer in self.peers:
            self._serve(peer)
        return next(((p.rank, p.answers.popleft()) for p in self.peers if p.answers), None)

    def rest(self, seconds: float) -> None:
        pass

    def finish(self) -> None:
        if self._expected:
            for peer in self.peers:
                self._serve(peer)
        for rank, window in self._expected:
            if not self.peers[rank].outgoing:
                raise PeerTimeout(f"rank {rank} of the model sent no values for {self.timeout} s")
            data = self.peers[rank].outgoing.popleft()
            window.view[...] = np.frombuffer(data, window.array.dtype).reshape(window.view.shape)
        self._expected.clear()

    def abort(self, reason: str) -> None:
        self.aborted = reason

    def close(self) -> None:
        self.closed = True
