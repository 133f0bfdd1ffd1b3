"""A process that does the work of a job's server has the environment of one, however it was started."""

from __future__ import annotations

import os
import sys

from bridge.launchers import OF_EVERY_JOB


def renew_as_server() -> None:
    """Start this program anew, in the same process, with what the launchers give to a server; once.

    Some of it counts only at the start of a process: the number of threads, on which the last bits of sums depend, and
    how memory is given back. What the user has set stays.
    """
    missing = {name: value for name, value in OF_EVERY_JOB.items() if name not in os.environ}
    if not missing:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, "-m", "optim.cli", *sys.argv[1:]], {**os.environ, **missing})
