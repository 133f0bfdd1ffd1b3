"""Copies of this process, made by fork, that may still read what its memory held then."""

from __future__ import annotations

import os
import select
import weakref
from collections.abc import Callable


class ForkedCopies:
    """Counts the forks of this process, and knows which of the copies live: each holds the end of a pipe."""

    def __init__(self, in_copy: Callable[[], None]) -> None:
        """`in_copy` is called in each copy before anything else happens there; a method, held weakly."""
        self.forks = 0
        self._owner = os.getpid()
        self._alive: dict[int, int] = {}  # number of the fork: end of its pipe
        self._pipe = (-1, -1)
        os.register_at_fork(
            before=weakly(self._before),
            after_in_parent=weakly(self._in_parent),
            after_in_child=weakly(in_copy),
        )

    @property
    def is_copy(self) -> bool:
        """Is this process itself a copy of the one that made this object?"""
        return os.getpid() != self._owner

    def alive_since(self, forks: int) -> bool:
        """Does a copy live that was made when there had been `forks` forks already, or later?"""
        for number, end in list(self._alive.items()):
            poll = select.poll()
            poll.register(end)
            if poll.poll(0):  # the other end is closed
                os.close(end)
                del self._alive[number]
        return any(number >= forks for number in self._alive)

    def _before(self) -> None:
        self._pipe = os.pipe()  # closed by exec, too

    def _in_parent(self) -> None:
        end, of_copy = self._pipe
        os.close(of_copy)
        self._alive[self.forks] = end
        self.forks += 1


def weakly(method: Callable[[], None]) -> Callable[[], None]:
    """Calls a method as long as its object lives: what is registered for forks stays so."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        if (bound := reference()) is not None:
            bound()

    return call
