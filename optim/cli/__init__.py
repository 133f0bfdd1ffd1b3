"""The command `nemo-bridge`: where the bridge, the emulator and the numerics meet.

Exit codes
    0    done (for a tuning job: it converged, stalled, or its budget is spent)
    1    an error nobody foresaw
    2    wrong use: an argument, or a file whose name and entry the message gives
    4    the model failed: it crashed, timed out, or blew up where a result was needed
    5    another live process owns the run directory
    128+ ended by a signal (130 Ctrl-C, 137 killed, 143 terminated)
"""

import os

# As in every job that a launcher starts: a sum made by several threads has other bits. numpy asks once, when imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from optim.cli.app import app  # noqa: E402
from optim.cli.exit_codes import main  # noqa: E402

__all__ = ["app", "main"]
