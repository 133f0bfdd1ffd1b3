"""Ctrl-C and the signals that ask a process to end, made into one exception."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: seconds to leave in order; compiled code that hears no signal is not waited for any longer
GRACE = 15.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class AskedToEnd(BaseException):
    """A signal asked this process to end. (No KeyboardInterrupt: typer ends those itself, with code 1.)"""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"stopped by {signal.Signals(number).name}")


class _Hearer:
    """Handles signals: the first raises AskedToEnd, further ones, and all once everything is done, do nothing."""

    def __init__(self) -> None:
        self.heard = self.done = False

    def __call__(self, number: int, _frame: object) -> None:
        if not self.heard and not self.done:
            self.heard = True
            raise AskedToEnd(number)


@contextmanager
def asked_to_end() -> Iterator[None]:
    """In this block the first SIGINT, SIGTERM or SIGHUP raises AskedToEnd, and further ones do nothing.

    Python hears of a signal between two of its own instructions only: a thread ends the process if it is still there
    `GRACE` seconds later.
    """
    hear = _Hearer()
    wanted = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # nohup
    previous = {number: signal.signal(number, hear) for number in wanted}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    previous_writer = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    over = threading.Event()
    threading.Thread(target=_last_resort, args=(reader, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(previous_writer)
        os.close(writer)
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_IGN if hear.done else handler)


def hear_no_more() -> None:
    """All is done and written: in a block of `asked_to_end`, and after it, signals change nothing any more.

    Whoever waits for the model alone may end this process as soon as the model has been let go.
    """
    for number in _SIGNALS:
        if isinstance(hearer := signal.getsignal(number), _Hearer):
            hearer.done = True


def _last_resort(reader: int, over: threading.Event) -> None:
    with os.fdopen(reader, "rb", 0) as stream:
        while heard := stream.read(1):
            number = heard[0]
            if number in _SIGNALS and not over.wait(GRACE):
                name = signal.Signals(number).name
                sys.stderr.write(f"nemo-bridge: stopped by {name}, {GRACE:g} s ago: ending at once\n")
                sys.stderr.flush()
                os._exit(128 + number)
