"""The command `nemo-bridge`: where the bridge, the emulator and the numerics meet.

Exit codes
    0    done (for a tuning job: it converged, stalled, or its budget is spent)
    1    an error nobody foresaw
    2    wrong use: an argument, or a file whose name and entry the message gives
    4    the model failed: it crashed, timed out, or blew up where a result was needed
    5    another live process owns the run directory
    128+ ended by a signal (130 Ctrl-C, 137 killed, 143 terminated)
"""

from optim.cli.app import app
from optim.cli.exit_codes import main

__all__ = ["app", "main"]
